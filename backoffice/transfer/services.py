"""Services from a file."""

from collections.abc import Sequence

from backoffice.transfer.columns import ServiceColumns
from backoffice.transfer.faults import Outcome
from backoffice.transfer.importer import ColumnsImporter, differing
from backoffice.transfer.lines import Draft
from clinics.models import Service
from clinics.services.changes import apply_changes, create_row


class ServiceImporter(ColumnsImporter):
    """A service is known by its name in the clinic."""

    resource = ServiceColumns()
    chunk_lines = 200

    def keys(self, draft: Draft) -> list[tuple[str, object]]:
        return [("name", draft.values["name"])] if "name" in draft.values else []

    def save_drafts(self, drafts: Sequence[Draft], outcome: Outcome) -> None:
        names = [draft.values["name"] for draft in drafts if "name" in draft.values]
        found = Service.objects.filter(clinic=self.job.clinic, name__in=names)
        known = {service.name: service for service in found}
        for draft in drafts:
            if self.reader.missing(draft, ["name"], outcome):
                continue
            service = known.get(draft.values["name"])
            if service is None:
                self._create(draft, outcome)
            else:
                self._change(draft, service, outcome)

    def _create(self, draft: Draft, outcome: Outcome) -> None:
        if self.reader.missing(draft, ["duration_minutes"], outcome):
            return

        def act() -> str:
            create_row(
                Service, {"clinic": self.job.clinic, **draft.values}, action="service.created"
            )
            return "fresh"

        self.attempt(draft, outcome, act)

    def _change(self, draft: Draft, service: Service, outcome: Outcome) -> None:
        wanted = differing(service, draft.values)

        def act() -> str:
            if not wanted:
                return "unchanged"
            apply_changes(
                Service, service.id, wanted, expected_version=None, action="service.changed"
            )
            return "changed"

        self.attempt(draft, outcome, act)
