"""Working hours from a file."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from appointments.importing.refusals import Refusal
from backoffice.transfer.columns import HoursColumns
from backoffice.transfer.faults import BadCell, Outcome
from backoffice.transfer.importer import ColumnsImporter, differing
from backoffice.transfer.lines import Draft
from backoffice.transfer.people import DoctorsByName, doctors_of
from clinics.models import Doctor, Location, ScheduleTemplate, Service
from clinics.services.schedules import template_create, template_update

_REQUIRED = ("doctor", "location", "weekday", "start_time", "end_time")
_KEY = ("weekday", "start_time", "valid_from")
_NAMED = frozenset({"doctor", "location", "services"})


class HoursImporter(ColumnsImporter):
    """Working hours are known by doctor, location, weekday, start and first day of validity.

    Whether they overlap others is for the database to say, so a dry run writes them too and is
    rolled back.
    """

    resource = HoursColumns()
    chunk_lines = 200

    def keys(self, draft: Draft) -> list[tuple[str, object]]:
        if any(name not in draft.values for name in _REQUIRED):
            return []
        key = [str(draft.values[name]).casefold() for name in ("doctor", "location")]
        return [("start_time", (*key, *(draft.values.get(name) for name in _KEY)))]

    @cached_property
    def _doctors(self) -> DoctorsByName:
        return DoctorsByName(doctors_of(self.job.clinic.id))

    @cached_property
    def _locations(self) -> dict[str, Location]:
        found = Location.objects.filter(clinic=self.job.clinic)
        return {location.name.casefold(): location for location in found}

    @cached_property
    def _services(self) -> dict[str, Service]:
        found = Service.objects.filter(clinic=self.job.clinic)
        return {service.name.casefold(): service for service in found}

    def save_drafts(self, drafts: Sequence[Draft], outcome: Outcome) -> None:
        for draft in drafts:
            if self.reader.missing(draft, _REQUIRED, outcome):
                continue

            def act(draft: Draft = draft) -> str:
                return self._one(draft)

            self.attempt(draft, outcome, act)

    def _one(self, draft: Draft) -> str:
        doctor = self._doctors.find(draft.values["doctor"])
        location = self._location(draft.values["location"])
        fields = {name: value for name, value in draft.values.items() if name not in _NAMED}
        services = None
        if "services" in draft.values:
            services = sorted(self._service(name).id for name in draft.values["services"])
        known = self._known(draft, doctor, location)
        if known is None:
            template_create(
                location=location, doctor=doctor, fields={**fields, "services": services or []}
            )
            return "fresh"
        wanted: dict[str, Any] = differing(known, fields)
        held = sorted(service.id for service in known.services.all())
        if services is not None and services != held:
            wanted["services"] = services
        if not wanted:
            return "unchanged"
        template_update(template=known, fields=wanted, expected_version=None)
        return "changed"

    def _known(self, draft: Draft, doctor: Doctor, location: Location) -> ScheduleTemplate | None:
        return (
            ScheduleTemplate.objects.filter(
                clinic=self.job.clinic,
                doctor=doctor,
                location=location,
                **{name: draft.values.get(name) for name in _KEY},
            )
            .prefetch_related("services")
            .first()
        )

    def _location(self, name: str) -> Location:
        location = self._locations.get(name.casefold())
        if location is None:
            raise BadCell(
                _("no location %(name)s at the clinic") % {"name": name[:80]},
                Refusal.UNKNOWN_LOCATION,
            )
        return location

    def _service(self, name: str) -> Service:
        service = self._services.get(name.casefold())
        if service is None:
            raise BadCell(
                _("no service %(name)s at the clinic") % {"name": name[:80]},
                Refusal.UNKNOWN_SERVICE,
            )
        return service
