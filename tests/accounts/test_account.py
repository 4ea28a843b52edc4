"""One's own account: language, zone, colours, password; and the choices at the foot of a page."""

from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import RefreshSession, User
from accounts.timezones import timezone_choices
from core import tenancy
from core.models import AuditEvent
from tests.casts import build_session, build_user, signed_in
from tests.support.forms import form_of

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-passphrase"
NEW = "another-long-passphrase"
CHOICES = {"locale": "es", "timezone": "Asia/Kolkata", "theme": "dark"}


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def user() -> User:
    found = build_user("anna", phone="+493012345678")
    found.set_password(PASSWORD)
    found.save(update_fields=["password"])
    return found


def at_home(user: User) -> Client:
    """A browser in which the user is signed in."""
    client = Client()
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    return client


@pytest.fixture
def client(user: User) -> Client:
    return at_home(user)


def acts(action: str) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(action=action))


def language_of(answer: Any) -> str:
    """What the language cookie is set to; '' where the answer leaves it as it is."""
    cookie = answer.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    return cookie.value if cookie else ""


# --- The foot of a page ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "direction"), [("en", "ltr"), ("es", "ltr"), ("hi", "ltr"), ("ar", "rtl")]
)
def test_a_visitor_chooses_without_an_account(language: str, direction: str) -> None:
    client = Client(headers={"Accept-Language": "fr"})
    answer = client.post("/language", {"language": language, "next": "/sign-in?next=/account"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in?next=/account")
    page = client.get("/sign-in").content.decode()
    assert f'<html lang="{language}" dir="{direction}" data-theme="system">' in page


def test_without_a_choice_the_browser_decides() -> None:
    assert (
        '<html lang="es"' in Client(headers={"Accept-Language": "es-MX"}).get("/").content.decode()
    )


def test_languages_are_called_by_their_own_names() -> None:
    client = Client()
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "ar"
    page = client.get("/sign-in").content.decode()
    for name in ("English", "Español", "हिन्दी", "العربية"):
        assert f">{name}</button>" in page


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
def test_a_visitor_chooses_light_or_dark(theme: str) -> None:
    client = Client()
    assert client.post("/language", {"theme": theme}).status_code == 302
    page = client.get("/sign-in").content.decode()
    assert f'data-theme="{theme}"' in page
    assert ("dark.css" in page) == (theme != "light")


def test_an_unknown_theme_in_the_cookie_is_none() -> None:
    client = Client()
    client.cookies["theme"] = '"><script>'
    page = client.get("/sign-in").content.decode()
    assert 'data-theme="system"' in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    "fields", [{"language": "xx"}, {"language": "fr"}, {"language": ""}, {"theme": "pink"}]
)
def test_only_what_is_offered(fields: dict[str, str], client: Client, user: User) -> None:
    answer = client.post("/language", fields)
    assert answer.status_code == 400
    assert language_of(answer) in {"", "en"}
    user.refresh_from_db()
    assert user.locale == "en"


@pytest.mark.parametrize(
    "target", ["https://example.test/", "//example.test", "javascript:alert(1)", "", "\\\\x.test"]
)
def test_it_leads_to_our_own_pages_only(target: str) -> None:
    answer = Client().post("/language", {"language": "es", "next": target})
    assert answer.headers["Location"] == "/"


def test_it_takes_a_post_with_a_token() -> None:
    assert Client().get("/language").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/language", {"language": "es"}).status_code == 403


def test_a_signed_in_users_choice_goes_with_them(client: Client, user: User) -> None:
    client.post("/language", {"language": "hi"})
    user.refresh_from_db()
    assert user.locale == "hi"
    assert [event.changes for event in acts("user.changed")] == [{"locale": ["en", "hi"]}]
    elsewhere = Client(headers={"Accept-Language": "es"})
    answer = elsewhere.post("/sign-in", {"login": user.email, "password": PASSWORD})
    assert language_of(answer) == "hi"
    assert '<html lang="hi"' in elsewhere.get("/").content.decode()


def test_what_was_chosen_on_another_device_arrives_with_the_next_page(
    client: Client, user: User
) -> None:
    signed_in(user).patch("/api/v1/users/me", {"locale": "ar"}, content_type="application/json")
    assert language_of(client.get("/")) == "ar"
    assert 'dir="rtl"' in client.get("/").content.decode()
    assert language_of(client.get("/")) == "", "and then the cookie is right"


def test_a_users_own_page_is_in_their_language_at_once(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(locale="ar")
    assert 'dir="rtl"' in client.get("/account").content.decode()


def test_a_language_costs_no_statement(client: Client, user: User) -> None:
    def statements() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as counted:
            assert client.get("/account").status_code == 200
        return [one["sql"] for one in counted.captured_queries]

    User.objects.filter(pk=user.pk).update(locale="es")
    first, then = statements(), statements()
    assert len(first) == len(then) == 2, "the session and the user"


def test_pages_that_ask_for_no_user_still_ask_for_none(client: Client) -> None:
    with CaptureQueriesContext(connection) as counted:
        assert client.get("/no-such-page").status_code == 404
    assert counted.captured_queries == []


# --- The account ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/account", "/account/password"])
def test_one_signs_in_first(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/sign-in?next={path.replace('/', '%2F')}"


def test_it_shows_who_one_is_and_keeps_what_one_chooses(client: Client, user: User) -> None:
    page = client.get("/account")
    assert str(user.email) in page.content.decode()
    shown = form_of(page, form_id="account")
    assert shown == {"locale": ["en"], "timezone": ["UTC"], "theme": ["system"]}
    answer = client.post("/account", CHOICES)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account")
    assert language_of(answer) == "es"
    assert len(list(get_messages(answer.wsgi_request))) == 1
    after = client.get("/account")
    assert '<html lang="es" dir="ltr" data-theme="dark">' in after.content.decode()
    assert form_of(after, form_id="account") == {name: [value] for name, value in CHOICES.items()}
    user.refresh_from_db()
    assert (user.locale, user.timezone) == ("es", "Asia/Kolkata")
    (act,) = acts("user.changed")
    assert act.actor_id == user.id


@pytest.mark.parametrize(
    "changed",
    [
        {"locale": "fr"},
        {"locale": ""},
        {"timezone": "Mars/Olympus"},
        {"timezone": "a\x00b"},
        {"theme": "pink"},
    ],
)
def test_nothing_is_kept_of_a_wrong_choice(
    client: Client, user: User, changed: dict[str, str]
) -> None:
    answer = client.post("/account", CHOICES | changed)
    assert answer.status_code == 400
    assert "field-error" in answer.content.decode()
    user.refresh_from_db()
    assert (user.locale, user.timezone) == ("en", "UTC")
    assert "theme" not in answer.cookies


def test_the_outsider_changes_only_themselves(client: Client, user: User) -> None:
    outsider = build_user("outsider")
    at_home(outsider).post("/account", CHOICES | {"user": str(user.pk), "email": user.email})
    user.refresh_from_db()
    assert user.locale == "en"


def test_an_old_name_of_a_zone_stays_chosen(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(timezone="Asia/Calcutta")
    shown = form_of(client.get("/account"), form_id="account")
    assert shown["timezone"] == ["Asia/Calcutta"]


def test_zones_are_named_in_the_pages_language() -> None:
    with time_machine.travel("2026-01-15T12:00:00Z"):
        everything = dict(timezone_choices("es", "UTC"))
    europe = dict(everything["Europe"])
    assert europe["Europe/London"] == "Londres (UTC+00:00)"
    assert dict(everything["Asia"])["Asia/Kolkata"] == "Kolkata (UTC+05:30)"
    with time_machine.travel("2026-07-15T12:00:00Z"):
        assert dict(dict(timezone_choices("es", "UTC"))["Europe"])["Europe/London"].endswith(
            "(UTC+01:00)"
        )


# --- The password ---------------------------------------------------------------------------------


def change(client: Client, old: str = PASSWORD, new: str = NEW, again: str | None = None) -> Any:
    fields = {"old": old, "new": new, "again": new if again is None else again}
    return client.post("/account/password", fields)


def test_a_new_password_signs_every_other_page_and_device_out(client: Client, user: User) -> None:
    other_page, device = at_home(user), signed_in(user)
    stranger = build_session(build_user("stranger"))
    assert device.get("/api/v1/users/me").status_code == 200
    answer = change(client)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account")
    assert client.get("/account").status_code == 200, "this page stays signed in"
    assert other_page.get("/account").status_code == 302
    assert device.get("/api/v1/users/me").json()["code"] == "TOKEN_REVOKED"
    stranger.refresh_from_db()
    assert stranger.revoked_at is None
    user.refresh_from_db()
    assert user.check_password(NEW)
    (act,) = acts("user.password_changed")
    assert (act.actor_id, act.entity_id) == (user.id, user.id)
    assert act.changes == {"signed_in_devices": [1, 0]}
    assert PASSWORD not in str(act.changes)


def test_the_session_has_a_new_key(client: Client) -> None:
    before = client.cookies[settings.SESSION_COOKIE_NAME].value
    change(client)
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"old": "wrong"}, "This is not your password."),
        ({"new": "short"}, "too short"),
        ({"new": "password123"}, "too common"),
        ({"new": PASSWORD}, "This is the password you have."),
        ({"again": "something else"}, "This is not the same."),
        ({"old": ""}, "required"),
        ({"new": "", "again": ""}, "required"),
        ({"new": "x" * 2000}, "at most 1024"),
        ({"new": "anna-anna-anna\x00"}, "Null characters"),
    ],
)
def test_a_refused_change_changes_nothing(
    client: Client, user: User, fields: dict[str, str], sentence: str
) -> None:
    device = build_session(user)
    answer = change(client, **fields)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert sentence in page
    assert PASSWORD not in page
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert RefreshSession.objects.get(pk=device.pk).revoked_at is None
    assert acts("user.password_changed") == []
    assert len(acts("user.password_refused")) == (1 if fields.get("old") == "wrong" else 0)


def test_tries_are_counted_with_those_to_sign_in(client: Client, user: User) -> None:
    for _ in range(settings.RATE_LIMITS["sign_in"]):
        assert change(client, old="wrong").status_code == 400
    answer = change(client)
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers
    assert "Too many requests" in answer.content.decode()
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    refused = elsewhere.post("/sign-in", {"login": user.email, "password": PASSWORD})
    assert refused.status_code == 429
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_the_back_office_leads_to_the_same_page() -> None:
    admin = build_user("admin", is_superuser=True)
    answer = at_home(admin).get("/admin/password_change/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/password")


# --- Signing in -----------------------------------------------------------------------------------


def test_a_refused_sign_in_says_so_and_keeps_where_one_was_going(user: User) -> None:
    answer = Client().post(
        "/sign-in", {"login": user.email, "password": "wrong", "next": "/account?x=1"}
    )
    assert answer.status_code == 401
    page = answer.content.decode()
    assert "do not go together" in page
    assert form_of(answer, form_id="sign-in") == {
        "next": ["/account?x=1"],
        "login": [user.email],
        "password": [""],
    }


def test_signing_in_with_a_phone_number(user: User) -> None:
    answer = Client().post(
        "/sign-in", {"login": "+49 30 12345678", "password": PASSWORD, "next": "/account"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account")
