"""Uploaded files: looked at, kept in pieces, and opened again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from appointments.importing.reading import CSVSource, Record
from appointments.importing.refusals import ImportStopped
from backoffice.models import FileFormat, Transfer, TransferPart
from backoffice.transfer import limits
from backoffice.transfer.headers import alike
from backoffice.transfer.workbook import WorkbookSource

#: What bytes are taken for that are not UTF-8: Western European Windows, a superset of Latin-1.
FALLBACK = "cp1252"
_ZIP, _GZIP, _OLD_EXCEL, _PDF = b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"%PDF"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Source(Protocol):
    """A table that is read from its first row to its last, once."""

    columns: list[str]

    def records(self) -> Iterator[Record]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look at a file has shown. `lines` is exact for short files, else an estimate."""

    file_format: FileFormat
    size: int
    lines: int
    columns: list[str]
    remarks: list[str] = field(default_factory=list)


def file_look(stream: BinaryIO, *, name: str) -> Facts:
    """Find out what a file is. Raises ImportStopped for one that cannot be imported, saying why."""
    start = stream.read(4)
    size = stream.seek(0, 2)
    stream.seek(0)
    if size > limits.max_bytes():
        raise ImportStopped(
            _("the file has %(size)s MB; at most %(most)s MB are taken")
            % {"size": size >> 20, "most": limits.max_bytes() >> 20}
        )
    _refuse_wrong(start)
    is_workbook = start == _ZIP
    source = _open(stream, name=name, is_workbook=is_workbook)
    try:
        if not any(source.columns):
            raise ImportStopped(_("the first line has no column names"))
        counted = sum(1 for _record in islice(source.records(), limits.request_lines() + 1))
        if not counted:
            raise ImportStopped(_("the file has column names, but no line below them"))
    finally:
        if isinstance(source, CSVSource):
            source.detach()
    remarks = [
        _("The columns %(numbers)s are all called “%(name)s”: say which one is meant.")
        % {"name": twice, "numbers": ", ".join(str(number + 1) for number in numbers)}
        for twice, numbers in alike(source.columns).items()
    ]
    if isinstance(source, WorkbookSource):
        remarks += _of_workbook(source)
        # What a workbook says of its own size may be wrong, or missing.
        lines = counted if counted <= limits.request_lines() else max(counted, source.size or 0)
    else:
        stream.seek(0)
        lines, more = _of_text(stream)
        remarks += more
        if lines > limits.max_lines():
            raise ImportStopped(
                _("the file has more than %(most)s lines; split it") % {"most": limits.max_lines()}
            )
    stream.seek(0)
    return Facts(
        FileFormat.XLSX if is_workbook else FileFormat.CSV,
        size,
        max(1, lines),
        source.columns,
        remarks,
    )


def _refuse_wrong(start: bytes) -> None:
    if not start:
        raise ImportStopped(_("the file is empty"))
    if start[:2] in _UTF16:
        raise ImportStopped(_("the file is UTF-16 text; save it as CSV in UTF-8"))
    if start[:2] == _GZIP:
        raise ImportStopped(_("the file is compressed; unpack it first"))
    if start == _OLD_EXCEL:
        raise ImportStopped(_("this is an old Excel file (.xls); save it as .xlsx or CSV"))
    if start == _PDF:
        raise ImportStopped(_("this is a PDF, not a table"))


def _of_workbook(source: WorkbookSource) -> list[str]:
    remarks = [_("Formulas are read as the values that the workbook holds for them.")]
    if len(source.sheets) > 1:
        remarks.append(
            _("The workbook has %(count)s sheets; the first, “%(name)s”, is read.")
            % {"count": len(source.sheets), "name": source.sheets[0]}
        )
    return remarks


def _of_text(stream: BinaryIO) -> tuple[int, list[str]]:
    """The lines below the header, and what is to be said of the encoding."""
    lines, is_utf8 = 0, True
    for line in stream:
        lines += 1
        if is_utf8 and not line.isascii():
            try:
                line.decode()
            except UnicodeDecodeError:
                is_utf8 = False
    if is_utf8:
        return lines - 1, []
    return lines - 1, [
        _(
            "The file is not UTF-8. What is not is read as Western European (Windows-1252, which"
            " Latin-1 is part of); look whether accents are right."
        )
    ]


def file_keep(transfer: Transfer, stream: BinaryIO) -> None:
    """Store the file with the transfer, piece by piece."""
    number = 0
    while block := stream.read(limits.BLOCK):
        TransferPart.objects.create(
            clinic_id=transfer.clinic_id, transfer=transfer, number=number, content=block
        )
        number += 1


@contextmanager
def file_opened(transfer: Transfer) -> Iterator[Source]:
    """The transfer's file as a table, from its first row on; for a scope of its clinic.

    The bytes go through an unnamed temporary file that is gone when it is closed, because a
    workbook is read back and forth. Raises ImportStopped when the file has been removed.
    """
    with tempfile.TemporaryFile() as stream:
        _fetch(transfer.id, stream)
        if not stream.tell():
            raise ImportStopped(_("the file has been removed; upload it again"))
        stream.seek(0)
        source = _open(
            stream, name=transfer.file_name, is_workbook=transfer.file_format == FileFormat.XLSX
        )
        try:
            yield source
        finally:
            source.close()


def _fetch(transfer_id: UUID, stream: BinaryIO) -> None:
    number = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT content FROM backoffice_transferpart"
                " WHERE transfer_id = %s AND number = %s",
                [transfer_id, number],
            )
            row = cursor.fetchone()
            if row is None:
                return
            stream.write(row[0])
            number += 1


def _open(stream: BinaryIO, *, name: str, is_workbook: bool) -> WorkbookSource | CSVSource:
    if is_workbook:
        return WorkbookSource(stream)
    try:
        return CSVSource(Path(name), stream=stream, fallback_encoding=FALLBACK)
    except ImportStopped as stopped:
        # The name is on the page already.
        raise ImportStopped(str(stopped).removeprefix(f"{Path(name)}: ")) from stopped
