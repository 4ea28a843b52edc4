"""Addresses of continuing care; they stand before those of appointments, whose paths they use."""

from django.urls import URLPattern, URLResolver, re_path

from core.api.resources import Resource
from followups.api.chain import Chains
from followups.api.completion import Completing
from followups.api.plans import NewPlans, OfPatient, OfVisit, Plans
from followups.api.recall import Recall
from followups.api.recall import urlpatterns as recall_urls
from followups.api.waitlist import urlpatterns as waitlist_urls

_ID = Resource.lookup_value_regex
_VISIT = rf"appointments/(?P<pk>{_ID})"
_PLAN = rf"follow-up-plans/(?P<pk>{_ID})"


class PlanList(Recall, NewPlans):
    """The recall list, and plans that follow no visit: one address."""

    needs = {**Recall.needs, **NewPlans.needs}
    idempotent = Recall.idempotent | NewPlans.idempotent


urlpatterns: list[URLPattern | URLResolver] = [
    re_path(
        rf"^{_VISIT}/complete/?$",
        Completing.as_view({"post": "complete"}, detail=True),
        name="appointment-complete",
    ),
    re_path(
        rf"^{_VISIT}/follow-up/?$",
        OfVisit.as_view({"post": "create"}, detail=True),
        name="appointment-follow-up",
    ),
    re_path(
        rf"^{_VISIT}/follow-ups/?$",
        OfVisit.as_view({"get": "list"}),
        name="appointment-follow-ups",
    ),
    re_path(
        rf"^{_VISIT}/chain/?$",
        Chains.as_view({"get": "chain"}, detail=True),
        name="appointment-chain",
    ),
    re_path(
        rf"^patients/(?P<pk>{_ID})/follow-up-plans/?$",
        OfPatient.as_view({"get": "list"}),
        name="patient-follow-up-plans",
    ),
    re_path(
        r"^follow-up-plans/?$",
        PlanList.as_view({"get": "list", "post": "create"}),
        name="follow-up-plan-list",
    ),
    re_path(
        rf"^{_PLAN}/?$",
        Plans.as_view(
            {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"},
            detail=True,
        ),
        name="follow-up-plan-detail",
    ),
    re_path(
        rf"^{_PLAN}/schedule/?$",
        Plans.as_view({"post": "schedule"}, detail=True),
        name="follow-up-plan-schedule",
    ),
    *recall_urls,
    *waitlist_urls,
]
