"""Addresses of the pages of arrival, at the top."""

from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from checkin.pages import arrive, kiosk, pairing, place, scan, wall

urlpatterns: list[URLPattern | URLResolver] = [
    # Devices
    path("pair", pairing.pair, name="pair"),
    path("pair/end", pairing.end, name="pair-end"),
    path("kiosk", RedirectView.as_view(pattern_name="kiosk"), name="kiosk-door"),
    path("kiosk/", kiosk.start, name="kiosk"),
    path("kiosk/<slug:language>/", kiosk.ways, name="kiosk-ways"),
    path("kiosk/<slug:language>/code", kiosk.show, name="kiosk-code"),
    path("kiosk/<slug:language>/phone", kiosk.phone, name="kiosk-phone"),
    path("kiosk/<slug:language>/digits", kiosk.digits, name="kiosk-digits"),
    path("kiosk/<slug:language>/chosen", kiosk.chosen, name="kiosk-chosen"),
    # Wall screen
    path("wall/", wall.wall, name="wall"),
    path("wall/state", wall.state, name="wall-state"),
    path("wall/code.svg", wall.code, name="wall-code"),
    # Scanner
    path("scan", RedirectView.as_view(pattern_name="scan"), name="scan-door"),
    path("scan/", scan.scan, name="scan"),
    path("scan/sw.js", scan.worker, name="scan-worker"),
    path("scan/manifest.webmanifest", scan.manifest, name="scan-manifest"),
    # A patient's own phone; in capitals a QR code is smaller
    path("q/<str:code>", arrive.arrive, name="arrive"),
    path("Q/<str:code>", arrive.arrive, name="arrive-capitals"),
    path("q/<str:code>/phone", arrive.phone, name="arrive-phone"),
    path("q/<str:code>/code", arrive.code, name="arrive-code"),
    path("place", place.place, name="place"),
    path("place/", RedirectView.as_view(pattern_name="place"), name="place-door"),
    path("place/sw.js", place.worker, name="place-worker"),
    path("place/push", place.push, name="place-push"),
    path("place/board/<uuid:location>", place.board, name="place-board"),
]
