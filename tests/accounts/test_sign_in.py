"""Signing in, refreshing once, signing out at once; and what is never told."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client

from accounts.models import RefreshSession, User
from accounts.services.sessions import session_open
from core import clock, tenancy
from core.models import AuditEvent
from tests.casts import Cast, build_user, signed_in

PASSWORD = "correct horse battery"


@pytest.fixture
def user(settings: Any, transactional_db: None) -> User:
    """A user with a password, committed; hashed cheaply, since the hasher is not under test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    found = build_user("signer", phone="+493012345678")
    found.set_password(PASSWORD)
    found.save(update_fields=["password"])
    return found


def post(path: str, body: dict[str, Any], client: Client | None = None) -> Any:
    return (client or Client()).post(f"/api/v1/auth/{path}", body, content_type="application/json")


def login(user: User, **changed: Any) -> Any:
    return post("login", {"email": user.email, "password": PASSWORD} | changed)


def audited(action: str) -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return AuditEvent.objects.filter(action=action).count()


def test_login_gives_tokens_and_who_one_is(user: User) -> None:
    answer = login(user, device_name="Phone")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"access", "refresh", "expires_in", "user"}
    assert body["user"]["email"] == user.email
    assert body["user"]["memberships"] == []
    me = Client(headers={"Authorization": f"Bearer {body['access']}"}).get("/api/v1/users/me")
    assert me.json() == body["user"]
    assert RefreshSession.objects.get().device_name == "Phone"
    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("spelling", ["+49 30 12345678", "+49-30-12345678", "+493012345678"])
def test_login_with_a_phone_number_however_written(user: User, spelling: str) -> None:
    answer = post("login", {"phone": spelling, "password": PASSWORD})
    assert answer.status_code == 200


def test_login_with_an_email_in_any_case(user: User) -> None:
    assert user.email is not None
    assert login(user, email=user.email.upper()).status_code == 200


def test_the_answer_does_not_tell_whether_the_account_exists(user: User) -> None:
    bodies = []
    off = build_user("former", is_active=False)
    off.set_password(PASSWORD)
    off.save(update_fields=["password"])
    for email, password in [
        (user.email, "wrong"),
        ("nobody@example.test", PASSWORD),
        (off.email, PASSWORD),
    ]:
        answer = post("login", {"email": email, "password": password})
        assert answer.status_code == 401
        body = answer.json()
        body.pop("request_id")
        bodies.append(body)
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "INVALID_CREDENTIALS"
    assert audited("session.refused") == 3, "the attempts stay in the trail although refused"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": PASSWORD},
        {"email": "a@b.test", "phone": "+1", "password": PASSWORD},
        {"email": "a@b.test"},
        {"email": "a@b.test", "password": PASSWORD, "admin": True},
        {"email": ["a@b.test"], "password": PASSWORD},
        {"email": "a\x00@b.test", "password": PASSWORD},
        {"email": "a" * 300, "password": PASSWORD},
        {"email": "a@b.test", "password": "x" * 2000},
    ],
)
def test_login_refuses_a_broken_body(user: User, body: dict[str, Any]) -> None:
    answer = post("login", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "VALIDATION_ERROR"


def test_refresh_rotates_and_the_old_token_is_worth_nothing(user: User) -> None:
    first = login(user).json()["refresh"]
    second = post("refresh", {"refresh": first})
    assert second.status_code == 200
    again = post("refresh", {"refresh": first})
    assert again.status_code == 401
    assert again.json()["code"] == "TOKEN_REVOKED"


def test_four_refreshes_at_once_yield_one_pair(user: User) -> None:
    token = login(user).json()["refresh"]
    ready = threading.Barrier(4)
    codes: Counter[int] = Counter()
    pairs: list[dict[str, Any]] = []

    def race() -> None:
        try:
            ready.wait(5)
            answer = post("refresh", {"refresh": token})
            codes[answer.status_code] += 1
            if answer.status_code == 200:
                pairs.append(answer.json())
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert codes == {200: 1, 401: 3}
    # Losing a race is not theft: the winner's pair lives.
    assert post("refresh", {"refresh": pairs[0]["refresh"]}).status_code == 200


def test_without_the_compare_and_set_the_race_is_lost(user: User) -> None:
    """The negative control: read, then write, and all four believe they have won."""
    token = login(user).json()["refresh"]
    session_id, _, secret = token.partition(".")
    read = threading.Barrier(4)
    wins: list[bool] = []

    def race() -> None:
        try:
            session = RefreshSession.objects.get(id=session_id)
            read.wait(5)
            if bytes(session.token_hash) == RefreshSession.hash_token(secret):
                session.token_hash = RefreshSession.hash_token("next")
                session.save(update_fields=["token_hash"])
                wins.append(True)
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(wins) == 4


def test_a_token_used_again_later_revokes_the_family(user: User) -> None:
    stolen = login(user).json()["refresh"]
    fresh = post("refresh", {"refresh": stolen}).json()
    with time_machine.travel(clock.now() + timedelta(minutes=1), tick=True):
        assert post("refresh", {"refresh": stolen}).status_code == 401
        assert post("refresh", {"refresh": fresh["refresh"]}).status_code == 401
        client = Client(headers={"Authorization": f"Bearer {fresh['access']}"})
        assert client.get("/api/v1/users/me").json()["code"] == "TOKEN_REVOKED"
    assert audited("session.reuse") == 1, "what was learned is kept although the answer was no"


def test_an_old_refresh_token_has_expired(user: User) -> None:
    token = login(user).json()["refresh"]
    with time_machine.travel(clock.now() + timedelta(days=31), tick=True):
        assert post("refresh", {"refresh": token}).json()["code"] == "TOKEN_EXPIRED"


def test_an_access_token_expires(user: User) -> None:
    client = Client(headers={"Authorization": f"Bearer {login(user).json()['access']}"})
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=True):
        assert client.get("/api/v1/users/me").json()["code"] == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "token", ["x", "x.y", "00000000-0000-7000-8000-000000000000.y", "é.\ud7ff"]
)
def test_a_refresh_token_of_nobody(user: User, token: str) -> None:
    assert post("refresh", {"refresh": token}).json()["code"] == "TOKEN_REVOKED"


def test_logout_holds_from_the_next_request_on(user: User) -> None:
    pair = login(user).json()
    client = Client(headers={"Authorization": f"Bearer {pair['access']}"})
    assert client.post("/api/v1/auth/logout").status_code == 204
    assert client.get("/api/v1/users/me").json()["code"] == "TOKEN_REVOKED"
    assert post("refresh", {"refresh": pair["refresh"]}).json()["code"] == "TOKEN_REVOKED"


def test_logout_leaves_the_other_device_signed_in(user: User) -> None:
    one, other = login(user).json(), login(user).json()
    Client(headers={"Authorization": f"Bearer {one['access']}"}).post("/api/v1/auth/logout")
    client = Client(headers={"Authorization": f"Bearer {other['access']}"})
    assert client.get("/api/v1/users/me").status_code == 200


def test_a_deactivated_user_is_out_at_once(user: User) -> None:
    client = Client(headers={"Authorization": f"Bearer {login(user).json()['access']}"})
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/api/v1/users/me").status_code == 401


def test_tokens_and_passwords_are_not_in_the_database_in_clear(user: User) -> None:
    outcome = session_open(login=str(user.email), password=PASSWORD)
    assert outcome.pair is not None
    secret = outcome.pair.refresh.partition(".")[2]
    row = RefreshSession.objects.get(id=outcome.pair.session_id)
    assert secret.encode() not in bytes(row.token_hash)


def test_me_lists_every_membership(cast: Cast) -> None:
    body = signed_in(cast.nurse).get("/api/v1/users/me").json()
    assert body["memberships"] == [{"clinic": str(cast.clinic.id), "role": "NURSE"}]


def test_me_changes_names_language_and_zone(cast: Cast) -> None:
    client = signed_in(cast.nurse)
    changed = client.patch(
        "/api/v1/users/me",
        {"given_name": "Nina", "locale": "es", "timezone": "Asia/Kolkata"},
        content_type="application/json",
    )
    assert changed.status_code == 200
    assert changed.json()["timezone"] == "Asia/Kolkata"
    assert User.objects.get(pk=cast.nurse.pk).given_name == "Nina"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"locale": "xx"}, "locale"),
        ({"given_name": "a\x00b"}, "given_name"),
        ({"given_name": "a" * 200}, "given_name"),
        ({"is_superuser": True}, "is_superuser"),
    ],
)
def test_me_refuses(cast: Cast, body: dict[str, Any], field: str) -> None:
    answer = signed_in(cast.nurse).patch("/api/v1/users/me", body, content_type="application/json")
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_me_cannot_change_the_names_one_signs_in_with(cast: Cast) -> None:
    client = signed_in(cast.nurse)
    before = client.get("/api/v1/users/me").json()
    client.patch(
        "/api/v1/users/me",
        {"email": "other@example.test", "is_super_admin": True},
        content_type="application/json",
    )
    assert client.get("/api/v1/users/me").json() == before
