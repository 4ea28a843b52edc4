"""The base of panels whose rows are about patients, and are read more than written."""

from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backoffice.base import Panel, Tool
from backoffice.site import site
from clinics.models import Patient
from core import journal


def at_the_desk(page: str, row: Any) -> Tool:
    """The link to the row's page at the desk of its clinic, where it is worked with."""
    return Tool(_("Open at the desk"), reverse(page, args=[row.clinic.slug, row.pk]), "desk")


class Records(Panel):
    """Rows named in one statement with what they hang on; whose they are is written down when they
    are shown.

    `named` are the relations that list and page name, `shown_as` the action and the table of the
    trail, `patient_path` where a row says whose it is.
    """

    named: ClassVar[tuple[str, ...]] = ()
    shown_as: ClassVar[tuple[str, str]] = ("", "")
    patient_path: ClassVar[str] = "patient_id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("clinic", *self.named)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        panel: Any = site.get_model_admin(Patient)
        found = panel.ids_found(request, asked)
        return queryset.filter(**{f"{self.patient_path}__in": found}), False

    def patient_of(self, row: Any) -> UUID | None:
        """Whose row it is; None for somebody without a chart."""
        found: Any = row
        for name in self.patient_path.split("__"):
            found = getattr(found, name)
        assert found is None or isinstance(found, UUID)  # noqa: S101 - a path ends in an id
        return found

    def record_reading(self, rows: Iterable[Any]) -> None:
        """Write down whose rows were shown: one act for each clinic."""
        shown: dict[UUID, set[UUID]] = {}
        for row in rows:
            patient = self.patient_of(row)
            if row.clinic_id is not None and patient is not None:
                shown.setdefault(row.clinic_id, set()).add(patient)
        action, entity = self.shown_as
        journal.record_many(
            journal.Act(action, entity, None, clinic, sorted(patients))
            for clinic, patients in shown.items()
        )

    def listed(self, request: HttpRequest, rows: list[Any]) -> None:
        self.record_reading(rows)

    def opened(self, request: HttpRequest, row: Any) -> None:
        self.listed(request, [row])
