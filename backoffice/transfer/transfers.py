"""The life of an import: uploaded, told how to be read, checked, imported, forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from appointments.importing.mapping import mapping_parse
from appointments.importing.refusals import ImportStopped
from backoffice.models import (
    BadLines,
    DateStyle,
    Transfer,
    TransferFault,
    TransferKind,
    TransferPart,
    TransferState,
)
from backoffice.transfer import limits
from backoffice.transfer.dates import style_found
from backoffice.transfer.files import file_keep, file_look, file_opened
from backoffice.transfer.headers import guess
from backoffice.transfer.kinds import kind_of
from backoffice.transfer.states import NO_COUNTS, move
from backoffice.transfer.values import Day, Moment, country_known
from clinics.models import Clinic
from clinics.principal import Principal
from core import clock, journal, tenancy
from core.errors import ErrorCode, KairosError, invalid
from core.formulas import unguarded

#: How many lines are looked at to find out how days are written.
_SAMPLE = 5000
_PREVIEW = 3
QUEUED = "transfer.queued"


def transfer_create(
    *,
    principal: Principal,
    clinic: Clinic,
    kind: str,
    file_name: str,
    stream: BinaryIO,
    mapping: str = "",
) -> Transfer:
    """Keep an uploaded file, with a first guess at its columns.

    `mapping` is a TOML mapping (docs/importing.md), for appointments. Raises PERMISSION_DENIED, and
    VALIDATION_ERROR for a file or a mapping that cannot be used, saying why.
    """
    principal.require(kind_of(kind).import_right, clinic.id)
    if mapping and kind != TransferKind.APPOINTMENTS:
        raise invalid("mapping", _("Only appointments take a mapping."))
    try:
        facts = file_look(stream, name=file_name)
    except ImportStopped as stopped:
        raise invalid("file", str(stopped)) from stopped
    if mapping:
        _check_mapping(mapping, facts.columns)
    fields = {} if mapping else guess(facts.columns, kind_of(kind).columns.names())
    transfer = Transfer(
        clinic=clinic,
        kind=kind,
        file_name=file_name[-200:],
        file_format=facts.file_format,
        size=facts.size,
        lines=facts.lines,
        remarks=facts.remarks,
        columns=[column[:200] for column in facts.columns],
        fields=fields,
        mapping=mapping,
        country=clinic.country.upper(),
        created_by_id=principal.user_id,
    )
    with transaction.atomic():
        transfer.save(force_insert=True)
        file_keep(transfer, stream)
        _record(
            transfer, "import.uploaded", {"file": [None, transfer.file_name], "kind": [None, kind]}
        )
    return transfer


def _check_mapping(text: str, columns: list[str]) -> None:
    try:
        parsed = mapping_parse(text, name=_("The mapping"))
    except ImportStopped as stopped:
        raise invalid("mapping", str(stopped)) from stopped
    wanted = set(parsed.columns())
    if missing := sorted(wanted - set(columns)):
        raise invalid(
            "mapping",
            _("The file has no column %(names)s.") % {"names": ", ".join(missing)},
        )
    if twice := sorted(name for name in wanted if columns.count(name) > 1):
        raise invalid(
            "mapping",
            _("The file has more than one column %(names)s.") % {"names": ", ".join(twice)},
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """The first lines of a file, and how its days are written (None: it could be either way)."""

    lines: list[list[str]]
    style: DateStyle | None


def transfer_preview(transfer: Transfer, fields: Mapping[str, int]) -> Preview:
    """A look at the file, with `fields` as the choice of columns. Raises CONFLICT if it is gone."""
    columns = kind_of(transfer.kind).columns.fields
    days = [
        number
        for name, number in fields.items()
        if name in columns and isinstance(columns[name].widget, Day | Moment)
    ]
    try:
        with file_opened(transfer) as source:
            lines = [
                [unguarded(cell.strip()) for cell in record.cells]
                for record in islice(source.records(), _SAMPLE)
                if record.fault is None
            ]
    except ImportStopped as stopped:
        raise KairosError(ErrorCode.CONFLICT, str(stopped)) from stopped
    texts = (cells[number] for cells in lines for number in days)
    return Preview(lines[:_PREVIEW], DateStyle.ISO if transfer.mapping else style_found(texts))


def transfer_check(
    *,
    principal: Principal,
    transfer: Transfer,
    fields: Mapping[str, int],
    date_style: str,
    country: str,
    bad_lines: str,
) -> None:
    """Say how the file is to be read, and have it checked; nothing is written into the clinic.

    Raises PERMISSION_DENIED, CONFLICT when somebody else is at it, and VALIDATION_ERROR with the
    fields that are not right (`date_style` '' is one while days could be read either way).
    """
    principal.require(kind_of(transfer.kind).import_right, transfer.clinic_id)
    errors = _faults_of_choice(transfer, fields, country)
    style = date_style or ("" if errors else transfer_preview(transfer, fields).style or "")
    if not errors and not style:
        errors["date_style"] = [_("Days like 03/04/2026 can be read either way: say which.")]
    if errors:
        raise KairosError(ErrorCode.VALIDATION_ERROR, errors=errors)
    move(
        transfer.id,
        TransferState.CHECK_QUEUED,
        fields=dict(fields),
        date_style=DateStyle(style).value,
        country=country.upper(),
        bad_lines=BadLines(bad_lines).value,
        queued_at=clock.now(),
        beat_at=None,
        finished_at=None,
        **NO_COUNTS,
    )
    _queue(transfer, principal)


def _faults_of_choice(
    transfer: Transfer, fields: Mapping[str, int], country: str
) -> dict[str, list[str]]:
    if country and not country_known(country.upper()):
        return {"country": [_("No such country; two letters, such as DE.")]}
    if transfer.mapping:
        return {}
    columns = kind_of(transfer.kind).columns
    errors: dict[str, list[str]] = {}
    for name, number in fields.items():
        if name not in columns.fields or not 0 <= number < len(transfer.columns):
            errors[name] = [_("The file has no such column.")]
    for group in columns.missing(fields):
        names = _(" or ").join(f"“{columns.fields[name].label}”" for name in group)
        errors[group[0]] = [_("Say which column holds %(names)s.") % {"names": names}]
    return errors


def transfer_run(*, principal: Principal, transfer: Transfer, bad_lines: str) -> None:
    """Import what was checked. Raises PERMISSION_DENIED; CONFLICT when somebody else has begun, or
    when there are bad lines and none may be skipped."""
    principal.require(kind_of(transfer.kind).import_right, transfer.clinic_id)
    if transfer.bad and bad_lines != BadLines.SKIP:
        raise KairosError(
            ErrorCode.CONFLICT, _("There are bad lines: mend the file, or skip them.")
        )
    move(
        transfer.id,
        TransferState.RUN_QUEUED,
        bad_lines=BadLines(bad_lines).value,
        queued_at=clock.now(),
        beat_at=None,
        **NO_COUNTS,
    )
    _record(transfer, "import.started", {"bad_lines": [None, bad_lines]})
    _queue(transfer, principal)


def transfer_continue(*, principal: Principal, transfer: Transfer) -> None:
    """Ask again for work that nobody seems to be doing. Asking too often does no harm."""
    principal.require(kind_of(transfer.kind).import_right, transfer.clinic_id)
    if not transfer.is_under_way:
        raise KairosError(ErrorCode.CONFLICT, _("Nothing of this import is waiting."))
    _publish(transfer, principal)


def transfer_discard(*, principal: Principal, transfer: Transfer) -> None:
    """Remove the file and its report; what was imported stays. Raises as `transfer_run`."""
    principal.require(kind_of(transfer.kind).import_right, transfer.clinic_id)
    move(transfer.id, TransferState.DISCARDED)
    TransferPart.objects.filter(transfer_id=transfer.id).delete()
    TransferFault.objects.filter(transfer_id=transfer.id).delete()
    _record(transfer, "import.discarded", {})


def transfers_prune() -> int:
    """Forget files and reports that have been kept long enough; returns how many."""
    since = clock.now() - limits.kept()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        old = list(Transfer.objects.filter(created_at__lt=since).values_list("id", flat=True)[:500])
        for piece in (TransferPart, TransferFault):
            piece.objects.filter(transfer_id__in=old).delete()
        Transfer.objects.filter(id__in=old).delete()
    return len(old)


def is_small(transfer: Transfer) -> bool:
    """Whether the file is worked on at once, in the request."""
    return transfer.lines <= limits.request_lines()


def _queue(transfer: Transfer, principal: Principal) -> None:
    if not is_small(transfer):
        _publish(transfer, principal)


def _publish(transfer: Transfer, principal: Principal) -> None:
    """Have a worker told. The event outlives a broker that is away."""
    journal.record(
        journal.Act(
            "import.queued",
            "backoffice.transfer",
            transfer.id,
            transfer.clinic_id,
            topic=QUEUED,
            payload={"transfer": transfer.id, "user": principal.user_id},
        )
    )


def _record(transfer: Transfer, action: str, changes: Mapping[str, Any]) -> None:
    journal.record(
        journal.Act(action, "backoffice.transfer", transfer.id, transfer.clinic_id, changes=changes)
    )
