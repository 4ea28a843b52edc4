"""Whatever comes in: every refusal has a code, none has a trace, nothing is left behind."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.db import OperationalError
from django.test import Client

from clinics.models import Room
from core import tenancy
from core.api import etag
from tests.casts import Cast, build_cast, signed_in

PROBLEM = "application/problem+json"


@pytest.fixture
def cast(db: None) -> Cast:
    return build_cast("home")


def is_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document, checked for what every one of them has."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"/api/docs/errors#{code}"
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.content.decode()
    return body


def post(client: Client, data: Any, content_type: str = "application/json", **more: Any) -> Any:
    return client.post("/api/v1/rooms", data, content_type=content_type, **more)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b"{'name': 1}",
        b'{"name": NaN}',
    ],
)
def test_a_body_that_is_no_json_object(cast: Cast, body: bytes) -> None:
    is_problem(post(signed_in(cast.clinic_admin), body), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "x"]
)
def test_another_content_type(cast: Cast, content_type: str) -> None:
    answer = post(signed_in(cast.clinic_admin), b"name=1", content_type)
    is_problem(answer, 415, "VALIDATION_ERROR")


def test_ten_megabytes(cast: Cast) -> None:
    body = orjson.dumps({"name": "a" * 10_000_000})
    is_problem(post(signed_in(cast.clinic_admin), body), 413, "VALIDATION_ERROR")
    is_problem(
        Client().post("/api/v1/auth/login", body, content_type="application/json"),
        413,
        "VALIDATION_ERROR",
    )


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a\x00b", "name"),
        ("", "name"),
        ("   ", "name"),
        ("a" * 121, "name"),
        (None, "name"),
        (7, None),
        ({"a": 1}, "name"),
        (["a"], "name"),
        (True, "name"),
    ],
)
def test_a_field_that_is_not_what_it_should_be(cast: Cast, name: Any, fault: str | None) -> None:
    answer = post(
        signed_in(cast.clinic_admin),
        orjson.dumps({"name": name, "location": str(cast.location.id)}),
    )
    if fault is None:
        assert answer.status_code == 201
        return
    assert fault in is_problem(answer, 400, "VALIDATION_ERROR")["errors"]
    with tenancy.scope([cast.clinic.id]):
        assert Room.objects.count() == 1


def test_unknown_fields_and_parameters(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    body = orjson.dumps({"name": "2", "location": str(cast.location.id), "colour": "red"})
    assert "colour" in is_problem(post(client, body), 400, "VALIDATION_ERROR")["errors"]
    for path in (
        "rooms?colour=red",
        f"rooms/{cast.room.id}?colour=red",
        "users/me?x=1",
        "clinics?x=1",
        "doctors?name=x",
        "clinics/mine?x=1",
    ):
        answer = client.get(f"/api/v1/{path}")
        assert is_problem(answer, 400, "VALIDATION_ERROR")["errors"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("rooms/", 200),
        ("rooms/1", 404),
        ("rooms/------------------------------------", 404),
        ("rooms/00000000-0000-0000-0000-000000000000", 404),
        ("rooms/%00", 404),
        ("rooms?clinic=%00", 400),
        ("rooms?cursor=%00", 400),
        ("rooms?limit=999999999999999999999", 400),
        ("nothing", 404),
        ("clinics/by-app-name/a%20b", 404),
    ],
)
def test_paths(cast: Cast, path: str, status: int) -> None:
    answer = signed_in(cast.clinic_admin).get(f"/api/v1/{path}")
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["Content-Type"] == PROBLEM


def test_methods_that_are_not_offered(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    is_problem(client.delete("/api/v1/rooms"), 405, "VALIDATION_ERROR")
    is_problem(client.get("/api/v1/auth/login"), 405, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer ", "TOKEN_REVOKED"),
        ("Bearer x.y.z", "TOKEN_REVOKED"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.", "TOKEN_REVOKED"),
        ("Basic eDp5", "NOT_AUTHENTICATED"),
    ],
)
def test_tokens_of_others(db: None, header: str, code: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/api/v1/rooms")
    is_problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_used_badly(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    body = orjson.dumps({"name": "2", "location": str(cast.location.id)})
    for key in ("k" * 256, "a\tb"):
        answer = post(client, body, headers={"Idempotency-Key": key})
        assert "Idempotency-Key" in is_problem(answer, 400, "VALIDATION_ERROR")["errors"]


def test_a_refused_post_may_be_tried_again_with_its_key(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    headers = {"Idempotency-Key": "again"}
    good = orjson.dumps({"name": "2", "location": str(cast.location.id)})
    assert post(client, b'{"name": "2"}', headers=headers).status_code == 400
    first = post(client, good, headers=headers)
    second = post(client, good, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.headers["ETag"] == second.headers["ETag"] == etag.etag(1)


def test_a_session_cookie_must_bring_its_csrf_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.clinic_admin, backend="accounts.backends.EmailOrPhoneBackend")
    assert client.get("/api/v1/rooms").status_code == 200
    body = orjson.dumps({"name": "2", "location": str(cast.location.id)})
    is_problem(post(client, body), 403, "PERMISSION_DENIED")


def broken_scope(error: Exception) -> Any:
    def scope(*_: Any, **__: Any) -> Iterator[None]:
        raise error

    return scope


@pytest.mark.parametrize(
    ("error", "status"), [(OperationalError("gone"), 503), (RuntimeError("secret detail"), 500)]
)
@pytest.mark.parametrize("debug", [True, False])
def test_when_we_are_broken(
    monkeypatch: pytest.MonkeyPatch, settings: Any, error: Exception, status: int, debug: bool
) -> None:
    settings.DEBUG = debug
    settings.ALLOWED_HOSTS = ["testserver"]
    monkeypatch.setattr("core.api.views.tenancy.scope", broken_scope(error))
    client = Client(raise_request_exception=False)
    answer = client.get("/api/v1/rooms")
    is_problem(answer, status, "SERVICE_UNAVAILABLE")
    assert b"secret detail" not in answer.content
    page = client.post("/sign-in", {"login": "a@b.test", "password": "x"})
    assert page.status_code == status
    if not debug or status == 503:
        assert page.headers["Content-Type"].startswith("text/html")
        assert b"secret detail" not in page.content


def test_a_host_that_is_not_ours(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["kairos.test"]
    for debug in (True, False):
        settings.DEBUG = debug
        answer = Client(headers={"Host": "evil.test"}).get("/api/v1/rooms")
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == PROBLEM


def test_request_ids_come_back_when_they_are_ids(db: None) -> None:
    client = Client()
    kept = client.get("/health", headers={"X-Request-ID": "abc-12345678"})
    assert kept.headers["X-Request-ID"] == "abc-12345678"
    for odd in ("short", "a" * 65, "evil id\r\nx", "<script>"):
        made = client.get("/health", headers={"X-Request-ID": odd.replace("\r\n", "")})
        assert made.headers["X-Request-ID"] != odd


def test_big_answers_are_compressed_and_their_tags_still_work(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    path = f"/api/v1/clinics/{cast.clinic.id}"
    answer = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    tag = answer.headers["ETag"]
    assert tag == 'W/"1"'
    changed = client.patch(
        path, {"name": "New"}, content_type="application/json", headers={"If-Match": tag}
    )
    assert changed.status_code == 200


def test_every_combination_of_limit_and_cursor_answers(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    for limit, cursor in itertools.product(
        ["", "1", "x", "100"], ["", "e30", "W10", "!!!", "WzFd"]
    ):
        answer = client.get("/api/v1/rooms", {"limit": limit, "cursor": cursor})
        assert answer.status_code in {200, 400}
