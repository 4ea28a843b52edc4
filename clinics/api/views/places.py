"""Endpoints of locations, rooms and services."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request

from clinics.api.filters import LocationFilter, RoomFilter, ServiceFilter
from clinics.api.serializers.clinics import LocationSerializer, RoomSerializer, ServiceSerializer
from clinics.api.views.base import ClinicRows, require_in
from clinics.models import Location, Room, Service
from clinics.selectors.directory import services_of
from clinics.services.places import room_create, room_update
from core.api.etag import expected_version


class Locations(ClinicRows):
    """Where patients come to."""

    queryset = Location.objects.none()
    serializer_class = LocationSerializer
    filterset_class = LocationFilter
    noun = "location"


class Rooms(ClinicRows):
    """Rooms at a location."""

    queryset = Room.objects.none()
    serializer_class = RoomSerializer
    filterset_class = RoomFilter
    noun = "room"

    def made(self, request: Request, fields: dict[str, Any]) -> Room:
        require_in(request.auth, self.manages, fields["location"].clinic_id)
        return room_create(**fields)

    def changed(self, request: Request, row: Room, fields: dict[str, Any]) -> Room:
        return room_update(
            room_id=row.id,
            clinic_id=row.clinic_id,
            fields=fields,
            expected_version=expected_version(request),
        )


class Services(ClinicRows):
    """What can be booked."""

    queryset = Service.objects.none()
    serializer_class = ServiceSerializer
    filterset_class = ServiceFilter
    noun = "service"

    def visible(self, request: Request) -> QuerySet[Service]:
        return services_of(request.auth)
