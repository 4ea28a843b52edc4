"""The scanner's page, its service worker and its manifest, without a browser."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from checkin.device_auth import COOKIE
from checkin.models import DeviceKind
from checkin.pages import scan
from checkin.pages.scan_words import scan_words
from checkin.services.devices import device_lend, device_make, device_pair
from clinics.principal import principal_open
from core import context, tenancy
from core.errors import ErrorCode
from tests.casts import Cast, build_cast

IMPORTED = re.compile(r"""^(?:import|export)\b[^"';]*["']\./([\w.]+)["']""", re.MULTILINE)


@pytest.fixture
def cast(db) -> Cast:
    return build_cast("home")


def lent(cast: Cast) -> Client:
    """The browser of a phone that somebody of the staff lent."""
    with tenancy.scope(()):
        context.begin("a-test")
        by = principal_open(cast.receptionist.id, None, write=True)
        assert by is not None
        _, token = device_lend(by=by, clinic=cast.clinic, location=cast.location)
    client = Client()
    client.cookies[COOKIE] = token
    return client


def config_of(client: Client) -> dict:
    page = client.get("/scan/").content.decode()
    found = re.search(r'id="scan-config" type="application/json">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def modules_of(name: str) -> set[str]:
    """A script of ours and all that it imports."""
    path = Path(settings.BASE_DIR / "static" / "checkin" / name)
    found = {name}
    for imported in IMPORTED.findall(path.read_text(encoding="utf-8")):
        found |= modules_of(imported)
    return found


def test_only_a_scanner_opens_it(cast: Cast):
    assert Client().get("/scan/").headers["Location"] == "/pair"
    page = lent(cast).get("/scan/")
    assert page.status_code == 200
    assert cast.patient.family_name not in page.content.decode()
    with tenancy.scope(()):
        context.begin("a-test")
        by = principal_open(cast.clinic_admin.id, None, write=True)
        assert by is not None
        _, code = device_make(
            by=by, clinic=cast.clinic, location=cast.location, kind=DeviceKind.WALL, name="Wall"
        )
    _, token = device_pair(pairing_code=code)
    wall = Client()
    wall.cookies[COOKIE] = token
    assert wall.get("/scan/").headers["Location"] == "/wall/"


def test_the_policy_lets_it_decode_and_nothing_more(cast: Cast):
    policy = lent(cast).get("/scan/").headers["Content-Security-Policy"]
    assert policy.startswith(settings.CONTENT_SECURITY_POLICY)
    assert "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy


def test_the_service_worker_keeps_all_that_the_page_loads(cast: Cast):
    client = lent(cast)
    page = client.get("/scan/")
    script = client.get("/scan/sw.js")
    assert script.headers["Content-Type"] == "text/javascript"
    told = json.loads(re.search(r"kairosScanner = (.*);", script.content.decode())[1])
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.content.decode())
    assert linked
    assert set(linked) <= set(told["assets"])
    modules = {f"/static/checkin/{name}" for name in modules_of("scanner.js")}
    assert len(modules) > 5
    assert modules <= set(told["assets"])
    assert all(finders.find(name.removeprefix("/static/")) for name in told["assets"])
    assert page.headers["X-Scanner-Version"] == told["version"]
    assert told["syncTag"] in (settings.BASE_DIR / "static/checkin/outbox_sync.js").read_text()


def test_another_language_or_another_file_is_another_version(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    client = lent(cast)
    seen = {client.get("/scan/").headers["X-Scanner-Version"]}
    seen.add(client.get("/scan/", HTTP_ACCEPT_LANGUAGE="ar").headers["X-Scanner-Version"])
    monkeypatch.setattr(scan, "ASSETS", scan.ASSETS[1:])
    seen.add(client.get("/scan/").headers["X-Scanner-Version"])
    assert len(seen) == 3


def test_without_the_library_the_page_says_so(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan, "LIBRARY", "vendor/not/fetched.js")
    client = lent(cast)
    assert config_of(client)["decoder"] is None
    assert "fetched.js" not in client.get("/scan/sw.js").content.decode()


def test_the_manifest_starts_the_scanner(db):
    told = Client().get("/scan/manifest.webmanifest").json()
    assert (told["start_url"], told["scope"]) == ("/scan/", "/scan/")
    assert all(finders.find(icon["src"].removeprefix("/static/")) for icon in told["icons"])


def test_every_code_has_words():
    codes = scan_words()["codes"]
    assert set(codes) == set(ErrorCode.values)
    assert all(said["title"] and said["tone"] for said in codes.values())
