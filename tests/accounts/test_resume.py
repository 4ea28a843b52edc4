"""What was typed when a session ended is there again, for who typed it and for nobody else."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpResponse, QueryDict
from django.test import Client, RequestFactory

from accounts import resume
from accounts.models import User
from accounts.tasks import prune_page_sessions
from core import clock
from tests.casts import build_user

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-passphrase"
PAGE = "/account"
TYPED = {"locale": "es", "timezone": "Asia/Kolkata", "theme": "dark", "note": "née Müller 👩‍⚕️"}


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def somebody(name: str) -> User:
    user = build_user(name)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


@pytest.fixture
def anna() -> User:
    return somebody("anna")


@pytest.fixture
def bruno() -> User:
    return somebody("bruno")


def sign_in(client: Client, user: User, target: str = "/") -> Any:
    answer = client.post("/sign-in", {"login": user.email, "password": PASSWORD, "next": target})
    assert answer.status_code == 302, answer.content.decode()
    return answer


def session_ends(client: Client) -> None:
    """As after twelve hours: the server's row is too old, the browser may still send the cookie."""
    Session.objects.all().update(expire_date=clock.now() - timedelta(seconds=1))


def asked_again(client: Client, address: str) -> QueryDict | None:
    """What `unsent` gives a page at `address`, in this browser's session."""
    request = RequestFactory().get(address)
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    request.session = SessionStore(cookie.value if cookie else None)  # type: ignore[assignment]
    user_id = request.session.get("_auth_user_id")
    request.user = User.objects.get(pk=user_id) if user_id else AnonymousUser()
    return resume.unsent(request)


def target_of(answer: Any) -> str:
    """Where the sign-in that was answered leads afterwards."""
    path, _, query = answer.headers["Location"].partition("?")
    assert (answer.status_code, path) == (302, "/sign-in")
    return QueryDict(query)["next"]


@pytest.fixture
def desk(anna: User) -> Client:
    """A browser in which Anna's session has ended while she typed."""
    client = Client()
    sign_in(client, anna)
    session_ends(client)
    return client


def test_the_same_user_finds_it_again(desk: Client, anna: User) -> None:
    target = target_of(desk.post(PAGE, TYPED))
    assert target == f"{PAGE}?resume=1"
    page = desk.get("/sign-in", {"next": target})
    assert "what you had typed is still there" in page.content.decode()
    assert sign_in(desk, anna, target).headers["Location"] == target
    found = asked_again(desk, target)
    assert found is not None
    assert found.dict() == TYPED
    assert asked_again(desk, target) == found, "as often as the page is drawn"
    assert asked_again(desk, PAGE) is None, "only where the address asks for it"
    assert asked_again(desk, "/account/password?resume=1") is None, "only on its own page"


def test_another_user_never_sees_it(desk: Client, anna: User, bruno: User) -> None:
    target = target_of(desk.post(PAGE, TYPED))
    sign_in(desk, bruno, target)
    assert asked_again(desk, target) is None
    desk.post("/sign-out")
    sign_in(desk, anna, target)
    assert asked_again(desk, target) is None, "gone for good, not waiting in a session of Bruno's"


def test_without_the_drop_at_sign_in_it_is_still_not_shown(
    desk: Client, bruno: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two locks: the form is not given to another user even if it got into their session."""
    monkeypatch.setattr("accounts.views.forget_foreign", lambda request, user: None)
    target = target_of(desk.post(PAGE, TYPED))
    sign_in(desk, bruno, target)
    store = SessionStore(desk.cookies[settings.SESSION_COOKIE_NAME].value)
    assert "née" in str(QueryDict(store["unsent_forms"][0]["body"])), "it did get there"
    assert asked_again(desk, target) is None


@pytest.mark.parametrize("path", ["/sign-out", "/api/v1/auth/logout"])
def test_after_signing_out_nobody_knows_who_types(anna: User, path: str) -> None:
    client = Client()
    sign_in(client, anna)
    assert client.post(path).status_code in {204, 302}
    assert target_of(client.post(PAGE, TYPED)) == PAGE
    assert not Session.objects.exists(), "nothing is kept, not even a session"


def test_a_stranger_keeps_nothing() -> None:
    assert target_of(Client().post(PAGE, TYPED)) == PAGE
    assert not Session.objects.exists()


def test_a_forged_owner_keeps_nothing(anna: User) -> None:
    client = Client()
    client.cookies[resume.COOKIE] = f"{anna.pk}:1abcde:forged"
    assert target_of(client.post(PAGE, TYPED)) == PAGE
    assert not Session.objects.exists()


def test_a_password_changed_elsewhere_ends_the_session_but_loses_nothing(anna: User) -> None:
    client = Client()
    sign_in(client, anna)
    anna.set_password(PASSWORD + "!")
    anna.save(update_fields=["password"])
    target = target_of(client.post(PAGE, TYPED))
    answer = client.post(
        "/sign-in", {"login": anna.email, "password": PASSWORD + "!", "next": target}
    )
    assert answer.headers["Location"] == target
    assert asked_again(client, target) is not None


def test_half_an_hour(desk: Client, anna: User) -> None:
    target = target_of(desk.post(PAGE, TYPED))
    sign_in(desk, anna, target)
    with time_machine.travel(clock.now() + timedelta(minutes=29), tick=True):
        assert asked_again(desk, target) is not None
    with time_machine.travel(clock.now() + timedelta(minutes=31), tick=True):
        assert asked_again(desk, target) is None


def test_who_does_not_come_back_leaves_nothing_behind(desk: Client, anna: User) -> None:
    target = target_of(desk.post(PAGE, TYPED))
    prune_page_sessions()
    (kept,) = Session.objects.all()
    assert kept.expire_date - clock.now() <= resume.KEPT_FOR
    sign_in(desk, anna, target)
    (kept,) = Session.objects.all()
    assert kept.expire_date - clock.now() > timedelta(hours=11), "signed in, as long as ever"
    with time_machine.travel(clock.now() + timedelta(hours=13), tick=True):
        prune_page_sessions()
    assert not Session.objects.exists()


def test_secrets_and_files_are_not_kept(desk: Client, anna: User) -> None:
    secrets = {"csrfmiddlewaretoken": "x", "old": "x", "new": "x", "again": "x"}
    secrets |= {"new_password": "x", "Token": "x", "client_secret": "x"}
    target = target_of(desk.post(PAGE, TYPED | secrets))
    sign_in(desk, anna, target)
    found = asked_again(desk, target)
    assert found is not None
    assert found.dict() == TYPED


def test_a_form_of_secrets_alone_is_not_kept(desk: Client) -> None:
    fields = {"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}
    assert target_of(desk.post("/account/password", fields)) == "/account/password"


def test_what_is_too_big_is_not_kept(desk: Client) -> None:
    assert target_of(desk.post(PAGE, {"note": "x" * 70_000})) == PAGE


def test_two_pages_that_were_open_are_both_kept(desk: Client, anna: User) -> None:
    first = target_of(desk.post(PAGE, TYPED))
    second = target_of(desk.post("/account/password?x=1", {"note": "two"}))
    assert second == "/account/password?x=1&resume=1"
    sign_in(desk, anna, first)
    for address in (first, second):
        assert asked_again(desk, address) is not None


def test_the_newest_stay_within_the_limit(desk: Client, anna: User) -> None:
    first = target_of(desk.post(PAGE, {"note": "x" * 40_000}))
    second = target_of(desk.post("/account/password", {"note": "y" * 40_000}))
    sign_in(desk, anna, second)
    assert asked_again(desk, first) is None
    assert asked_again(desk, second) is not None


def test_a_form_that_was_sent_is_forgotten(desk: Client, anna: User) -> None:
    target = target_of(desk.post(PAGE, TYPED))
    sign_in(desk, anna, target)
    assert desk.post(PAGE, TYPED).status_code == 302
    assert asked_again(desk, target) is None


def test_reading_a_page_keeps_nothing(desk: Client) -> None:
    assert target_of(desk.get(f"{PAGE}?x=1")) == f"{PAGE}?x=1"


def test_the_page_to_come_back_to_may_be_another_than_the_forms_address(anna: User) -> None:
    request = RequestFactory().post("/desk/visits/1/move?day=2026-11-03", {"note": "two"})
    response = HttpResponse()
    resume.remember_user(response, anna)
    request.COOKIES[resume.COOKIE] = response.cookies[resume.COOKIE].value
    request.session = SessionStore()  # type: ignore[assignment]
    request.user = AnonymousUser()
    address = resume.keep_unsent(request, at="/desk")
    assert QueryDict(address.partition("?")[2])["next"] == "/desk?day=2026-11-03&resume=1"
