"""The waitlist over HTTP: entries, the ledger of offers, and offers by their links."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import django_filters as filters
from django.urls import URLPattern, URLResolver, re_path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.shapes import appointment_data
from appointments.models import Priority
from appointments.services.links import visit_link
from clinics.principal import Principal
from core import clock, journal
from core.api.etag import expected_version
from core.api.filters import StrictFilterSet, refuse_unknown
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError
from followups.api import waitlist_shapes as shape
from followups.models import OfferStatus, WaitlistEntry, WaitlistOffer, WaitlistStatus
from followups.selectors.waitlist import entries_visible_to, offers_of, offers_visible_to
from followups.services.offers import (
    OpenedOffer,
    Taken,
    offer_by_hand,
    offer_by_token,
    offer_decline,
    offer_take,
    offer_take_by_staff,
)
from followups.services.waitlist import entry_change, entry_create, entry_withdraw

_TOKEN = OpenApiParameter("token", str, OpenApiParameter.PATH)


class EntryFilter(StrictFilterSet):
    """`doctor` finds entries that name them."""

    clinic = filters.UUIDFilter(field_name="clinic_id")
    patient = filters.UUIDFilter(field_name="patient_id")
    service = filters.UUIDFilter(field_name="service_id")
    location = filters.UUIDFilter(field_name="location_id")
    doctor = filters.UUIDFilter(method="by_doctor")
    status = filters.ChoiceFilter(choices=WaitlistStatus.choices)
    urgency = filters.ChoiceFilter(choices=Priority.choices)

    class Meta:
        model = WaitlistEntry
        fields: list[str] = []

    def by_doctor(self, rows: Any, name: str, value: UUID) -> Any:
        return rows.filter(doctors__contains=[value])


class OfferFilter(StrictFilterSet):
    clinic = filters.UUIDFilter(field_name="clinic_id")
    entry = filters.UUIDFilter(field_name="entry_id")
    opening = filters.UUIDFilter(field_name="opening_id")
    patient = filters.UUIDFilter(field_name="entry__patient_id")
    status = filters.ChoiceFilter(choices=OfferStatus.choices)

    class Meta:
        model = WaitlistOffer
        fields: list[str] = []


class WaitlistEntries(Resource):
    """Who waits for an earlier time."""

    queryset = WaitlistEntry.objects.none()
    serializer_class = shape.WaitlistEntrySerializer
    filterset_class = EntryFilter
    needs = {
        "list": Permission.APPOINTMENT_BOOK,
        "create": Permission.APPOINTMENT_BOOK,
        "retrieve": Permission.APPOINTMENT_BOOK,
        "update": Permission.APPOINTMENT_BOOK,
        "partial_update": Permission.APPOINTMENT_BOOK,
        "destroy": Permission.APPOINTMENT_BOOK,
        "offer": Permission.APPOINTMENT_BOOK,
        "accept": Permission.APPOINTMENT_BOOK,
    }
    idempotent = frozenset({"create", "offer", "accept"})

    def list(self, request: Request) -> Response:
        """Entries in sight, who waits longest first."""
        return self.page(
            entries_visible_to(request.auth),
            request,
            serialize=lambda rows: _entries_data(rows, request.auth),
        )

    @extend_schema(
        request=shape.WaitlistEntryCreateSerializer, responses={201: shape.WaitlistEntrySerializer}
    )
    def create(self, request: Request) -> Response:
        """Put a patient, or oneself, on the waitlist."""
        data = _named(self.checked(serializer=shape.WaitlistEntryCreateSerializer))
        return self._answer(entry_create(by=request.auth, **data), status=201)

    def retrieve(self, request: Request, pk: str) -> Response:
        entry = self.one(entries_visible_to(request.auth))
        journal.record(
            journal.Act(
                "waitlist_entry.read",
                "followups.waitlistentry",
                entry.id,
                entry.clinic_id,
                (entry.patient_id,),
            )
        )
        return self._answer(entry)

    @extend_schema(request=shape.EntryChangeSerializer)
    def update(self, request: Request, pk: str) -> Response:
        """Change what somebody waits for."""
        data = _named(self.checked(serializer=shape.EntryChangeSerializer))
        return self._answer(
            entry_change(
                by=request.auth,
                entry_id=UUID(pk),
                expected_version=expected_version(request),
                **data,
            )
        )

    @extend_schema(request=shape.EntryChangeSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(responses=shape.WaitlistEntrySerializer)
    def destroy(self, request: Request, pk: str) -> Response:
        """Withdraw: the entry stays, withdrawn, and so do its offers."""
        refuse_unknown(request, frozenset())
        return self._answer(
            entry_withdraw(
                by=request.auth, entry_id=UUID(pk), expected_version=expected_version(request)
            )
        )

    @extend_schema(request=shape.HandOfferSerializer, responses={201: shape.OfferSerializer})
    def offer(self, request: Request, pk: str) -> Response:
        """Offer this person a time, past the order; for staff."""
        data = self.checked(serializer=shape.HandOfferSerializer)
        data.setdefault("location", None)
        offer = offer_by_hand(by=request.auth, entry_id=UUID(pk), **data)
        return self.answer(offer, status=201, data=shape.offer_data(offer))

    @extend_schema(request=shape.StaffAcceptSerializer, responses=shape.AcceptedSerializer)
    def accept(self, request: Request, pk: str) -> Response:
        """The patient has said yes to the desk; for staff."""
        data = self.checked(serializer=shape.StaffAcceptSerializer)
        offer = offers_visible_to(request.auth).filter(pk=data["offer"], entry_id=UUID(pk)).first()
        if offer is None:
            raise KairosError(ErrorCode.NOT_FOUND)
        taken = offer_take_by_staff(by=request.auth, offer_id=offer.id)
        return _taken(self, taken, lambda: request.auth)

    def _answer(self, entry: WaitlistEntry, *, status: int = 200) -> Response:
        (data,) = _entries_data([entry], self.request.auth)
        return self.answer(entry, status=status, data=data)


class WaitlistLedger(Resource):
    """Every offer that was made, and what became of it."""

    queryset = WaitlistOffer.objects.none()
    serializer_class = shape.OfferSerializer
    filterset_class = OfferFilter
    ordering = ("-id",)
    needs = {"list": Permission.APPOINTMENT_BOOK}

    def list(self, request: Request) -> Response:
        """Offers, latest first; for staff."""
        if not request.auth.is_super_admin and not request.auth.roles:
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        return self.page(
            offers_visible_to(request.auth).select_related("entry", "opening"),
            request,
            serialize=lambda rows: [shape.offer_data(row) for row in rows],
        )


class WaitlistOffers(Resource):
    """An offer, for whoever holds its link; no sign-in.

    Who is signed in has to be the patient, or act for them: staff answer for patients by
    `waitlist-entries/{id}/accept`, under their own name.
    """

    queryset = WaitlistOffer.objects.none()
    serializer_class = shape.OpenedOfferSerializer
    public = frozenset({"retrieve", "accept", "decline"})
    idempotent = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # The token is the right itself: it does not stand in the log.
        request._request.path_shown = "/api/v1/waitlist-offers/…"
        super().initial(request, *args, **kwargs)

    @extend_schema(parameters=[_TOKEN], responses=shape.OpenedOfferSerializer, auth=[])
    def retrieve(self, request: Request, token: str) -> Response:
        """The time that is offered, and what became of the offer."""
        refuse_unknown(request, frozenset())
        return Response(shape.opened_data(self._opened(token)))

    @extend_schema(parameters=[_TOKEN], request=None, responses=shape.AcceptedSerializer, auth=[])
    def accept(self, request: Request, token: str) -> Response:
        """Take the time. The first to do so has it; the others stay on the waitlist."""
        self.checked(serializer=shape.NothingSerializer)
        opened = self._opened(token)
        return _taken(self, offer_take(token), lambda: opened.principal)

    @extend_schema(
        parameters=[_TOKEN], request=None, responses=shape.OpenedOfferSerializer, auth=[]
    )
    def decline(self, request: Request, token: str) -> Response:
        """Let it go, and wait on."""
        self.checked(serializer=shape.NothingSerializer)
        self._opened(token)
        offer_decline(token)
        return Response(shape.opened_data(offer_by_token(token)))

    def _opened(self, token: str) -> OpenedOffer:
        """Raises NOT_FOUND for who is signed in as somebody else, PERMISSION_DENIED for staff."""
        signed_in = self.request.auth
        opened = offer_by_token(token)
        if signed_in is None or opened.entry.patient_id in signed_in.own_patients():
            return opened
        if signed_in.is_staff_in(opened.offer.clinic_id):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        raise KairosError(ErrorCode.NOT_FOUND)


def _entries_data(entries: Sequence[WaitlistEntry], by: Principal) -> list[Any]:
    """Entries with the offers that can be accepted now, whose tokens are the patient's alone."""
    offers = offers_of(entry.id for entry in entries) if entries else {}
    own, now = by.own_patients(), clock.now()
    return [
        shape.entry_data(
            entry,
            [
                offer
                for offer in offers.get(entry.id, [])
                if offer.status == OfferStatus.OPEN and offer.expires_at > now
            ],
            with_tokens=entry.patient_id in own,
        )
        for entry in entries
    ]


def _taken(view: Resource, taken: Taken, by: Callable[[], Any]) -> Response:
    """The visit; or the refusal, keeping what was learnt: that the time is gone."""
    if taken.appointment is None:
        return view.refusal(taken.refusal or KairosError(ErrorCode.OFFER_EXPIRED))
    visit = taken.appointment
    return Response({"appointment": appointment_data(visit, by()), "visit_link": visit_link(visit)})


def _named(data: dict[str, Any]) -> dict[str, Any]:
    """The service's names of the fields."""
    if "type" in data:
        data["mode"] = data.pop("type")
    return data


_ID = Resource.lookup_value_regex
_ENTRY = rf"waitlist-entries/(?P<pk>{_ID})"
_LINK = r"waitlist-offers/(?P<token>[^/]{1,300})"

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(
        r"^waitlist-entries/?$",
        WaitlistEntries.as_view({"get": "list", "post": "create"}),
        name="waitlist-entry-list",
    ),
    re_path(
        rf"^{_ENTRY}/?$",
        WaitlistEntries.as_view(
            {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"},
            detail=True,
        ),
        name="waitlist-entry-detail",
    ),
    re_path(
        rf"^{_ENTRY}/offers/?$",
        WaitlistEntries.as_view({"post": "offer"}, detail=True),
        name="waitlist-entry-offer",
    ),
    re_path(
        rf"^{_ENTRY}/accept/?$",
        WaitlistEntries.as_view({"post": "accept"}, detail=True),
        name="waitlist-entry-accept",
    ),
    re_path(
        r"^waitlist-offers/?$", WaitlistLedger.as_view({"get": "list"}), name="waitlist-ledger"
    ),
    re_path(rf"^{_LINK}/?$", WaitlistOffers.as_view({"get": "retrieve"}), name="waitlist-offer"),
    *(
        re_path(
            rf"^{_LINK}/{step}/?$",
            WaitlistOffers.as_view({"post": step}),
            name=f"waitlist-offer-{step}",
        )
        for step in ("accept", "decline")
    ),
]
