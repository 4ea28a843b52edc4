"""Bundles: several visits of one patient, found together and booked all or none."""

from datetime import timedelta
from typing import Any

from django.db.models import TextChoices
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.serializers import AppointmentSerializer
from appointments.api.shapes import appointment_data
from appointments.bundling import Spacing
from appointments.selectors.bundles import (
    MAX_BUNDLES,
    MAX_DAYS,
    MAX_ITEMS,
    MIN_ITEMS,
    Bundle,
    BundleItem,
    bundles_find,
)
from appointments.services.bundles import Pick, bundle_book
from clinics.models import VisitMode
from core.api.fields import InstantField
from core.api.filters import refuse_unknown
from core.api.resources import checked_body
from core.api.views import Endpoint

_MINUTES = MAX_DAYS * 24 * 60


class ItemOrder(TextChoices):
    """Whether the visits come in the order given."""

    FIXED = "fixed"
    FREE = "free"


class _Strict(serializers.Serializer[Any]):
    """A part of a body that refuses fields it does not know, as the body itself does."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "unknown field"))
        return super().to_internal_value(data)


class BundleItemSerializer(_Strict):
    """One visit wanted. Without `doctor` anybody who does it, without `location` anywhere."""

    service = serializers.UUIDField()
    doctor = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, default=VisitMode.IN_PERSON)


class BundleSearchSerializer(serializers.Serializer[Any]):
    """`POST appointments/bundles/search`. Days are the clinic's; gaps are between the end of one
    visit and the start of the next."""

    patient = serializers.UUIDField()
    items = BundleItemSerializer(many=True, min_length=MIN_ITEMS, max_length=MAX_ITEMS)
    order = serializers.ChoiceField(choices=ItemOrder.choices, default=ItemOrder.FIXED)
    same_day = serializers.BooleanField(default=True)
    min_gap = serializers.IntegerField(
        default=0, min_value=0, max_value=_MINUTES, help_text="Minutes."
    )
    max_gap = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=_MINUTES,
        help_text="Minutes; without it any gap will do.",
    )
    limit = serializers.IntegerField(default=5, min_value=1, max_value=MAX_BUNDLES)

    def get_fields(self) -> dict[str, Any]:
        """With `from` and `to`, which Python has for itself."""
        return {
            **super().get_fields(),
            "from": serializers.DateField(
                source="first", required=False, help_text="The first day; today without it."
            ),
            "to": serializers.DateField(
                source="last", required=False, help_text=f"Included; at most {MAX_DAYS} days."
            ),
        }


class BundleVisitSerializer(serializers.Serializer[Any]):
    """A free start for the item of that number, counted from 0."""

    item = serializers.IntegerField()
    clinic = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    service = serializers.UUIDField()
    type = serializers.ChoiceField(choices=VisitMode.choices)
    starts_at = InstantField()
    ends_at = InstantField()
    timezone = serializers.CharField()


class BundleSerializer(serializers.Serializer[Any]):
    """Visits that can be had together, in the order of their times."""

    starts_at = InstantField()
    ends_at = InstantField()
    visits = BundleVisitSerializer(many=True)


class BundleListSerializer(serializers.Serializer[Any]):
    """Bundles, earliest first. Not `complete`: name a doctor, a place or fewer days for more."""

    results = BundleSerializer(many=True)
    complete = serializers.BooleanField()


class BundlePickSerializer(_Strict):
    """One visit of a bundle that is booked."""

    service = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, default=VisitMode.IN_PERSON)
    starts_at = InstantField()


class BundleBookSerializer(serializers.Serializer[Any]):
    """`POST appointments/bundles`."""

    patient = serializers.UUIDField()
    visits = BundlePickSerializer(many=True, min_length=MIN_ITEMS, max_length=MAX_ITEMS)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class BundleBookedSerializer(serializers.Serializer[Any]):
    """The visits, in the order in which they were sent."""

    visits = AppointmentSerializer(many=True)


class Bundles(Endpoint):
    """Several visits of one patient. A refusal names the `visit` that cannot be had."""

    needs = {"search": Permission.APPOINTMENT_BOOK, "create": Permission.APPOINTMENT_BOOK}
    limit_class = {"search": "search"}

    @extend_schema(request=BundleSearchSerializer, responses={200: BundleListSerializer})
    def search(self, request: Request) -> Response:
        """Find visits that fit together."""
        refuse_unknown(request, frozenset())
        data = checked_body(request, BundleSearchSerializer)
        longest = data.get("max_gap")
        found = bundles_find(
            by=request.auth,
            patient=data["patient"],
            items=[
                BundleItem(
                    service=item["service"],
                    doctor=item.get("doctor"),
                    location=item.get("location"),
                    mode=item["type"],
                )
                for item in data["items"]
            ],
            spacing=Spacing(
                in_order=data["order"] == ItemOrder.FIXED,
                same_day=data["same_day"],
                min_gap=timedelta(minutes=data["min_gap"]),
                max_gap=None if longest is None else timedelta(minutes=longest),
            ),
            first=data.get("first"),
            last=data.get("last"),
            limit=data["limit"],
        )
        return Response(
            {
                "results": [_bundle_data(bundle) for bundle in found.bundles],
                "complete": found.is_complete,
            }
        )

    @extend_schema(request=BundleBookSerializer, responses={201: BundleBookedSerializer})
    def create(self, request: Request) -> Response:
        """Book them all, or none."""
        refuse_unknown(request, frozenset())
        data = checked_body(request, BundleBookSerializer)
        booked = bundle_book(
            by=request.auth,
            patient=data["patient"],
            picks=[Pick(mode=visit.pop("type"), **visit) for visit in data["visits"]],
            reason=data.get("reason", ""),
        )
        return Response(
            {"visits": [appointment_data(visit, request.auth) for visit in booked]}, status=201
        )


def _bundle_data(bundle: Bundle) -> dict[str, Any]:
    visits = [
        {
            "item": visit.item,
            "clinic": visit.clinic,
            "doctor": visit.doctor,
            "location": visit.location,
            "service": visit.service,
            "type": visit.mode,
            "starts_at": visit.starts_at,
            "ends_at": visit.ends_at,
            "timezone": visit.timezone,
        }
        for visit in bundle.visits
    ]
    return {
        "starts_at": visits[0]["starts_at"],
        "ends_at": visits[-1]["ends_at"],
        "visits": visits,
    }
