"""The base of every page, seen from the desk: sign-in, limits, refusals, what is kept in caches."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.shortcuts import resolve_url
from django.test import Client

from core import tenancy
from core.models import AuditEvent
from tests.appointments.scene import Scene
from tests.dashboard.calendars import TODAY, at_desk, day
from tests.dashboard.desk import Desk

HTMX = {"HX-Request": "true"}


def target(address: str) -> str:
    """Where the sign-in of that address leads afterwards."""
    found = urlsplit(address)
    assert found.path == "/sign-in"
    assert not found.netloc
    return parse_qs(found.query)["next"][0]


def out(scene: Scene) -> Desk:
    return Desk(scene.own.clinic, None)


def test_who_is_signed_out_comes_back_to_where_they_were(calendars: Scene) -> None:
    desk = out(calendars)
    answer = desk.get("desk-day", {"view": "list"}, day=TODAY)
    assert answer.status_code == 302
    assert target(answer.headers["Location"]).endswith(f"/day/{TODAY}?view=list")


def test_an_open_page_is_led_to_the_sign_in_as_a_whole(calendars: Scene) -> None:
    """Not a sign-in form in the panel; and back to the page, not to the part."""
    desk = out(calendars)
    page = f"/desk/{calendars.own.clinic.slug}/day/{TODAY}?doctor=1"
    answer = desk.client.get(
        desk.address("desk-next"), headers=HTMX | {"HX-Current-URL": f"http://testserver{page}"}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert target(answer.headers["HX-Redirect"]) == page


@pytest.mark.parametrize(
    "current",
    ["", "http://evil.test/x", "//evil.test", "javascript:alert(1)", "http://h//evil.test"],
)
def test_a_forged_current_page_leads_nowhere_else(calendars: Scene, current: str) -> None:
    desk = out(calendars)
    answer = desk.client.get(desk.address("desk-next"), headers=HTMX | {"HX-Current-URL": current})
    address = answer.headers["HX-Redirect"]
    assert address.startswith("/sign-in?")
    page = Client().get(address).content.decode()
    kept = re.findall(r'<input type="hidden" name="next" value="([^"]*)"', page)
    assert kept
    assert all(one == "" or re.match(r"/(?!/)", one) for one in kept), kept


@pytest.mark.parametrize("wanted", ["x", "desk", "javascript:alert(1)", "//evil.test", "\\x"])
def test_the_sign_in_leads_to_paths_of_ours_alone(calendars: Scene, wanted: str) -> None:
    answer = at_desk(calendars.own).client.get("/sign-in", {"next": wanted})
    assert answer.status_code == 302
    assert answer.headers["Location"] == resolve_url(settings.LOGIN_REDIRECT_URL)


def test_a_refusal_inside_a_page_is_a_notice_beside_what_is_there(calendars: Scene) -> None:
    desk = at_desk(calendars.own, calendars.own.nurse)
    answer = desk.get("desk-next", htmx=True)
    assert answer.status_code == 403
    assert answer.headers["HX-Retarget"] == "#notices"
    assert "<html" not in answer.content.decode()
    whole = desk.get("desk-next")
    assert whole.status_code == 403
    assert "<html" in whole.content.decode()


def test_limits_count_pages_and_say_when_to_come_back(
    calendars: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "RATE_LIMITS", settings.RATE_LIMITS | {"read": 2})
    desk = at_desk(calendars.own)
    assert [desk.get("desk-day", day=TODAY).status_code for _ in range(3)] == [200, 200, 429]
    answer = desk.get("desk-columns", day=TODAY)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    other = at_desk(calendars.own, calendars.own.nurse)
    assert other.get("desk-day", day=TODAY).status_code == 200, "each has limits of their own"


def test_nothing_of_a_page_stays_in_a_cache(calendars: Scene) -> None:
    for answer in (day(calendars.own), at_desk(calendars.own).get("desk-columns", day=TODAY)):
        assert "no-store" in answer.headers["Cache-Control"]
        assert "private" in answer.headers["Cache-Control"]


def test_every_page_has_the_strict_policy_and_nothing_inline(calendars: Scene) -> None:
    answer = day(calendars.own)
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    body = answer.content.decode()
    for inline in ("<style", " style=", "<script>", " onclick=", "javascript:", "hx-on"):
        assert inline not in body, inline
    for other in ("http://", "https://", 'src="//', 'href="//'):
        assert other not in body.replace("http://www.w3.org/", ""), other


def test_a_clinic_that_was_closed_is_as_good_as_none(calendars: Scene) -> None:
    own = calendars.own
    with tenancy.scope(tenancy.SYSTEM):
        type(own.clinic).objects.filter(pk=own.clinic.pk).update(is_active=False)
    assert at_desk(own).get("desk-day", day=TODAY).status_code == 404
    assert at_desk(own).client.get("/desk/").context["clinics"] == []


@pytest.mark.parametrize("slug", ["x", "-", "own", "Own-1", "a" * 300])
def test_no_such_clinic(calendars: Scene, slug: str) -> None:
    assert at_desk(calendars.own).client.get(f"/desk/{slug}/day").status_code == 404


def test_a_page_that_is_refused_has_written_nothing(calendars: Scene) -> None:
    desk = at_desk(calendars.own)
    with tenancy.scope(tenancy.SYSTEM):
        before = AuditEvent.objects.count()
    assert desk.get("desk-day", {"doctor": "x"}, day=TODAY).status_code == 404
    with tenancy.scope(tenancy.SYSTEM):
        assert AuditEvent.objects.count() == before
