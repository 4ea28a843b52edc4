"""The scanner of a paired device: it opens, reads codes and keeps them without a network."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from checkin.models import DeviceKind
from checkin.pages.door import DeviceRequest, device_page
from checkin.pages.scan_words import scan_words
from core.theme import theme_of

#: The library that reads QR codes, where it was fetched (`deploy/local/browser_libraries.py`).
LIBRARY: Final = "vendor/zxing/reader.js"
LIBRARY_CODE: Final = "vendor/zxing/reader.wasm"
DECODER: Final = "checkin/decoder_worker.js"
SERVICE_WORKER: Final = "checkin/scanner_service_worker.js"
OUTBOX: Final = "checkin/outbox.js"
#: What the page needs besides, with the network down.
ASSETS: Final = (
    "mark.svg",
    "css/tokens.css",
    "css/dark.css",
    "css/app.css",
    "checkin/scan.css",
    "checkin/scanner.js",
    "checkin/scanner_cards.js",
    "checkin/scanner_camera.js",
    "checkin/camera.js",
    "checkin/decoder.js",
    "checkin/feedback.js",
    "checkin/outbox_sync.js",
    "checkin/wedge.js",
    OUTBOX,
    DECODER,
)
SYNC_TAG: Final = "kairos-scans"
_HERE: Final = Path(__file__).parent
_SOURCES: Final = (
    _HERE / "scan.py",
    _HERE / "scan_words.py",
    settings.BASE_DIR / "templates" / "checkin" / "scan.html",
    settings.BASE_DIR / "templates" / "checkin" / "scan_cards.html",
)
_THEME_COLOUR: Final = "#0b6e6e"  # --accent of static/css/tokens.css; a manifest knows no variables
_GROUND_COLOUR: Final = "#f5f7f7"  # --ground


@device_page(kinds=[DeviceKind.SCANNER])
def scan(request: DeviceRequest) -> HttpResponse:
    """The scanner."""
    config = {
        "addresses": _addresses(),
        "pair": reverse("pair"),
        "serviceWorker": reverse("scan-worker"),
        "decoder": decoder_addresses(),
        "language": get_language(),
        "words": scan_words(),
    }
    response = TemplateResponse(
        request, "checkin/scan.html", {"device": request.device, "config": config}
    )
    response["X-Scanner-Version"] = _version(request)
    allow_decoding(response)
    return response


@never_cache
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker: what it is to keep, then its script. The same for every device."""
    told = {
        "version": _version(request),
        "page": reverse("scan"),
        "assets": [static(name) for name in _kept()],
        "addresses": _addresses(),
        # A file whose name says its content never changes; another is kept for offline alone.
        "freshFirst": not _names_say_content(),
        "syncTag": SYNC_TAG,
    }
    lines = [
        f"self.kairosScanner = {json.dumps(told)};",
        f"importScripts({json.dumps(static(OUTBOX))}, {json.dumps(static(SERVICE_WORKER))});",
    ]
    return HttpResponse("\n".join(lines), content_type="text/javascript")


@never_cache
def manifest(request: HttpRequest) -> HttpResponse:
    """What a phone needs to know to keep the scanner as an app."""
    told = {
        "id": reverse("scan"),
        "name": _("Kairos scanner"),
        "short_name": _("Scanner"),
        "lang": get_language(),
        "start_url": reverse("scan"),
        "scope": reverse("scan"),
        "display": "standalone",
        "theme_color": _THEME_COLOUR,
        "background_color": _GROUND_COLOUR,
        "icons": [{"src": static("mark.svg"), "type": "image/svg+xml", "sizes": "any"}],
    }
    return JsonResponse(told, content_type="application/manifest+json")


def decoder_addresses() -> dict[str, str] | None:
    """What `static/checkin/decoder.js` opens; None where the library was not fetched."""
    if not (_is_there(LIBRARY) and _is_there(LIBRARY_CODE)):
        return None
    return {"worker": static(DECODER), "library": static(LIBRARY), "wasm": static(LIBRARY_CODE)}


def allow_decoding(response: HttpResponse) -> None:
    """Let this page compile WebAssembly of ours; scripts still come from our own files alone.

    The decoder runs in a worker, which has a policy of its own; older browsers go by the page's.
    """
    response["Content-Security-Policy"] = (
        f"{settings.CONTENT_SECURITY_POLICY}; script-src 'self' 'wasm-unsafe-eval';"
        " worker-src 'self'"
    )


def _addresses() -> dict[str, str]:
    return {
        "scan": "/api/v1/appointments/check-in/scan-qr",
        "url": "/api/v1/appointments/check-in/sync",
        "clockUrl": reverse("health"),
    }


def _names_say_content() -> bool:
    """Whether files are served under names that change with what is in them: not with DEBUG."""
    return isinstance(staticfiles_storage, ManifestFilesMixin)


def _is_there(name: str) -> bool:
    if not _names_say_content():
        return finders.find(name) is not None
    try:
        static(name)
    except ValueError:  # not in the manifest
        return False
    return True


def _kept() -> list[str]:
    return [*ASSETS, *((LIBRARY, LIBRARY_CODE) if decoder_addresses() else ())]


def _version(request: HttpRequest) -> str:
    """Another one whenever page or files are: by language and theme, and by what was deployed."""
    parts = [get_language() or "", theme_of(request), _files_version()]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _files_version() -> str:
    return _deployed() if _names_say_content() else _digest()


@lru_cache(maxsize=1)
def _deployed() -> str:
    return _digest()


def _digest() -> str:
    """Of our own sources, and of the names of the files: those say their content, or else the time
    of the last change does.
    """
    digest = hashlib.sha256()
    for path in _SOURCES:
        digest.update(path.read_bytes())
    for name in (*_kept(), SERVICE_WORKER):
        digest.update(static(name).encode())
        found = None if _names_say_content() else finders.find(name)
        if found:
            digest.update(str(Path(found).stat().st_mtime_ns).encode())
    return digest.hexdigest()
