"""How often: exactly as often as the limit says, also when everybody asks at once."""

import threading
from collections import Counter
from typing import Any

import pytest
import redis
from django.test import Client

from accounts.services import attempts
from core import limits, valkey
from core.errors import ErrorCode, KairosError
from tests.casts import Cast, signed_in


def storm(count: int, ask: Any) -> Counter[str]:
    """What `count` threads got that asked at the same moment."""
    ready = threading.Barrier(count)
    answers: Counter[str] = Counter()
    lock = threading.Lock()

    def run() -> None:
        ready.wait(10)
        said = ask()
        with lock:
            answers[said] += 1

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return answers


@pytest.fixture
def unhurried(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eighty threads share a processor: none may take a busy moment of it for a dead Valkey."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=10)
    monkeypatch.setattr(valkey, "client", lambda: client)


@pytest.mark.usefixtures("unhurried")
def test_eighty_at_once_against_ten() -> None:
    def ask() -> str:
        try:
            limits.consume([limits.Limit("storm", 10)])
        except KairosError as error:
            return error.code
        return "ok"

    assert storm(80, ask) == {"ok": 10, ErrorCode.RATE_LIMIT_EXCEEDED: 70}


def test_read_then_write_lets_more_through() -> None:
    """The negative control: the same storm against a counter that is read before it is raised."""
    seen = threading.Barrier(80)

    def ask() -> str:
        count = int(valkey.client().get("naive") or 0)
        seen.wait(10)
        if count >= 10:
            return "refused"
        valkey.client().incr("naive")
        return "ok"

    assert storm(80, ask)["ok"] > 10


def sign_in(email: str, address: str = "127.0.0.1") -> Any:
    return Client(REMOTE_ADDR=address).post(
        "/api/v1/auth/login",
        {"email": email, "password": "wrong"},
        content_type="application/json",
    )


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.mark.django_db
def test_one_name_is_limited_from_wherever() -> None:
    for number in range(10):
        assert sign_in("victim@example.test", f"192.0.2.{number}").status_code == 401
    refused = sign_in("Victim@Example.test ", "192.0.2.99")
    assert refused.status_code == 429
    assert refused.json()["code"] == "RATE_LIMIT_EXCEEDED"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"default";r=0')
    assert sign_in("someone-else@example.test", "192.0.2.99").status_code == 401


@pytest.mark.django_db
def test_one_address_is_limited_for_whatever_names() -> None:
    for number in range(10):
        assert sign_in(f"name-{number}@example.test").status_code == 401
    assert sign_in("another@example.test").status_code == 429


@pytest.mark.django_db
def test_the_page_and_the_api_share_the_count() -> None:
    for number in range(10):
        sign_in("victim@example.test", f"192.0.2.{number}")
    page = Client(REMOTE_ADDR="192.0.2.50").post(
        "/sign-in", {"login": "victim@example.test", "password": "wrong"}
    )
    assert page.status_code == 429
    assert "Retry-After" in page.headers


def test_counters_hold_no_names() -> None:
    attempts.sign_in_attempt(login="secret@example.test", address="192.0.2.1")
    attempts.refresh_attempt(refresh="secret.token", address="192.0.2.1")
    assert not [key for key in valkey.client().keys("*") if b"secret" in key]


@pytest.fixture
def dead_valkey(valkey_server: Any) -> Any:
    valkey_server.stop()
    yield
    valkey.breaker.close()


@pytest.mark.django_db
@pytest.mark.usefixtures("dead_valkey")
def test_with_valkey_dead_nobody_signs_in_but_everybody_works(cast: Cast) -> None:
    refused = sign_in("victim@example.test")
    assert refused.status_code == 503
    assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
    assert "Retry-After" in refused.headers
    assert (
        Client()
        .post("/api/v1/auth/refresh", {"refresh": "x"}, content_type="application/json")
        .status_code
        == 503
    )
    page = Client().post("/sign-in", {"login": "victim@example.test", "password": "wrong"})
    assert page.status_code == 503
    assert signed_in(cast.receptionist).get("/api/v1/patients").status_code == 200
