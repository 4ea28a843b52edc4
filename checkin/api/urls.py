"""Addresses of arrival; they stand before those of appointments, whose paths they extend."""

from django.urls import URLPattern, URLResolver, re_path

from checkin.api.analytics import REPORTS, Analytics
from checkin.api.devices import Devices
from checkin.api.points import PointCodes, Points
from checkin.api.queue import QueueEntries, Queues
from checkin.api.scanning import ByHand, Eligible, Scanning
from core.api.resources import Resource

_ID = Resource.lookup_value_regex
_PLACES = r"appointments/check-in/locations"
_DEVICES = r"appointments/check-in/devices"
_ENTRY = rf"queue-entries/(?P<pk>{_ID})"

_ROW = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(
        r"^appointments/check-in/scan-qr/?$",
        Scanning.as_view({"post": "scan_qr"}),
        name="checkin-scan",
    ),
    re_path(
        r"^appointments/check-in/sync/?$", Scanning.as_view({"post": "sync"}), name="checkin-sync"
    ),
    re_path(
        r"^appointments/check-in/eligible/?$",
        Eligible.as_view({"get": "list"}),
        name="checkin-eligible",
    ),
    re_path(
        rf"^{_PLACES}/?$",
        Points.as_view({"get": "list", "post": "create"}),
        name="checkin-point-list",
    ),
    re_path(
        rf"^{_PLACES}/(?P<pk>{_ID})/?$",
        Points.as_view(_ROW, detail=True),
        name="checkin-point-detail",
    ),
    re_path(
        rf"^{_PLACES}/(?P<pk>{_ID})/rotate/?$",
        Points.as_view({"post": "rotate"}, detail=True),
        name="checkin-point-rotate",
    ),
    re_path(
        rf"^appointments/locations/(?P<location_id>{_ID})/qr-code/?$",
        PointCodes.as_view({"get": "qr_code"}, detail=True),
        name="checkin-qr-code",
    ),
    re_path(
        rf"^appointments/locations/(?P<location_id>{_ID})/poster\.pdf$",
        PointCodes.as_view({"get": "poster"}, detail=True),
        name="checkin-poster",
    ),
    re_path(
        rf"^{_DEVICES}/?$",
        Devices.as_view({"get": "list", "post": "create"}),
        name="checkin-device-list",
    ),
    re_path(rf"^{_DEVICES}/pair/?$", Devices.as_view({"post": "pair"}), name="checkin-device-pair"),
    re_path(rf"^{_DEVICES}/lend/?$", Devices.as_view({"post": "lend"}), name="checkin-device-lend"),
    re_path(
        rf"^{_DEVICES}/(?P<pk>{_ID})/?$",
        Devices.as_view({"get": "retrieve", "delete": "destroy"}, detail=True),
        name="checkin-device-detail",
    ),
    re_path(
        rf"^{_DEVICES}/(?P<pk>{_ID})/pairing-code/?$",
        Devices.as_view({"post": "renew"}, detail=True),
        name="checkin-device-renew",
    ),
    re_path(
        rf"^appointments/(?P<pk>{_ID})/check-in/?$",
        ByHand.as_view({"post": "check_in"}, detail=True),
        name="appointment-check-in",
    ),
    re_path(
        rf"^appointments/(?P<pk>{_ID})/check-in/force/?$",
        ByHand.as_view({"post": "force"}, detail=True),
        name="appointment-check-in-force",
    ),
    re_path(r"^queues/?$", Queues.as_view({"get": "list"}), name="queue"),
    re_path(r"^queues/call-next/?$", Queues.as_view({"post": "call_next"}), name="queue-call-next"),
    re_path(
        r"^queue-entries/?$", QueueEntries.as_view({"post": "create"}), name="queue-entry-list"
    ),
    re_path(
        rf"^{_ENTRY}/?$",
        QueueEntries.as_view({"get": "retrieve"}, detail=True),
        name="queue-entry-detail",
    ),
    re_path(
        rf"^{_ENTRY}/position/?$",
        QueueEntries.as_view({"get": "position"}, detail=True),
        name="queue-entry-position",
    ),
    *(
        re_path(
            rf"^{_ENTRY}/{step}/?$",
            QueueEntries.as_view({"post": step}, detail=True),
            name=f"queue-entry-{step}",
        )
        for step in (
            "call",
            "start",
            "done",
            "skip",
            "requeue",
            "transfer",
            "left",
            "priority",
        )
    ),
    *(
        re_path(
            rf"^analytics/{report.replace('_', '-')}/?$",
            Analytics.as_view({"get": report}),
            name=f"analytics-{report.replace('_', '-')}",
        )
        for report in REPORTS
    ),
]
