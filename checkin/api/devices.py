"""Devices at the entrance: made, paired, lent and revoked."""

import django_filters as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from checkin.api.serializers import places as shape
from checkin.models import CheckInDevice, DeviceKind
from checkin.selectors.devices import devices_visible_to
from checkin.services.devices import (
    device_code_renew,
    device_lend,
    device_make,
    device_pair,
    device_revoke,
)
from clinics.api.views.base import NO_CONTENT, require_in
from core.api.etag import etag, expected_version
from core.api.filters import StrictFilterSet
from core.api.resources import Resource


class DeviceFilter(StrictFilterSet):
    clinic = filters.UUIDFilter(field_name="clinic_id")
    location = filters.UUIDFilter(field_name="location_id")
    kind = filters.ChoiceFilter(choices=DeviceKind.choices)
    revoked = filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = CheckInDevice
        fields: list[str] = []


class Devices(Resource):
    """Scanners, kiosks and wall screens."""

    queryset = CheckInDevice.objects.none()
    serializer_class = shape.DeviceSerializer
    filterset_class = DeviceFilter
    #: A kept answer would keep a pairing code or a token.
    idempotent = frozenset()
    public = frozenset({"pair"})
    needs = {
        "list": Permission.CHECKIN_PLACES_READ,
        "retrieve": Permission.CHECKIN_PLACES_READ,
        "create": Permission.CHECKIN_PLACES_WRITE,
        "destroy": Permission.CHECKIN_PLACES_WRITE,
        "renew": Permission.CHECKIN_PLACES_WRITE,
        "lend": Permission.CHECKIN_RUN,
    }

    def list(self, request: Request) -> Response:
        return self.page(devices_visible_to(request.auth), request)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.one(devices_visible_to(request.auth)))

    @extend_schema(request=shape.NewDeviceSerializer, responses={201: shape.PairingSerializer})
    def create(self, request: Request) -> Response:
        """A device that waits to be paired. Its pairing code is shown this once."""
        fields = self.checked(serializer=shape.NewDeviceSerializer)
        location = fields["location"]
        require_in(request.auth, Permission.CHECKIN_PLACES_WRITE, location.clinic_id)
        device, code = device_make(by=request.auth, clinic=location.clinic, **fields)
        return self._with_code(device, code, status=201)

    @extend_schema(request=None, responses=shape.PairingSerializer)
    def renew(self, request: Request, pk: str) -> Response:
        """A new pairing code; the device stays paired until it is used."""
        found = self.one(devices_visible_to(request.auth))
        device, code = device_code_renew(
            by=request.auth, device_id=found.id, expected_version=expected_version(request)
        )
        return self._with_code(device, code)

    @extend_schema(responses=NO_CONTENT)
    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke it: its token and code are worth nothing from the next request on."""
        found = self.one(devices_visible_to(request.auth))
        device_revoke(
            by=request.auth, device_id=found.id, expected_version=expected_version(request)
        )
        return Response(status=204)

    @extend_schema(request=shape.PairSerializer, responses={201: shape.PairedSerializer}, auth=[])
    def pair(self, request: Request) -> Response:
        """Become the device whose pairing code this is. A code works once."""
        data = self.checked(serializer=shape.PairSerializer)
        device, token = device_pair(pairing_code=data["pairing_code"])
        return self._with_token(device, token)

    @extend_schema(request=shape.LendSerializer, responses={201: shape.PairedSerializer})
    def lend(self, request: Request) -> Response:
        """Make the caller's phone a scanner of a location for a shift."""
        data = self.checked(serializer=shape.LendSerializer)
        location = data["location"]
        require_in(request.auth, Permission.CHECKIN_RUN, location.clinic_id)
        device, token = device_lend(
            by=request.auth, clinic=location.clinic, location=location, name=data.get("name", "")
        )
        return self._with_token(device, token)

    def _with_code(self, device: CheckInDevice, code: str, *, status: int = 200) -> Response:
        data = {**shape.DeviceSerializer(device).data, "pairing_code": code}
        return self.answer(device, status=status, data=data)

    def _with_token(self, device: CheckInDevice, token: str) -> Response:
        data = {"token": token, "device": shape.DeviceSerializer(device).data}
        return Response(data, status=201, headers={"ETag": etag(device.version)})
