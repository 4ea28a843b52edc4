"""Completing a visit over HTTP, with what is to follow."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.shapes import appointment_data
from appointments.models import Appointment
from core.api.etag import expected_version
from core.api.resources import Resource
from core.errors import ErrorCode, invalid
from followups.api import serializers as shape
from followups.api.shapes import made_data
from followups.services.completion import appointment_complete
from followups.services.plans import PlanMade
from followups.services.wishes import FollowUpWish


class Completing(Resource):
    """The end of a visit."""

    queryset = Appointment.objects.none()
    serializer_class = shape.CompletedSerializer
    missing = ErrorCode.APPOINTMENT_NOT_FOUND
    needs = {"complete": Permission.APPOINTMENT_TREAT}
    idempotent = frozenset({"complete"})

    @extend_schema(request=shape.CompleteSerializer, responses=shape.CompletedSerializer)
    def complete(self, request: Request, pk: str) -> Response:
        """Complete a visit. A doctor who is not free for the follow-up refuses nothing."""
        data = self.checked(serializer=shape.CompleteSerializer)
        notes = data.pop("notes", None)
        wanted = data.pop("follow_up_required")
        if data and not wanted:
            raise invalid("follow_up_required", "set it to ask for a follow-up")
        wish = {
            "follow_up_type" if name == "follow_up_type" else name.removeprefix("follow_up_"): value
            for name, value in data.items()
        }
        if "date" in wish:
            wish["scheduled_for"] = wish.pop("date")
        done = appointment_complete(
            by=request.auth,
            appointment_id=UUID(pk),
            notes=notes,
            follow_up=FollowUpWish(**wish) if wanted else None,
            expected_version=expected_version(request),
        )
        made = None
        if done.plan is not None:
            plan = PlanMade(done.plan, done.follow_up, done.code, done.alternatives)
            made = made_data(plan, request.auth)
        body = {**appointment_data(done.appointment, request.auth), "follow_up_plan": made}
        return self.answer(done.appointment, data=body)
