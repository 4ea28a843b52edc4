"""Follow-up plans over HTTP: made, read, booked, changed, given up."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import django_filters as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.serializers import ReasonSerializer
from clinics.models import Patient
from core import journal
from core.api.etag import expected_version
from core.api.filters import StrictFilterSet, refuse_unknown
from core.api.resources import Resource
from core.errors import ErrorCode
from core.rows import Columns
from followups.api import serializers as shape
from followups.api.shapes import made_data, plan_data
from followups.models import FollowUpPlan, FollowUpType, PlanStatus
from followups.selectors.plans import (
    chart_of,
    plans_of_patient,
    plans_of_visit,
    plans_visible_to,
    visit_of,
)
from followups.services.plan_row import LABEL
from followups.services.plans import PlanMade, plan_cancel, plan_create, plan_schedule, plan_update


class PlanFilter(StrictFilterSet):
    status = filters.ChoiceFilter(choices=PlanStatus.choices)
    type = filters.ChoiceFilter(field_name="follow_up_type", choices=FollowUpType.choices)
    doctor = filters.UUIDFilter(field_name="doctor_id")

    class Meta:
        model = FollowUpPlan
        fields: list[str] = []


class PlanResource(Resource):
    """What every address of plans shares. Lists begin with what is furthest ahead."""

    queryset = FollowUpPlan.objects.none()
    serializer_class = shape.PlanSerializer
    filterset_class = PlanFilter
    ordering = ("-scheduled_for", "-id")
    columns = Columns(FollowUpPlan)
    missing = ErrorCode.FOLLOWUP_PLAN_NOT_FOUND

    def listing(self, plans: Any) -> Response:
        """A page of these plans; whose they are is written down."""

        def serialize(found: Sequence[Any]) -> list[dict[str, Any]]:
            if found:
                self._record_listing(found)
            return [plan_data(plan, self.request.auth) for plan in found]

        return self.page(plans, self.request, serialize=serialize)

    def made(self, made: PlanMade, *, status: int) -> Response:
        """A plan with what became of its booking."""
        return self.answer(made.plan, status=status, data=made_data(made, self.request.auth))

    def _record_listing(self, found: Sequence[Any]) -> None:
        by_clinic: dict[UUID, set[UUID]] = {}
        for plan in found:
            by_clinic.setdefault(plan.clinic_id, set()).add(plan.patient_id)
        journal.record_many(
            journal.Act("followup.listed", LABEL, clinic_id=clinic, subjects=sorted(patients))
            for clinic, patients in by_clinic.items()
        )


class Plans(PlanResource):
    """One plan."""

    needs = {
        "retrieve": Permission.FOLLOWUP_READ,
        "update": Permission.FOLLOWUP_WRITE,
        "partial_update": Permission.FOLLOWUP_WRITE,
        "destroy": Permission.FOLLOWUP_WRITE,
        "schedule": Permission.FOLLOWUP_SCHEDULE,
    }
    #: So that a lost answer, asked for again, is not told that it is done already.
    idempotent = frozenset({"schedule"})

    def retrieve(self, request: Request, pk: str) -> Response:
        plan = self.one(plans_visible_to(request.auth))
        journal.record(
            journal.Act("followup.read", LABEL, plan.id, plan.clinic_id, (plan.patient_id,))
        )
        return self._answer(plan)

    @extend_schema(request=shape.PlanUpdateSerializer)
    def update(self, request: Request, pk: str) -> Response:
        """Change what is planned; once it is booked, only the texts, the kind and the priority."""
        data = self.checked(serializer=shape.PlanUpdateSerializer)
        return self._answer(
            plan_update(
                by=request.auth,
                plan_id=UUID(pk),
                expected_version=expected_version(request),
                **_named(data),
            )
        )

    @extend_schema(request=shape.PlanUpdateSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is planned; once it is booked, only the texts, the kind and the priority."""
        return self.update(request, pk)

    @extend_schema(request=ReasonSerializer, responses=shape.PlanSerializer)
    def destroy(self, request: Request, pk: str) -> Response:
        """Give the plan up: it stays, cancelled. The reason stands in the body or the query."""
        refuse_unknown(request, {"reason"})
        data = self.checked(serializer=ReasonSerializer)
        return self._answer(
            plan_cancel(
                by=request.auth,
                plan_id=UUID(pk),
                reason=data.get("reason", request.query_params.get("reason", "")),
                expected_version=expected_version(request),
            )
        )

    @extend_schema(request=shape.ScheduleSerializer, responses=shape.PlanMadeSerializer)
    def schedule(self, request: Request, pk: str) -> Response:
        """Book the visit of a plan that waits; a refused time comes with others."""
        data = self.checked(serializer=shape.ScheduleSerializer)
        made = plan_schedule(
            by=request.auth,
            plan_id=UUID(pk),
            expected_version=expected_version(request),
            **data,
        )
        return self.made(made, status=200)

    def _answer(self, plan: FollowUpPlan) -> Response:
        return self.answer(plan, data=plan_data(plan, self.request.auth))


class NewPlans(PlanResource):
    """Plans that follow no visit."""

    needs = {"create": Permission.FOLLOWUP_WRITE}

    @extend_schema(request=shape.PlanCreateSerializer, responses={201: shape.PlanMadeSerializer})
    def create(self, request: Request) -> Response:
        """Plan what is to come for a patient, and book it if the doctor is free that day."""
        data = self.checked(serializer=shape.PlanCreateSerializer)
        return self.made(plan_create(by=request.auth, **_named(data)), status=201)


class OfVisit(PlanResource):
    """What follows a visit."""

    needs = {"create": Permission.FOLLOWUP_WRITE, "list": Permission.FOLLOWUP_READ}

    @extend_schema(request=shape.FollowUpSerializer, responses={201: shape.PlanMadeSerializer})
    def create(self, request: Request, pk: str) -> Response:
        """Plan what is to follow the visit, and book it if the doctor is free that day."""
        data = self.checked(serializer=shape.FollowUpSerializer)
        made = plan_create(by=request.auth, appointment_id=UUID(pk), **_named(data))
        return self.made(made, status=201)

    @extend_schema(operation_id="appointments_follow_ups_list")
    def list(self, request: Request, pk: str) -> Response:
        """The plans that follow the visit."""
        visit = visit_of(request.auth, UUID(pk))
        return self.listing(plans_of_visit(request.auth, visit.id))


class OfPatient(PlanResource):
    """The plans of a chart."""

    needs = {"list": Permission.FOLLOWUP_READ}

    @extend_schema(operation_id="patients_follow_up_plans_list")
    def list(self, request: Request, pk: str) -> Response:
        """Every plan of the patient."""
        chart: Patient = chart_of(request.auth, UUID(pk))
        return self.listing(plans_of_patient(request.auth, chart.id))


def _named(data: dict[str, Any]) -> dict[str, Any]:
    """The visit's type is called `mode` in services."""
    return {"mode" if name == "type" else name: value for name, value in data.items()}
