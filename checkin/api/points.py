"""Check-in locations, the QR codes that they show, and their posters."""

from typing import Final
from uuid import UUID

import django_filters as filters
from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from checkin.api.base import DeviceResource, device_of
from checkin.api.serializers import places as shape
from checkin.drawing import qr
from checkin.drawing.poster import Size, poster
from checkin.models import CheckInLocation, DeviceKind, PointMode
from checkin.selectors.points import code_url, point_code, points_visible_to
from checkin.services.points import point_delete, point_make, point_rotate, point_update
from clinics.api.views.base import NO_CONTENT, refuse_move, require_in
from core import clock
from core.api.etag import expected_version
from core.api.filters import StrictFilterSet, refuse_unknown
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError, invalid

_SIZES: Final[dict[str, Size]] = {"a4": "a4", "a5": "a5"}
_LARGEST_SCALE: Final = 40
_POINT = OpenApiParameter("point", UUID, description="By default the location's first.")


class PointFilter(StrictFilterSet):
    clinic = filters.UUIDFilter(field_name="clinic_id")
    location = filters.UUIDFilter(field_name="location_id")
    mode = filters.ChoiceFilter(choices=PointMode.choices)
    is_active = filters.BooleanFilter()

    class Meta:
        model = CheckInLocation
        fields: list[str] = []


class Points(Resource):
    """Where patients check in: entrances with their posters and screens."""

    queryset = CheckInLocation.objects.none()
    serializer_class = shape.PointSerializer
    filterset_class = PointFilter
    needs = {
        "list": Permission.CHECKIN_PLACES_READ,
        "retrieve": Permission.CHECKIN_PLACES_READ,
        "create": Permission.CHECKIN_PLACES_WRITE,
        "update": Permission.CHECKIN_PLACES_WRITE,
        "partial_update": Permission.CHECKIN_PLACES_WRITE,
        "destroy": Permission.CHECKIN_PLACES_WRITE,
        "rotate": Permission.CHECKIN_PLACES_WRITE,
    }

    def list(self, request: Request) -> Response:
        return self.page(points_visible_to(request.auth), request)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.one(points_visible_to(request.auth)))

    def create(self, request: Request) -> Response:
        fields = self.checked()
        location = fields["location"]
        require_in(request.auth, Permission.CHECKIN_PLACES_WRITE, location.clinic_id)
        return self.answer(
            point_make(by=request.auth, clinic=location.clinic, **fields), status=201
        )

    def update(self, request: Request, pk: str) -> Response:
        """Change what is named; the location and the code stay."""
        point = self.one(points_visible_to(request.auth))
        fields = self.checked(partial=True)
        refuse_move(point, fields, "location")
        return self.answer(
            point_update(
                by=request.auth,
                point_id=point.id,
                fields=fields,
                expected_version=expected_version(request),
            )
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(responses=NO_CONTENT)
    def destroy(self, request: Request, pk: str) -> Response:
        """Take it away. Its codes are answered with LOCATION_INACTIVE from now on."""
        found = self.one(points_visible_to(request.auth))
        point_delete(by=request.auth, point_id=found.id, expected_version=expected_version(request))
        return Response(status=204)

    @extend_schema(request=shape.RotateSerializer, responses=shape.PointSerializer)
    def rotate(self, request: Request, pk: str) -> Response:
        """Turn the code over: posters printed before are of the past from now on."""
        data = self.checked(serializer=shape.RotateSerializer)
        found = self.one(points_visible_to(request.auth))
        return self.answer(
            point_rotate(
                by=request.auth,
                point_id=found.id,
                expected_version=expected_version(request),
                valid_until=data.get("valid_until"),
            )
        )


class PointCodes(DeviceResource):
    """What a location's check-in place shows: as a picture, as data, as a poster."""

    queryset = CheckInLocation.objects.none()
    serializer_class = shape.PointCodeSerializer
    needs = {
        "qr_code": Permission.CHECKIN_PLACES_READ,
        "poster": Permission.CHECKIN_PLACES_READ,
    }
    for_devices = {"qr_code": frozenset({DeviceKind.WALL.value, DeviceKind.KIOSK.value})}

    @extend_schema(
        parameters=[
            OpenApiParameter("format", str, enum=["json", "png", "svg"], default="json"),
            OpenApiParameter("scale", int, description="Pixels a module, of a PNG."),
            _POINT,
        ],
        responses={
            (200, "application/json"): shape.PointCodeSerializer,
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/svg+xml"): OpenApiTypes.BINARY,
        },
    )
    def qr_code(self, request: Request, location_id: str) -> Response | HttpResponse:
        """The code of the moment; a screen's is another one each minute."""
        refuse_unknown(request, {"format", "scale", "point"})
        form = request.query_params.get("format", "json")
        if form not in {"json", "png", "svg"}:
            raise invalid("format", "json, png or svg")
        scale = _whole(request, "scale", qr.SCALE, _LARGEST_SCALE)
        point = self._point(request, UUID(location_id))
        shown = point_code(point, clock.now())
        url = code_url(shown.code, request.build_absolute_uri("/"))
        if form == "json":
            return Response(
                {
                    "point": point.id,
                    "location": point.location_id,
                    "mode": point.mode,
                    "qr_code": shown.code,
                    "url": url,
                    "valid_until": shown.valid_until,
                }
            )
        picture = qr.svg(url) if form == "svg" else qr.png(url, scale)
        return HttpResponse(
            picture,
            content_type=qr.content_type(form),
            headers={"Content-Disposition": f'inline; filename="check-in.{form}"'},
        )

    @extend_schema(
        operation_id="appointments_locations_poster_retrieve",
        parameters=[
            OpenApiParameter("size", str, enum=["a4", "a5"], default="a4"),
            OpenApiParameter("language", str, enum=[code for code, _ in settings.LANGUAGES]),
            _POINT,
        ],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def poster(self, request: Request, location_id: str) -> HttpResponse:
        """The poster, to be printed. By default in the language of who asks."""
        refuse_unknown(request, {"size", "language", "point"})
        size = _SIZES.get(request.query_params.get("size", "a4"))
        language = request.query_params.get("language") or get_language() or "en"
        if size is None:
            raise invalid("size", "a4 or a5")
        if language not in dict(settings.LANGUAGES):
            raise invalid("language", f"any of {', '.join(dict(settings.LANGUAGES))}")
        point = self._point(request, UUID(location_id))
        if point.mode != PointMode.STATIC:
            raise invalid("point", _("Its code changes all the time: show it on a screen."))
        shown = point_code(point, clock.now())
        url = code_url(shown.code, request.build_absolute_uri("/"))
        return HttpResponse(
            poster(point=point, url=url, language=language, size=size),
            content_type="application/pdf",
            headers={"Content-Disposition": f'inline; filename="check-in-{size}.pdf"'},
        )

    def _point(self, request: Request, location_id: UUID) -> CheckInLocation:
        """The check-in location that is asked for. A device may see its own location's."""
        wanted = request.query_params.get("point")
        device = device_of(request)
        if device is not None:
            found = CheckInLocation.objects.select_related("location", "clinic").filter(
                clinic_id=device.clinic_id, location_id=device.location_id, deleted_at=None
            )
            if wanted is None and device.point_id is not None:
                found = found.filter(pk=device.point_id)
        else:
            found = points_visible_to(request.auth)
        found = found.filter(location_id=location_id, is_active=True).order_by("id")
        if wanted is not None:
            try:
                found = found.filter(pk=UUID(wanted))
            except ValueError:
                raise invalid("point", "the id of a check-in location") from None
        point = found.first()
        if point is None:
            raise KairosError(ErrorCode.NOT_FOUND)
        return point


def _whole(request: Request, name: str, default: int, most: int) -> int:
    raw = request.query_params.get(name)
    if raw is None:
        return default
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= most:
        raise invalid(name, f"a whole number from 1 to {most}")
    return int(raw)
