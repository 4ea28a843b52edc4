"""The recall list over HTTP: who is to be asked, attempts to reach them, invitations by a link."""

import base64
import binascii
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from django.urls import URLPattern, URLResolver, re_path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.shapes import appointment_data
from appointments.services.links import visit_link
from core import journal
from core.api.etag import expected_version
from core.api.filters import refuse_unknown
from core.api.pagination import KeysetPagination
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError, invalid
from followups.api import recall_shapes as shape
from followups.models import (
    ContactAttempt,
    FollowUpInvitation,
    FollowUpPlan,
    FollowUpType,
    PlanStatus,
)
from followups.selectors.plans import plans_visible_to
from followups.selectors.recall import Due, Place, contact_attempts, recall_list
from followups.services.contact import contact_record, require_may_chase
from followups.services.invitations import (
    invitation_accept,
    invitation_by_token,
    invitation_decline,
    invitations_send,
)

_FILTERS = [
    OpenApiParameter("clinic", UUID, description="May be left out by who works in one alone."),
    OpenApiParameter("doctor", UUID),
    OpenApiParameter("type", str, enum=FollowUpType.values),
    OpenApiParameter("status", str, enum=[PlanStatus.SCHEDULED, PlanStatus.OVERDUE]),
    OpenApiParameter(
        "due",
        str,
        enum=[due.value for due in Due],
        description="now (the default): within the clinic's lead time or past; overdue; all.",
    ),
    OpenApiParameter("escalated", bool, description="Whether the doctor has been told."),
    OpenApiParameter("contacted", bool, description="false: nobody has asked the patient yet."),
    OpenApiParameter("invited", bool, description="Whether an invitation is open."),
    OpenApiParameter(
        "hidden", bool, description="Also who asked to be called later, and who declined."
    ),
    OpenApiParameter("q", str, description="Name, phone, record number or birth date."),
]
_PAGE = [
    OpenApiParameter("limit", int, description="Rows a page (20, at most 100)."),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
]
_TOKEN = OpenApiParameter("token", str, OpenApiParameter.PATH)


class Recall(Resource):
    """The recall list of a clinic, and inviting from it."""

    queryset = FollowUpPlan.objects.none()
    serializer_class = shape.RecallRowSerializer
    needs = {"list": Permission.FOLLOWUP_READ, "invite": Permission.FOLLOWUP_SCHEDULE}
    idempotent = frozenset({"invite"})

    @extend_schema(
        parameters=[*_FILTERS, *_PAGE],
        responses=shape.RecallSerializer,
        filters=False,
        operation_id="follow_up_plans_recall",
    )
    def list(self, request: Request) -> Response:
        """Who is to be asked now: the most urgent first, then who waits longest."""
        refuse_unknown(request, {parameter.name for parameter in _FILTERS})
        ask = request.query_params
        page = recall_list(
            by=request.auth,
            clinic_id=_clinic(request),
            doctor=_uuid(request, "doctor") if "doctor" in ask else None,
            follow_up_type=ask.get("type"),
            status=ask.get("status"),
            due=_due(ask.get("due")),
            escalated=_flag(request, "escalated"),
            contacted=_flag(request, "contacted"),
            invited=_flag(request, "invited"),
            hidden=_flag(request, "hidden") or False,
            q=_text(ask.get("q", "")),
            after=_place(ask["cursor"]) if ask.get("cursor") else None,
            limit=KeysetPagination.page_size(request),
        )
        if page.rows:
            journal.record(
                journal.Act(
                    "followup.recall_read",
                    "clinics.clinic",
                    page.rows[0].clinic_id,
                    page.rows[0].clinic_id,
                    sorted({row.patient_id for row in page.rows}),
                )
            )
        return Response(
            {
                "results": [shape.row_data(row) for row in page.rows],
                "next_cursor": _cursor(page.next) if page.next else None,
                "has_more": page.next is not None,
            }
        )

    @extend_schema(
        request=shape.InvitePlansSerializer, responses=shape.InvitationOutcomesSerializer
    )
    def invite(self, request: Request) -> Response:
        """Invite several patients to choose a time; what became of each, in the given order."""
        if not request.auth.is_super_admin and not request.auth.roles:
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        data = self.checked(serializer=shape.InvitePlansSerializer)
        outcomes = invitations_send(by=request.auth, plans=data["plans"])
        return Response({"results": [shape.outcome_data(outcome) for outcome in outcomes]})


class Contacts(Resource):
    """How the patient of a plan was asked."""

    queryset = ContactAttempt.objects.none()
    serializer_class = shape.ContactAttemptSerializer
    ordering = ("-id",)
    needs = {"list": Permission.FOLLOWUP_SCHEDULE, "create": Permission.FOLLOWUP_SCHEDULE}

    def list(self, request: Request, pk: str) -> Response:
        """Every attempt, latest first."""
        plan = plans_visible_to(request.auth).filter(pk=pk).first()
        if plan is None:
            raise KairosError(ErrorCode.FOLLOWUP_PLAN_NOT_FOUND)
        require_may_chase(request.auth, plan)
        return self.page(
            contact_attempts(plan.id),
            request,
            serialize=lambda rows: [shape.attempt_data(row) for row in rows],
        )

    @extend_schema(
        request=shape.ContactCreateSerializer, responses={201: shape.ContactAttemptSerializer}
    )
    def create(self, request: Request, pk: str) -> Response:
        """Write down that the patient was asked. `If-Match` is the plan's."""
        data = self.checked(serializer=shape.ContactCreateSerializer)
        attempt = contact_record(
            by=request.auth, plan_id=UUID(pk), expected_version=expected_version(request), **data
        )
        return Response(shape.attempt_data(attempt), status=201)


class Invitations(Resource):
    """An invitation, for whoever holds its link; no sign-in."""

    queryset = FollowUpInvitation.objects.none()
    serializer_class = shape.FollowUpInvitationSerializer
    public = frozenset({"retrieve", "accept", "decline"})
    idempotent = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # The token is the right itself: it does not stand in the log.
        request._request.path_shown = "/api/v1/follow-up-invitations/…"
        super().initial(request, *args, **kwargs)

    @extend_schema(parameters=[_TOKEN], responses=shape.FollowUpInvitationSerializer, auth=[])
    def retrieve(self, request: Request, token: str) -> Response:
        """The times that can be chosen now."""
        refuse_unknown(request, frozenset())
        return Response(shape.invitation_data(invitation_by_token(token)))

    @extend_schema(
        parameters=[_TOKEN],
        request=shape.InvitationAcceptSerializer,
        responses=shape.InvitationAcceptedSerializer,
        auth=[],
    )
    def accept(self, request: Request, token: str) -> Response:
        """Choose a time. One that is gone is a SCHEDULING_CONFLICT with others in its place."""
        data = self.checked(serializer=shape.InvitationAcceptSerializer)
        visit = invitation_accept(token=token, **data)
        opened = invitation_by_token(token)
        return Response(
            {
                "appointment": appointment_data(visit, opened.principal),
                "visit_link": visit_link(visit),
            }
        )

    @extend_schema(
        parameters=[_TOKEN], request=None, responses=shape.FollowUpInvitationSerializer, auth=[]
    )
    def decline(self, request: Request, token: str) -> Response:
        """Say that the patient does not want to come."""
        self.checked(serializer=serializers.Serializer)
        invitation_decline(token=token)
        return Response(shape.invitation_data(invitation_by_token(token)))


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        rank, day, row = orjson.loads(raw)
        if not isinstance(rank, int) or not 0 <= rank < 100:
            raise ValueError("no rank")
        return rank, date.fromisoformat(day), UUID(row)
    except (binascii.Error, ValueError, TypeError, AttributeError):
        raise invalid("cursor", "not a cursor of this list") from None


def _clinic(request: Request) -> UUID:
    if "clinic" in request.query_params:
        return _uuid(request, "clinic")
    works_in = list(request.auth.roles)
    if len(works_in) != 1:
        raise invalid("clinic", "say which")
    return UUID(str(works_in[0]))


def _uuid(request: Request, name: str) -> UUID:
    try:
        return UUID(request.query_params[name])
    except ValueError:
        raise invalid(name, "an id") from None


def _due(text: str | None) -> Due:
    try:
        return Due(text) if text is not None else Due.NOW
    except ValueError:
        raise invalid("due", f"any of {', '.join(Due)}") from None


def _text(text: str) -> str:
    if len(text) > 100 or "\x00" in text:
        raise invalid("q", "at most 100 letters")
    return text


def _flag(request: Request, name: str) -> bool | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if text.lower() not in {"true", "false", "1", "0"}:
        raise invalid(name, "true or false")
    return text.lower() in {"true", "1"}


_ID = Resource.lookup_value_regex
_LINK = r"follow-up-invitations/(?P<token>[^/]{1,300})"

#: The list itself shares its address with the making of plans (`followups.api.urls`).
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(
        r"^follow-up-plans/invitations/?$",
        Recall.as_view({"post": "invite"}),
        name="recall-invite",
    ),
    re_path(
        rf"^follow-up-plans/(?P<pk>{_ID})/contact-attempts/?$",
        Contacts.as_view({"get": "list", "post": "create"}),
        name="contact-attempts",
    ),
    re_path(rf"^{_LINK}/?$", Invitations.as_view({"get": "retrieve"}), name="follow-up-invitation"),
    *(
        re_path(
            rf"^{_LINK}/{step}/?$",
            Invitations.as_view({"post": step}),
            name=f"follow-up-invitation-{step}",
        )
        for step in ("accept", "decline")
    ),
]
