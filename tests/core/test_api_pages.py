"""The pages: what a newcomer sees, signing in, health, the documents of the API."""

import json
import time
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from accounts.models import User
from core import health, valkey
from core.api.docs import Schema
from core.errors import ErrorCode
from tests.casts import Cast, build_cast, build_super_admin, build_user

PASSWORD = "correct horse battery"


@pytest.fixture
def cast(db: None) -> Cast:
    return build_cast("home")


@pytest.fixture
def user(db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    found = build_user("page")
    found.set_password(PASSWORD)
    found.save(update_fields=["password"])
    return found


def test_home_shows_the_demo_sign_ins_only_in_development(db: None, settings: Any) -> None:
    settings.DEBUG = True
    assert b"reception@other.kairos" in Client().get("/").content
    settings.DEBUG = False
    page = Client().get("/")
    assert page.status_code == 200
    assert b"demo.kairos" not in page.content


def test_home_says_who_you_are(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.nurse, backend="accounts.backends.EmailOrPhoneBackend")
    page = client.get("/").content.decode()
    assert "You are Nurse" in page
    assert cast.clinic.name in page
    client.force_login(build_super_admin(), backend="accounts.backends.EmailOrPhoneBackend")
    assert "Administrator of the installation" in client.get("/").content.decode()
    client.force_login(build_user("nobody"), backend="accounts.backends.EmailOrPhoneBackend")
    assert "You belong to no clinic yet" in client.get("/").content.decode()


def test_sign_in_and_out(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    token = client.get("/sign-in").cookies["csrftoken"].value
    form = {"login": user.email, "password": PASSWORD, "csrfmiddlewaretoken": token}
    wrong = client.post("/sign-in", form | {"password": "wrong"})
    assert wrong.status_code == 401
    assert b"wrong" not in wrong.content
    done = client.post("/sign-in", form)
    assert (done.status_code, done.headers["Location"]) == (302, "/start")
    assert client.get("/sign-in").status_code == 302
    assert client.get("/sign-out").status_code == 405
    token = client.cookies["csrftoken"].value
    assert client.post("/sign-out").status_code == 403
    assert client.post("/sign-out", {"csrfmiddlewaretoken": token}).status_code == 302
    assert b"/sign-in" in client.get("/").content


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/api/docs", "/api/docs"),
        ("https://evil.test/", "/start"),
        ("//evil.test/", "/start"),
        ("javascript:alert(1)", "/start"),
        ("\\\\evil.test", "/start"),
    ],
)
def test_next_stays_with_us(user: User, wanted: str, target: str) -> None:
    form = {"login": user.email, "password": PASSWORD, "next": wanted}
    assert Client().post("/sign-in", form).headers["Location"] == target


@pytest.mark.parametrize("form", [{}, {"login": "a\x00b", "password": "x"}, {"login": "a" * 999}])
def test_a_broken_form_is_shown_again(db: None, form: dict[str, str]) -> None:
    page = Client().post("/sign-in", form)
    assert page.status_code == 400
    assert b"field-error" in page.content


def test_pages_load_nothing_from_elsewhere_and_no_inline_code(db: None, settings: Any) -> None:
    settings.DEBUG = True
    for path in ("/", "/sign-in", "/api/docs/errors", "/api/docs", "/api/redoc"):
        answer = Client().get(path)
        page = answer.content.decode()
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "https://" not in page
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert "script-src 'unsafe" not in answer.headers["Content-Security-Policy"]


def test_a_page_that_is_not_there(settings: Any, db: None) -> None:
    settings.DEBUG = False
    page = Client().get("/nowhere")
    assert page.status_code == 404
    assert page.headers["X-Request-ID"] in page.content.decode()


def test_ten_megabytes_at_a_page(settings: Any, db: None) -> None:
    settings.DEBUG = False
    page = Client().post("/sign-in", {"login": "a" * 10_000_000})
    assert page.status_code == 413


def test_the_catalogue_has_every_code() -> None:
    page = Client().get("/api/docs/errors").content.decode()
    for code in ErrorCode.values:
        assert f'id="{code}"' in page


def test_the_schema_in_both_forms_and_without_secrets(db: None) -> None:
    Schema._made.clear()
    asked = Client().get("/api/schema", {"format": "json"})
    schema = json.loads(asked.content)
    assert schema["openapi"].startswith("3.1")
    listing = schema["paths"]["/api/v1/patients"]["get"]
    names = {parameter["name"] for parameter in listing["parameters"]}
    assert {"q", "limit", "cursor", "clinic", "birth_date"} <= names
    page = listing["responses"]["200"]["content"]["application/json"]["schema"]
    reference = page["$ref"].rsplit("/", 1)[1]
    envelope = schema["components"]["schemas"][reference]
    assert set(envelope["required"]) == {"results", "next_cursor", "has_more"}
    assert "security" not in schema["paths"]["/api/v1/auth/login"]["post"] or (
        {} in schema["paths"]["/api/v1/auth/login"]["post"]["security"]
    )
    yaml = Client().get("/api/schema")
    assert yaml.content.startswith(b"openapi: 3.1")


def test_alive_asks_nothing_of_the_database() -> None:
    """No database fixture: a statement would fail the test."""
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_health_looks_at_everything(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "watch", health.Watch())
    answer = Client().get("/health/detailed")
    body = answer.json()
    # No worker runs beside these tests; everything else is there.
    failing = {name for name, check in body["checks"].items() if check["status"] != "ok"}
    assert failing == {"workers"}
    assert answer.status_code == 503
    said = answer.content.decode()
    assert django_settings.REDIS_URL.partition(":")[2] not in said
    assert str(django_settings.DATABASES["default"]["HOST"]) not in said


def test_health_is_good_with_a_worker(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "watch", health.Watch())
    monkeypatch.setitem(health.CHECKS, "workers", lambda _: health.Finding(True))
    assert Client().get("/health/detailed").status_code == 200


def test_health_is_looked_up_once_in_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(_: Any) -> health.Finding:
        looks.append(1)
        return health.Finding(True)

    monkeypatch.setattr(health, "CHECKS", {"one": look})
    watch = health.Watch()
    for _ in range(5):
        assert watch.report().ok
    assert len(looks) == 1
    watch._made -= health.FRESH_SECONDS
    watch.report()
    assert len(looks) == 2


def test_health_with_valkey_dead_answers_soon(
    db: None, valkey_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "watch", health.Watch())
    valkey_server.stop()
    started = time.monotonic()
    answer = Client().get("/health/detailed")
    took = time.monotonic() - started
    valkey.breaker.close()
    checks = answer.json()["checks"]
    assert answer.status_code == 503
    assert {name for name in checks if checks[name]["status"] != "ok"} == {
        "cache",
        "broker",
        "workers",
    }
    assert took < 1.5
