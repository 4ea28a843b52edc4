"""Patients' charts from a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from appointments.importing.refusals import Refusal
from appointments.services.bulk import patients_insert
from backoffice.transfer.columns import PatientColumns
from backoffice.transfer.faults import BadCell, FaultCode, Outcome
from backoffice.transfer.importer import ColumnsImporter, differing
from backoffice.transfer.lines import Draft
from clinics.models import Patient
from clinics.services.changes import check
from clinics.services.patients import mrns_reserve, patient_update

_KEYS = ("external_id", "mrn")


@dataclass(slots=True)
class _Charts:
    """The clinic's charts that a chunk is about."""

    by_external_id: dict[str, Patient] = field(default_factory=dict)
    by_mrn: dict[str, Patient] = field(default_factory=dict)


class PatientImporter(ColumnsImporter):
    """A chart is known by its outside id, or where a line has none by its record number.

    New charts are written in one statement a chunk. A dry run writes nothing: all that the database
    could say against a chart is looked up.
    """

    resource = PatientColumns()

    def keys(self, draft: Draft) -> list[tuple[str, object]]:
        return [(name, draft.values[name]) for name in _KEYS if name in draft.values]

    def save_drafts(self, drafts: Sequence[Draft], outcome: Outcome) -> None:
        charts = self._charts(drafts)
        new: list[Patient] = []
        for draft in drafts:
            try:
                chart = self._known(draft, charts)
            except BadCell as bad:
                self.reader.refuse(draft, bad, outcome)
                continue
            if chart is not None:
                self._change(draft, chart, outcome)
            elif not self.reader.missing(draft, ["given_name"], outcome):
                fresh = self._opened(draft, outcome)
                if fresh is not None:
                    new.append(fresh)
        outcome.fresh += len(new)
        if not self.job.is_dry:
            self._insert(new)

    def _charts(self, drafts: Sequence[Draft]) -> _Charts:
        charts = Patient.objects.filter(clinic=self.job.clinic).select_related("clinic")
        asked = {
            name: [draft.values[name] for draft in drafts if name in draft.values] for name in _KEYS
        }
        found = _Charts()
        for name, values in asked.items():
            for chart in charts.filter(**{f"{name}__in": values}) if values else ():
                found.by_mrn[chart.mrn] = chart
                if chart.external_id:
                    found.by_external_id[chart.external_id] = chart
        return found

    def _known(self, draft: Draft, charts: _Charts) -> Patient | None:
        """The chart of the line's patient. Raises BadCell where the line contradicts the clinic."""
        external_id, mrn = draft.values.get("external_id"), draft.values.get("mrn")
        if not external_id and not mrn:
            raise BadCell(_("neither an outside id nor a record number"), Refusal.MISSING_VALUE)
        other = charts.by_mrn.get(mrn) if mrn else None
        chart = charts.by_external_id.get(external_id) if external_id else other
        if other is not None and other != chart:
            raise BadCell(
                _("another patient has the record number %(mrn)s") % {"mrn": mrn},
                Refusal.RECORD_NUMBER_TAKEN,
            )
        if chart is not None and chart.merged_into_id is not None:
            raise BadCell(_("the chart was merged into another"), FaultCode.CHART_MERGED)
        return chart

    def _change(self, draft: Draft, chart: Patient, outcome: Outcome) -> None:
        wanted = differing(chart, draft.values)
        if not wanted:
            outcome.unchanged += 1
            return

        def act() -> str:
            if self.job.is_dry:
                for name, value in wanted.items():
                    setattr(chart, name, value)
                check(chart)
            else:
                patient_update(
                    patient=chart, fields=wanted, expected_version=None, contact_only=False
                )
            return "changed"

        self.attempt(draft, outcome, act)

    def _opened(self, draft: Draft, outcome: Outcome) -> Patient | None:
        """An unsaved chart as the line has it, checked; its record number may still be missing."""
        values: dict[str, Any] = {"mrn": "", **draft.values}
        chart = Patient(clinic=self.job.clinic, **values)
        chart.mrn = chart.mrn or "0"  # one is drawn when it is written
        try:
            check(chart)
        except ValidationError as error:
            self.reader.refuse(draft, error, outcome)
            return None
        chart.mrn = values["mrn"]
        return chart

    def _insert(self, charts: list[Patient]) -> None:
        without = [chart for chart in charts if not chart.mrn]
        numbers = mrns_reserve(clinic_id=self.job.clinic.id, count=len(without))
        for chart, mrn in zip(without, numbers, strict=True):
            chart.mrn = mrn
        patients_insert(clinic_id=self.job.clinic.id, patients=charts, action="patients.imported")
