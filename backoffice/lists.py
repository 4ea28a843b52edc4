"""Lists that stay fast however long the table is."""

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

#: As far as a list counts and pages; beyond it one searches or filters.
CAP = 1000


class CappedPaginator(Paginator):
    """Counts no further than `CAP` rows, so that no page reads a whole table."""

    @cached_property
    def found(self) -> int:
        """How many rows there are, `CAP + 1` standing for more than `CAP`."""
        rows: Any = self.object_list
        if not hasattr(rows, "query"):
            return len(rows)
        return int(rows.order_by()[: CAP + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self.found, CAP)

    def page(self, number: Any) -> Page:
        """The page's keys are found first: sorting a month of all clinics with everything that is
        shown beside each row would go to disk."""
        rows: Any = self.object_list
        if not hasattr(rows, "query"):
            return super().page(number)
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = rows.values("pk")[first : min(first + self.per_page, self.count)]
        return Page(rows.filter(pk__in=keys), number, self)

    @property
    def is_capped(self) -> bool:
        return self.found > CAP


class CappedChangeList(ChangeList):
    """Knows whether there is more than it pages through."""

    is_capped = False

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """With what the list shows; Django leaves it out where the panel's rows bring some."""
        found = super().get_queryset(request, *args, **kwargs)
        related = self.list_select_related
        return found.select_related(*related) if isinstance(related, list | tuple) else found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Django sorts by any column that an address names; here only where the panel offers it."""
        if not self.sortable_by:
            self.params.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.is_capped = getattr(self.paginator, "is_capped", False)
        shown: Any = self.result_list  # type: ignore[has-type]  # set by Django's own method
        self.result_list = list(shown)
        self.model_admin.listed(request, self.result_list)
