"""The queue of a waiting room over HTTP."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from checkin.api.serializers import queue as shape
from checkin.api.shapes import entry_data, place_data, standing_data
from checkin.models import QueueEntry
from checkin.selectors.queue import Place, entries_visible_to, place_of, queue_of
from checkin.services import queue as act
from clinics.models import Location, Room
from clinics.principal import Principal
from core import journal
from core.api.etag import expected_version
from core.api.filters import refuse_unknown
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError, invalid


class Queues(Resource):
    """The queue of a location as it stands."""

    queryset = QueueEntry.objects.none()
    serializer_class = shape.QueueSerializer
    needs = {"list": Permission.QUEUE_READ, "call_next": Permission.QUEUE_RUN}
    #: So that a lost answer, asked for again, does not call a second person.
    idempotent = frozenset({"call_next"})

    @extend_schema(
        parameters=[
            OpenApiParameter("location", UUID, required=True),
            OpenApiParameter("doctor", UUID, description="And who waits for whoever is free."),
        ],
        responses=shape.QueueSerializer,
        filters=False,
    )
    def list(self, request: Request) -> Response:
        """Everybody present, in the order in which they are called, with the reason of it."""
        refuse_unknown(request, {"location", "doctor"})
        location = Location.objects.filter(pk=_uuid(request, "location")).first()
        if location is None or not request.auth.is_staff_in(location.clinic_id):
            raise KairosError(ErrorCode.NOT_FOUND)
        doctor = _uuid(request, "doctor") if "doctor" in request.query_params else None
        places = queue_of(location.id, doctor=doctor)
        if not request.auth.may(Permission.QUEUE_READ, location.clinic_id):
            places = _own(places, request.auth, location.clinic_id)
        if places:
            _record_reading(location, places)
        return Response({"results": [place_data(place) for place in places]})

    @extend_schema(request=shape.CallNextSerializer, responses=shape.CalledSerializer)
    def call_next(self, request: Request) -> Response:
        """Call who is next. `entry` is null when nobody waits."""
        data = self.checked(serializer=shape.CallNextSerializer)
        entry = act.call_next(by=request.auth, **data)
        return Response({"entry": None if entry is None else entry_data(entry)})


class QueueEntries(Resource):
    """Somebody in the queue, and what becomes of them."""

    queryset = QueueEntry.objects.none()
    serializer_class = shape.EntrySerializer
    needs = {
        "create": Permission.QUEUE_RUN,
        "retrieve": Permission.QUEUE_READ,
        "position": None,
        "call": Permission.QUEUE_RUN,
        "start": Permission.QUEUE_RUN,
        "done": Permission.QUEUE_RUN,
        "skip": Permission.QUEUE_RUN,
        "requeue": Permission.QUEUE_RUN,
        "transfer": Permission.QUEUE_RUN,
        "left": Permission.QUEUE_RUN,
        "priority": Permission.QUEUE_RUN,
    }

    @extend_schema(request=shape.WalkInSerializer, responses={201: shape.EntrySerializer})
    def create(self, request: Request) -> Response:
        """Put somebody without an appointment into the queue."""
        data = self.checked(serializer=shape.WalkInSerializer)
        return self._answer(act.entry_add(by=request.auth, **data), status=201)

    def retrieve(self, request: Request, pk: str) -> Response:
        entry = self.one(entries_visible_to(request.auth))
        journal.record(
            journal.Act(
                "queue.entry_read",
                "checkin.queueentry",
                entry.id,
                entry.clinic_id,
                (entry.patient_id,) if entry.patient_id else (),
            )
        )
        return self._answer(entry)

    @extend_schema(responses=shape.PositionSerializer, filters=False)
    def position(self, request: Request, pk: str) -> Response:
        """Where somebody stands: for staff, and for the patient themselves."""
        principal: Principal = request.auth
        own = QueueEntry.objects.filter(patient_id__in=principal.own_patients())
        entry = self.one(entries_visible_to(principal) | own)
        place = place_of(entry.id, location=entry.location_id)
        standing: dict[str, Any] = {"position": None, "ahead": None, "wait": None}
        if place is not None:
            room = place.room
            standing = standing_data(place)
        else:
            room = Room.objects.filter(pk=entry.room_id).values_list("name", flat=True).first()
        return Response(
            {
                "entry": entry.id,
                "token": entry.token,
                "state": entry.state,
                **standing,
                "room": room,
                "called_at": entry.called_at,
            }
        )

    @extend_schema(request=shape.CallSerializer)
    def call(self, request: Request, pk: str) -> Response:
        """Call somebody, or call them again."""
        return self._act(act.entry_call, shape.CallSerializer)

    @extend_schema(request=None)
    def start(self, request: Request, pk: str) -> Response:
        """They are seen now; a visit is started."""
        return self._act(act.entry_start)

    @extend_schema(request=None)
    def done(self, request: Request, pk: str) -> Response:
        """They were seen; a visit is completed."""
        return self._act(act.entry_done)

    @extend_schema(request=None)
    def skip(self, request: Request, pk: str) -> Response:
        """They did not come when called."""
        return self._act(act.entry_skip)

    @extend_schema(request=None)
    def requeue(self, request: Request, pk: str) -> Response:
        """Who was passed over waits again, behind the next two."""
        return self._act(act.entry_requeue)

    @extend_schema(request=shape.TransferSerializer)
    def transfer(self, request: Request, pk: str) -> Response:
        """To another doctor, room or location."""
        return self._act(act.entry_transfer, shape.TransferSerializer)

    @extend_schema(request=shape.LeftSerializer)
    def left(self, request: Request, pk: str) -> Response:
        """They left without being seen."""
        return self._act(act.entry_left, shape.LeftSerializer)

    @extend_schema(request=shape.PrioritySerializer)
    def priority(self, request: Request, pk: str) -> Response:
        """Another priority, and with it another place."""
        return self._act(act.entry_prioritise, shape.PrioritySerializer)

    def _act(
        self, service: Callable[..., QueueEntry], form: Any = shape.NothingSerializer
    ) -> Response:
        data = self.checked(serializer=form)
        return self._answer(
            service(
                by=self.request.auth,
                entry_id=UUID(self.kwargs["pk"]),
                expected_version=expected_version(self.request),
                **data,
            )
        )

    def _answer(self, entry: QueueEntry, *, status: int = 200) -> Response:
        return self.answer(entry, status=status, data=entry_data(entry))


def _own(places: list[Place], principal: Principal, clinic: UUID) -> list[Place]:
    """Who waits for the caller, or for whoever is free. Raises PERMISSION_DENIED for others."""
    if not principal.may_own(Permission.QUEUE_READ, clinic):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    return [place for place in places if place.doctor_id in {principal.doctor_id, None}]


def _record_reading(location: Location, places: list[Place]) -> None:
    journal.record(
        journal.Act(
            "queue.read",
            "clinics.location",
            location.id,
            location.clinic_id,
            sorted({place.patient_id for place in places if place.patient_id is not None}),
        )
    )


def _uuid(request: Request, name: str) -> UUID:
    try:
        return UUID(request.query_params[name])
    except (KeyError, ValueError):
        raise invalid(name, "an id") from None
