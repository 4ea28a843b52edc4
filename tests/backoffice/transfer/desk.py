"""Imports without pages: upload, check and import as an administrator does, and look at it."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl import Workbook

from accounts.models import User
from backoffice.models import BadLines, FileFormat, Transfer, TransferFault, TransferState
from backoffice.transfer.exporting import Export, Filters, export_stream
from backoffice.transfer.transfers import (
    is_small,
    transfer_check,
    transfer_create,
    transfer_run,
)
from backoffice.transfer.work import work_here
from clinics.models import Clinic
from clinics.principal import Principal, principal_open
from core import context, tenancy
from tests.casts import Cast


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",") -> bytes:
    """A CSV file in UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def as_xlsx(*sheets: Sequence[Sequence[Any]]) -> bytes:
    """A workbook, a list of rows for each sheet."""
    book = Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        for row in rows:
            sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def principal_of(user: User) -> Principal:
    """The user's rights."""
    found = principal_open(user.id, None, write=True)
    assert found is not None
    return found


@dataclass(frozen=True)
class Result:
    """What became of a file: new, changed, unchanged, bad; and (line, column, code) of faults."""

    transfer: Transfer
    faults: list[tuple[int, str, str]]
    words: list[str]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        found = self.transfer
        return found.fresh, found.changed, found.unchanged, found.bad

    @property
    def codes(self) -> set[str]:
        return {code for _, _, code in self.faults}


class Desk:
    """A clinic's administrator (or another of its users) at the import page."""

    def __init__(self, cast: Cast, user: User | None = None) -> None:
        self.clinic: Clinic = cast.clinic
        self.user = user or cast.clinic_admin
        context.begin("a-request-id").actor_id = self.user.id

    def upload(self, kind: str, content: bytes, *, name: str = "", mapping: str = "") -> Transfer:
        with tenancy.scope([self.clinic.id]):
            return transfer_create(
                principal=principal_of(self.user),
                clinic=self.clinic,
                kind=kind,
                file_name=name or f"{kind}.csv",
                stream=io.BytesIO(content),
                mapping=mapping,
            )

    def check(
        self,
        kind: str,
        content: bytes,
        *,
        fields: dict[str, int] | None = None,
        style: str = "",
        country: str | None = None,
        mapping: str = "",
        name: str = "",
    ) -> Result:
        transfer = self.upload(kind, content, mapping=mapping, name=name)
        return self.check_again(
            transfer,
            fields=transfer.fields if fields is None else fields,
            style=style,
            country=transfer.country if country is None else country,
        )

    def check_again(
        self, transfer: Transfer, *, fields: dict[str, int], style: str, country: str
    ) -> Result:
        with tenancy.scope([self.clinic.id]):
            transfer_check(
                principal=principal_of(self.user),
                transfer=transfer,
                fields=fields,
                date_style=style,
                country=country,
                bad_lines=BadLines.STOP,
            )
            if is_small(transfer):
                work_here(transfer.id, transfer.clinic_id)
        return self.result(transfer)

    def run(self, checked: Result, *, skip: bool = False) -> Result:
        with tenancy.scope([self.clinic.id]):
            transfer_run(
                principal=principal_of(self.user),
                transfer=checked.transfer,
                bad_lines=BadLines.SKIP if skip else BadLines.STOP,
            )
            if is_small(checked.transfer):
                work_here(checked.transfer.id, self.clinic.id)
        return self.result(checked.transfer)

    def load(self, kind: str, content: bytes, *, skip: bool = False, **how: Any) -> Result:
        """Check and import; the check must have found what the import then does."""
        checked = self.check(kind, content, **how)
        assert checked.transfer.state == TransferState.CHECKED, checked.transfer.failure
        done = self.run(checked, skip=skip)
        assert done.transfer.state == TransferState.DONE, done.transfer.failure
        assert done.counts == checked.counts
        assert done.faults == checked.faults
        return done

    def result(self, transfer: Transfer) -> Result:
        with tenancy.scope([self.clinic.id]):
            transfer = Transfer.objects.get(id=transfer.id)
            rows = TransferFault.objects.filter(transfer=transfer).order_by("line", "id")
            found = list(rows.values_list("line", "column", "code", "words"))
        return Result(transfer, [row[:3] for row in found], [row[3] for row in found])

    def export(
        self,
        kind: str,
        file_format: str = FileFormat.CSV,
        *,
        clinical: bool = True,
        **filters: Any,
    ) -> bytes:
        wanted = Export(
            kind=kind,
            clinic=self.clinic,
            file_format=file_format,
            clinical=clinical,
            filters=Filters(**filters),
        )
        return b"".join(export_stream(wanted))


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
