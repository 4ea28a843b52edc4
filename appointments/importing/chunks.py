"""Writes one chunk of sound rows: all of it that can be had, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from appointments.importing.mapping import Mapping
from appointments.importing.placing import Occupied, SlotGrid, Wanted, doctors_for, occupied_read
from appointments.importing.refusals import Refusal, Refused
from appointments.importing.rules import VisitDraft
from appointments.importing.target import Target
from appointments.models import Appointment, AppointmentStatus, ImportedRow, Source, Verb
from appointments.services.bulk import NewVisit, Step, appointments_insert, patients_insert
from clinics.models import Patient, VisitMode
from core import tenancy

_TIMEOUT_MS = 60_000
#: Charts by what tells patients apart (`PatientDraft.key`).
Charts = dict[tuple[str, str], Patient]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row for the report."""

    line: int
    external_id: str
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What became of a chunk's rows."""

    accepted: int
    known: int
    patients: int
    refused: list[RefusedRow]


@dataclass(slots=True)
class _Sorted:
    """A draft on its way to becoming a visit."""

    draft: VisitDraft
    doctors: Sequence[UUID]
    patient: Patient


class ChunkWriter:
    """Writes chunks of one file into one clinic."""

    def __init__(self, *, mapping: Mapping, target: Target, file: str) -> None:
        self.mapping = mapping
        self.target = target
        self.file = file
        self.grid = SlotGrid(mapping.spread, target.zone) if mapping.spread else None

    def write(self, drafts: Sequence[VisitDraft], *, now: datetime) -> ChunkResult:
        """Write what is new of the drafts, with the patients they name; the rest is untouched.

        A row that was imported before, or that the chunk holds already, counts as known.
        """
        clinic = self.target.clinic
        with tenancy.scope([clinic.id], statement_timeout_ms=_TIMEOUT_MS):
            fresh = self._unknown(drafts)
            refused: list[RefusedRow] = []
            if not fresh:
                return ChunkResult(0, len(drafts), 0, refused)
            charts = self._charts(fresh)
            sorted_rows = self._sort(fresh, charts, refused)
            visits, lines = self._visits(sorted_rows, refused, now)
            for one in appointments_insert(
                clinic_id=clinic.id,
                visits=visits,
                action="appointments.imported",
                system=self.mapping.system,
                details={"file": [None, self.file], "system": [None, self.mapping.system]},
            ):
                draft = lines[one.visit.external_id]
                refused.append(_refused(draft, Refused(one.code.value, str(one.code.label))))
            made = self._patients_made(fresh, charts, {row.line for row in refused})
        return ChunkResult(
            accepted=len(fresh) - len(refused),
            known=len(drafts) - len(fresh),
            patients=made,
            refused=refused,
        )

    def _unknown(self, drafts: Sequence[VisitDraft]) -> list[VisitDraft]:
        first: dict[str, VisitDraft] = {}
        for draft in drafts:
            first.setdefault(draft.external_id, draft)
        known = set(
            ImportedRow.objects.filter(
                clinic=self.target.clinic,
                system=self.mapping.system,
                external_id__in=list(first),
            ).values_list("external_id", flat=True)
        )
        return [draft for key, draft in first.items() if key not in known]

    def _charts(self, drafts: Sequence[VisitDraft]) -> Charts:
        """The charts of the drafts' patients by their keys; new ones are not saved yet.

        A record number that another chart has makes no chart.
        """
        clinic = self.target.clinic
        wanted = list({draft.patient.external_id for draft in drafts} - {""})
        charts: Charts = {
            ("external_id", str(chart.external_id)): chart
            for chart in Patient.objects.filter(clinic=clinic, external_id__in=wanted).only(
                "id", "external_id"
            )
        }
        new = [draft.patient for draft in drafts if draft.patient.key not in charts]
        taken = {
            chart.mrn: chart
            for chart in Patient.objects.filter(
                clinic=clinic, mrn__in=list({patient.mrn for patient in new})
            ).only("id", "mrn")
        }
        for patient in new:
            if patient.key in charts:
                continue
            if patient.mrn not in taken:
                taken[patient.mrn] = charts[patient.key] = Patient(
                    clinic=clinic, external_id=patient.external_id or None, mrn=patient.mrn
                )
            elif not patient.external_id:
                charts[patient.key] = taken[patient.mrn]
        return charts

    def _sort(
        self,
        drafts: Sequence[VisitDraft],
        charts: Charts,
        refused: list[RefusedRow],
    ) -> list[_Sorted]:
        found = []
        for draft in drafts:
            try:
                if draft.service and draft.service not in self.target.services:
                    raise Refused(Refusal.UNKNOWN_SERVICE, f"no service {draft.service!r}")
                if draft.location and draft.location not in self.target.locations:
                    raise Refused(Refusal.UNKNOWN_LOCATION, f"no location {draft.location!r}")
                found.append(_Sorted(draft, self._doctors(draft), _chart(draft, charts)))
            except Refused as refusal:
                refused.append(_refused(draft, refusal))
        return found

    def _doctors(self, draft: VisitDraft) -> Sequence[UUID]:
        roster = self.mapping.roster
        if roster is not None:
            return doctors_for(draft.doctor, self.target.roster, roster.choices)
        doctor = self.target.doctors.get(draft.doctor.casefold())
        if doctor is None:
            raise Refused(Refusal.UNKNOWN_DOCTOR, f"no doctor {draft.doctor[:80]!r} at the clinic")
        return (doctor,)

    def _visits(
        self, rows: Sequence[_Sorted], refused: list[RefusedRow], now: datetime
    ) -> tuple[list[NewVisit], dict[str, VisitDraft]]:
        wanted = {id(row): _wanted(row, now) for row in rows if row.draft.day is not None}
        occupied: Occupied | None = None
        if wanted and self.grid is not None:
            occupied = occupied_read(
                list(wanted.values()), grid=self.grid, clinic_id=self.target.clinic.id, now=now
            )
        visits, lines = [], {}
        for row in rows:
            doctor, starts_at = row.doctors[0], row.draft.starts_at
            if occupied is not None and id(row) in wanted:
                try:
                    place = occupied.place(wanted[id(row)])
                except Refused as refusal:
                    refused.append(_refused(row.draft, refusal))
                    continue
                doctor, starts_at = place.doctor, place.starts_at
            if starts_at is None:
                raise AssertionError("a sound row has a day or a time")
            visits.append(self._visit(row, doctor, starts_at, now))
            lines[row.draft.external_id] = row.draft
        return visits, lines

    def _visit(self, row: _Sorted, doctor: UUID, starts_at: datetime, now: datetime) -> NewVisit:
        draft, target = row.draft, self.target
        service = target.services.get(draft.service)
        location = target.locations[draft.location] if draft.location else target.location
        status = draft.status
        is_cancelled = status == AppointmentStatus.CANCELLED
        visit = Appointment(
            clinic_id=target.clinic.id,
            location_id=location.id
            if draft.mode in {VisitMode.IN_PERSON, VisitMode.HOME_VISIT}
            else None,
            doctor_id=doctor,
            patient_id=row.patient.id,
            service_id=service.id if service else None,
            type=draft.mode,
            status=status,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=draft.minutes),
            timezone=location.timezone,
            reason=draft.reason,
            source=Source.IMPORT,
            cancelled_at=(draft.cancelled_at or draft.booked_at or starts_at)
            if is_cancelled
            else None,
            cancel_reason=draft.cancel_reason if is_cancelled else "",
            created_at=draft.booked_at or now,
            updated_at=now,
        )
        imported = Step(
            verb=Verb.IMPORT.value,
            to_status=status,
            at=now,
            changes={"source": [None, f"{self.mapping.system} {draft.external_id}"]},
        )
        booked = AppointmentStatus.SCHEDULED
        if status == AppointmentStatus.PENDING:
            booked = AppointmentStatus.PENDING
        history = [imported]
        if draft.booked_at is not None:
            history = [
                Step(verb=Verb.BOOK.value, to_status=booked.value, at=draft.booked_at),
                imported,
            ]
        return NewVisit(
            appointment=visit,
            history=history,
            buffer_before=timedelta(minutes=service.buffer_before_minutes if service else 0),
            buffer_after=timedelta(minutes=service.buffer_after_minutes if service else 0),
            external_id=draft.external_id,
        )

    def _patients_made(
        self, drafts: Sequence[VisitDraft], charts: Charts, refused: set[int]
    ) -> int:
        """Write the new charts, each as the first accepted row of its patient has it.

        After the visits (foreign keys are checked at the end), because a refused row leaves nothing
        behind, and what it said must not depend on where a chunk ended.
        """
        new: dict[UUID, Patient] = {}
        for draft in drafts:
            patient = draft.patient
            chart = charts.get(patient.key)
            if draft.line in refused or chart is None or not chart._state.adding:
                continue
            if chart.id not in new:
                new[chart.id] = chart
                chart.birth_date = patient.birth_date
                for name, value in patient.fields.items():
                    setattr(chart, name, value)
        patients_insert(
            clinic_id=self.target.clinic.id,
            patients=list(new.values()),
            action="patients.imported",
        )
        return len(new)


def _chart(draft: VisitDraft, charts: Charts) -> Patient:
    chart = charts.get(draft.patient.key)
    if chart is None:
        raise Refused(
            Refusal.RECORD_NUMBER_TAKEN, f"another patient has the number {draft.patient.mrn}"
        )
    return chart


def _wanted(row: _Sorted, now: datetime) -> Wanted:
    draft = row.draft
    if draft.day is None:
        raise AssertionError("only a row without a time is placed")
    after = draft.booked_at
    if draft.is_open:
        after = max(after, now) if after else now
    return Wanted(
        doctors=row.doctors,
        patient=row.patient.id,
        day=draft.day,
        minutes=draft.minutes,
        after=after,
        is_new=row.patient._state.adding,
    )


def _refused(draft: VisitDraft, refusal: Refused) -> RefusedRow:
    return RefusedRow(draft.line, draft.external_id, refusal.code, refusal.words)
