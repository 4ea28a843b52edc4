"""Appointments from a file: the machinery of `appointments.importing`, fed by a page."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from appointments.importing.chunks import ChunkWriter
from appointments.importing.mapping import Mapping, mapping_parse
from appointments.importing.reading import Record
from appointments.importing.refusals import ImportStopped, Refused
from appointments.importing.rules import RowRules, VisitDraft
from appointments.importing.running import drafts_read
from appointments.importing.target import Target, target_prepare
from appointments.models import Appointment
from backoffice.transfer.columns import AppointmentColumns
from backoffice.transfer.faults import Outcome
from backoffice.transfer.importer import Batch, Importer, Job
from backoffice.transfer.lines import Draft, LineReader
from clinics.models import Location, VisitMode
from core import clock
from core.formulas import unguarded

#: Where rows in our own columns come from: with their ids they are known for ever.
OWN_SYSTEM = "kairos"
_COLUMNS = AppointmentColumns()


def own_mapping(*, location: str, fields: Iterable[str]) -> Mapping:
    """The mapping of our own columns. `location` is for visits in person that name none."""
    times: dict[str, Any] = {"starts_at": {"column": "starts_at", "zone": "clinic"}}
    if "ends_at" in fields:
        times["ends_at"] = {"column": "ends_at", "zone": "clinic"}
    else:
        times["minutes"] = {"column": "minutes"}
    return Mapping.model_validate(
        {
            "system": OWN_SYSTEM,
            "location": location,
            "row": {"id": "id"},
            "patient": {
                "known_by": "either",
                "external_id": "patient_external_id",
                "mrn": "patient_mrn",
                "given_name": "patient_given_name",
                "family_name": "patient_family_name",
                "birth_date": "patient_birth_date",
                "phone": "patient_phone",
            },
            "visit": times
            | {
                "status": "status",
                "type": "type",
                "booked_at": {"column": "booked_at", "zone": "clinic"},
                "cancelled_at": {"column": "cancelled_at", "zone": "clinic"},
                "cancel_reason": "cancel_reason",
                "reason": "reason",
                "doctor": "doctor",
                "service": "service",
                "location": "location",
            },
        }
    )


class AppointmentImporter(Importer[VisitDraft]):
    """Visits; known by the system that a file comes from and the id that it gives them.

    A visit that is in is never changed by a file: its time and its status move through the services
    of the calendar alone. Conflicts are for the database to find, so a dry run writes too and is
    rolled back.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._now = clock.now()
        self._mapping: Mapping | None = None
        self._target: Target | None = None
        self._rules: RowRules | None = None
        self._lines: LineReader | None = None
        if job.mapping:
            self._mapping = mapping_parse(job.mapping, name=_("the mapping"))
        else:
            self._lines = LineReader(
                resource=_COLUMNS, fields=job.fields, columns=job.columns, reading=job.reading
            )

    @property
    def lock(self) -> str:
        system = self._mapping.system if self._mapping else OWN_SYSTEM
        return f"import:{self.job.clinic.id}:{system}"

    def begin(self) -> None:
        if self._mapping is None or self._lines is not None:
            self._mapping = own_mapping(location=self._place(), fields=self.job.fields)
        self._target = target_prepare(clinic=self.job.clinic, mapping=self._mapping)
        self._rules = RowRules(self._mapping, ZoneInfo(self._target.location.timezone), self._now)

    def _place(self) -> str:
        """The clinic's oldest location that is open. Raises ImportStopped when there is none."""
        places = Location.objects.filter(clinic=self.job.clinic, is_active=True)
        location = places.order_by("id").first()
        if location is None:
            raise ImportStopped(_("the clinic has no location; visits take place somewhere"))
        return location.name

    def read(self, records: Iterable[Record]) -> Batch[VisitDraft]:
        batch: Batch[VisitDraft] = Batch()
        if self._lines is not None:
            for record in records:
                draft = self._lines.read(record, batch.outcome)
                if draft is not None:
                    self._read_own(draft, batch)
            return batch
        plain = (
            Record(one.line, [unguarded(cell) for cell in one.cells], one.fault, one.words)
            for one in records
        )
        batch.drafts, refused = drafts_read(plain, self.job.columns, self._ready()[1])
        for row in refused:
            batch.outcome.refuse(row.line, "", row.code, row.words)
        return batch

    def _read_own(self, draft: Draft, batch: Batch[VisitDraft]) -> None:
        if self._lines is None:
            raise AssertionError("lines in our own columns have a reader")
        values = draft.values
        row = {name: str(values[name]) if name in values else "" for name in _COLUMNS.fields}
        row["type"] = row["type"] or VisitMode.IN_PERSON.value
        try:
            batch.drafts.append(self._ready()[1].read(row, draft.line))
        except Refused as refusal:
            batch.outcome.refuse(draft.line, "", refusal.code, refusal.words)

    def save(self, batch: Batch[VisitDraft]) -> Outcome:
        outcome = Outcome(bad=batch.outcome.bad, faults=list(batch.outcome.faults))
        drafts = batch.drafts
        if self._lines is not None:
            here = self._here([draft.external_id for draft in drafts])
            drafts = [draft for draft in drafts if draft.external_id not in here]
            outcome.unchanged += len(batch.drafts) - len(drafts)
        target, _rules, mapping = self._ready()
        writer = ChunkWriter(mapping=mapping, target=target, file=self.job.file_name)
        result = writer.write(drafts, now=self._now)
        outcome.fresh += result.accepted
        outcome.unchanged += result.known
        for row in result.refused:
            outcome.refuse(row.line, "", row.code, row.words)
        return outcome

    def _here(self, names: list[str]) -> set[str]:
        """Which of these ids are visits of this clinic: our own export come back."""
        ids = {}
        for name in names:
            try:
                ids[UUID(name)] = name
            except ValueError:
                continue
        found = Appointment.objects.filter(clinic=self.job.clinic, id__in=list(ids))
        return {ids[one] for one in found.values_list("id", flat=True)}

    def _ready(self) -> tuple[Target, RowRules, Mapping]:
        if self._target is None or self._rules is None or self._mapping is None:
            raise AssertionError("an import begins before it reads")
        return self._target, self._rules, self._mapping
