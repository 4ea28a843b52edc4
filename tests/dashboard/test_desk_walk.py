"""The walk: every page of the desk, as every role; own, foreign and unknown clinics and things.

A page without a row fails. What a foreign thing answers must be what an unknown one answers, to the
letter. Who may what is as `accounts.roles.MATRIX` says, written out here once more.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from core import tenancy
from dashboard.urls import urlpatterns
from tests.appointments.moments import NOW
from tests.backoffice.world import PATIENT, SUPER, World, at_the_desk, text, undone
from tests.casts import STAFF, build_super_admin
from tests.dashboard.arrivals import alert_of, device_of, point_of

ROLES = (*STAFF, PATIENT, SUPER)
ALL = frozenset({*STAFF, SUPER})
READERS = ALL - {"pharmacist", "lab"}
BOOKERS = frozenset(
    {"clinic_admin", "receptionist", "doctor_user", "therapist", "counselor", SUPER}
)
CHART_WRITERS = frozenset({"clinic_admin", "receptionist", "doctor_user", "nurse", SUPER})
LEAVE_WRITERS = BOOKERS - {"receptionist"}
QUEUE_READERS = BOOKERS | {"nurse", "support"}
QUEUE_RUNNERS = BOOKERS | {"nurse"}
#: The visits, holds and leave of the cast are its doctor's: colleagues only look at them.
COLLEAGUES = frozenset({"therapist", "counselor"})

Parts = Callable[[Any], dict[str, Any]]
DAY = NOW.date()


def _none(world: Any) -> dict[str, Any]:
    return {}


def _day(world: Any) -> dict[str, Any]:
    return {"day": DAY}


def _visit(world: Any) -> dict[str, Any]:
    return {"visit_id": world.visit.id}


def _patient(world: Any) -> dict[str, Any]:
    return {"patient_id": world.patient.id}


def _leave(world: Any) -> dict[str, Any]:
    return {"exception_id": world.exception.id}


def _entry(world: Any) -> dict[str, Any]:
    return {"entry_id": world.entry.id}


@dataclass(frozen=True)
class Row:
    """One address and method.

    `may` get `ok`, other staff of the clinic 403 unless `also` says otherwise. `absent` is what a
    thing gets that is not this clinic's.
    """

    may: frozenset[str] = READERS
    ok: int = 200
    parts: Parts = _none
    data: Callable[[Any], dict[str, Any]] = _none
    also: dict[str, int] = field(default_factory=dict)
    absent: int = 404

    def status(self, role: str) -> int:
        if role == PATIENT:
            return 404  # who does not work here does not learn that there is such a clinic
        return self.also.get(role, self.ok if role in self.may else 403)


def _version(world: Any) -> dict[str, Any]:
    return {"version": world.visit.version}


#: By name and method; steps stand for themselves.
TABLE: dict[tuple[str, str], Row] = {
    ("desk-brand", "get"): Row(),
    ("desk-brand-dark", "get"): Row(),
    ("desk-today", "get"): Row(),
    ("desk-day", "get"): Row(parts=_day),
    ("desk-columns", "get"): Row(parts=_day),
    ("desk-week", "get"): Row(parts=_day),
    ("desk-week-columns", "get"): Row(parts=_day),
    ("desk-print", "get"): Row(parts=_day),
    ("desk-search", "get"): Row(data=lambda world: {"q": "berger"}),
    ("desk-patients", "get"): Row(data=lambda world: {"q": "berger"}),
    ("desk-patient", "get"): Row(parts=_patient),
    ("desk-patient-edit", "get"): Row(CHART_WRITERS, parts=_patient),
    ("desk-patient-edit", "post"): Row(CHART_WRITERS, 400, parts=_patient),
    ("desk-patient-find", "get"): Row(ALL, data=lambda world: {"q": "berger"}),
    ("desk-patient-new", "get"): Row(CHART_WRITERS),
    ("desk-patient-new", "post"): Row(CHART_WRITERS, 400),
    ("desk-book", "get"): Row(BOOKERS, 302),
    ("desk-book", "post"): Row(BOOKERS, 400),
    ("desk-next", "get"): Row(BOOKERS),
    ("desk-hold", "get"): Row(BOOKERS, 302),
    ("desk-hold", "post"): Row(BOOKERS),
    ("desk-hold-release", "get"): Row(
        BOOKERS, 302, parts=lambda world: {"hold_id": world.hold.id}, absent=302
    ),
    ("desk-hold-release", "post"): Row(
        BOOKERS, 302, parts=lambda world: {"hold_id": world.hold.id}, absent=302
    ),
    ("desk-visit", "get"): Row(parts=_visit),
    ("desk-visit-undo", "get"): Row(parts=_visit),
    ("desk-visit-undo", "post"): Row(parts=_visit, data=_version, ok=400),
    ("desk-visit-move", "get"): Row(BOOKERS - COLLEAGUES, parts=_visit),
    ("desk-visit-move", "post"): Row(BOOKERS - COLLEAGUES, 302, parts=_visit, data=_version),
    ("desk-visit-edit", "get"): Row(BOOKERS - COLLEAGUES, parts=_visit),
    ("desk-visit-edit", "post"): Row(BOOKERS - COLLEAGUES, 400, parts=_visit),
    ("desk-visit-link", "get"): Row(BOOKERS - COLLEAGUES, parts=_visit),
    ("desk-visit-step", "get"): Row(parts=lambda world: _visit(world) | {"verb": "confirm"}),
    ("desk-visit-step", "post"): Row(
        BOOKERS - COLLEAGUES,
        302,
        parts=lambda world: _visit(world) | {"verb": "confirm"},
        data=_version,
    ),
    ("desk-queue", "get"): Row(QUEUE_READERS),
    ("desk-queue-list", "get"): Row(QUEUE_READERS),
    ("desk-queue-next", "get"): Row(QUEUE_RUNNERS, 302),
    ("desk-queue-next", "post"): Row(QUEUE_RUNNERS - COLLEAGUES, 302),
    ("desk-queue-add", "get"): Row(QUEUE_RUNNERS - COLLEAGUES),
    ("desk-queue-add", "post"): Row(QUEUE_RUNNERS - COLLEAGUES, 400),
    ("desk-queue-entry", "get"): Row(
        QUEUE_READERS, parts=_entry, also=dict.fromkeys(COLLEAGUES, 404)
    ),
    ("desk-queue-act", "get"): Row(
        QUEUE_RUNNERS, parts=_entry, also=dict.fromkeys(COLLEAGUES, 404)
    ),
    ("desk-queue-act", "post"): Row(
        QUEUE_RUNNERS,
        302,
        parts=_entry,
        data=lambda world: {"act": "call", "version": world.entry.version},
        also=dict.fromkeys(COLLEAGUES, 404),
    ),
    ("desk-inbox", "get"): Row(BOOKERS),
    ("desk-inbox-decline", "get"): Row(BOOKERS, 302, parts=_visit, absent=302),
    ("desk-inbox-decline", "post"): Row(BOOKERS, 400, parts=_visit),
    ("desk-leave", "get"): Row(BOOKERS),
    ("desk-leave-new", "get"): Row(LEAVE_WRITERS),
    ("desk-leave-new", "post"): Row(LEAVE_WRITERS, 400),
    ("desk-leave-affected", "get"): Row(BOOKERS, parts=_leave, also=dict.fromkeys(COLLEAGUES, 404)),
    ("desk-leave-remove", "get"): Row(LEAVE_WRITERS, 302, parts=_leave, absent=302),
    # A colleague's leave is as good as gone.
    ("desk-leave-remove", "post"): Row(
        LEAVE_WRITERS, 400, parts=_leave, also=dict.fromkeys(COLLEAGUES, 302), absent=302
    ),
}

ADMINS = frozenset({"clinic_admin", SUPER})
ARRIVAL = ADMINS | {"receptionist"}
SCANNERS = ARRIVAL | {"nurse"}
FIGURES = QUEUE_RUNNERS | {"finance"}
_FIRST = {"version": 1}

TABLE |= {
    ("desk-analytics", "get"): Row(FIGURES),
    ("desk-arrivals", "get"): Row(ARRIVAL),
    ("desk-scanner", "get"): Row(SCANNERS),
    ("desk-scanner", "post"): Row(SCANNERS, 400),
    ("desk-arrivals-place-new", "get"): Row(ADMINS),
    ("desk-arrivals-place-new", "post"): Row(ADMINS, 400),
    ("desk-arrivals-place", "get"): Row(ARRIVAL, parts=point_of),
    ("desk-arrivals-place", "post"): Row(ARRIVAL, 400, parts=point_of),
    ("desk-arrivals-place-turn", "get"): Row(ADMINS, 302, parts=point_of),
    ("desk-arrivals-place-turn", "post"): Row(
        ADMINS, 302, parts=point_of, data=lambda world: _FIRST
    ),
    ("desk-arrivals-place-delete", "get"): Row(ADMINS, 302, parts=point_of, absent=302),
    ("desk-arrivals-place-delete", "post"): Row(
        ADMINS, 302, parts=point_of, data=lambda world: _FIRST, absent=302
    ),
    ("desk-arrivals-device-new", "get"): Row(ADMINS),
    ("desk-arrivals-device-new", "post"): Row(ADMINS, 400),
    ("desk-arrivals-device-code", "get"): Row(ADMINS, 302, parts=device_of),
    ("desk-arrivals-device-code", "post"): Row(
        ADMINS, 201, parts=device_of, data=lambda world: _FIRST
    ),
    ("desk-arrivals-device-end", "get"): Row(ADMINS, 302, parts=device_of),
    ("desk-arrivals-device-end", "post"): Row(ADMINS, 302, parts=device_of),
    ("desk-arrivals-alert-seen", "get"): Row(ADMINS, 302, parts=alert_of),
    ("desk-arrivals-alert-seen", "post"): Row(ADMINS, 302, parts=alert_of),
}

#: Their own plans and entries alone: the cast's are its doctor's.
_NOT_THEIRS = dict.fromkeys(COLLEAGUES, 404)


def _plan(world: Any) -> dict[str, Any]:
    return {"plan_id": world.plan.id}


def _series(world: Any) -> dict[str, Any]:
    return {"series_id": world.series.id}


def _waiting(world: Any) -> dict[str, Any]:
    return {"entry_id": world.waiting.id}


def _opening(world: Any) -> dict[str, Any]:
    return {"opening_id": world.opening.id}


def _offer(world: Any) -> dict[str, Any]:
    return {"offer_id": world.offer.id}


TABLE |= {
    ("desk-recall", "get"): Row(QUEUE_READERS),
    ("desk-recall-plan", "get"): Row(QUEUE_READERS, parts=_plan, also=_NOT_THEIRS),
    ("desk-recall-book", "get"): Row(BOOKERS, parts=_plan, also=_NOT_THEIRS),
    ("desk-recall-book", "post"): Row(BOOKERS, 400, parts=_plan, also=_NOT_THEIRS),
    ("desk-recall-attempt", "get"): Row(BOOKERS, 302, parts=_plan, absent=302),
    ("desk-recall-attempt", "post"): Row(BOOKERS, 400, parts=_plan, also=_NOT_THEIRS),
    ("desk-recall-invite", "get"): Row(BOOKERS, 302),
    ("desk-recall-invite", "post"): Row(BOOKERS, 302),
    ("desk-recall-invited", "get"): Row(BOOKERS, 404, parts=lambda world: {"once": uuid4()}),
    ("desk-series", "get"): Row(parts=_series),
    ("desk-series-new", "get"): Row(BOOKERS),
    ("desk-series-new", "post"): Row(BOOKERS, 400),
    ("desk-series-preview", "get"): Row(BOOKERS),
    ("desk-series-preview", "post"): Row(BOOKERS),
    ("desk-series-change", "get"): Row(BOOKERS - COLLEAGUES, parts=_series),
    ("desk-series-change", "post"): Row(BOOKERS - COLLEAGUES, 400, parts=_series),
    ("desk-series-cancel", "get"): Row(BOOKERS - COLLEAGUES, parts=_series),
    ("desk-series-cancel", "post"): Row(BOOKERS - COLLEAGUES, 400, parts=_series),
    ("desk-chain", "get"): Row(parts=_visit),
    ("desk-waitlist", "get"): Row(BOOKERS),
    ("desk-waitlist-new", "get"): Row(BOOKERS),
    ("desk-waitlist-new", "post"): Row(BOOKERS, 400),
    ("desk-waitlist-entry", "get"): Row(BOOKERS, parts=_waiting, also=_NOT_THEIRS),
    ("desk-waitlist-withdraw", "get"): Row(BOOKERS, 302, parts=_waiting, absent=302),
    ("desk-waitlist-withdraw", "post"): Row(BOOKERS, 400, parts=_waiting, also=_NOT_THEIRS),
    ("desk-waitlist-offer", "get"): Row(BOOKERS, 302, parts=_waiting, absent=302),
    ("desk-waitlist-offer", "post"): Row(BOOKERS, 400, parts=_waiting, also=_NOT_THEIRS),
    ("desk-waitlist-opening", "get"): Row(BOOKERS, parts=_opening, also=_NOT_THEIRS),
    ("desk-waitlist-accept", "get"): Row(BOOKERS, 302, parts=_offer, absent=302),
    # The time offered lies outside the cast's hours: refused in words, on the page.
    ("desk-waitlist-accept", "post"): Row(BOOKERS, 409, parts=_offer, also=_NOT_THEIRS),
    ("desk-waitlist-decline", "get"): Row(BOOKERS, 302, parts=_offer, absent=302),
    ("desk-waitlist-decline", "post"): Row(BOOKERS, 302, parts=_offer, also=_NOT_THEIRS),
    ("desk-waitlist-told", "get"): Row(BOOKERS, 302, parts=_offer, absent=302),
    ("desk-waitlist-told", "post"): Row(BOOKERS, 302, parts=_offer, also=_NOT_THEIRS),
}

#: Steps by the roles that may make them with the doctor's visit of today .
STEPS = {
    "approve": BOOKERS - COLLEAGUES,
    "confirm": BOOKERS - COLLEAGUES,
    "no_show": BOOKERS - COLLEAGUES,
    "cancel": BOOKERS - COLLEAGUES,
    "check_in": frozenset({"clinic_admin", "receptionist", "nurse", SUPER}),
    "start": frozenset({"clinic_admin", "doctor_user", SUPER}),
    "complete": frozenset({"clinic_admin", "doctor_user", SUPER}),
}


class Unknown:
    """A world whose every id exists nowhere."""

    def __getattr__(self, name: str) -> Any:
        return type("Nothing", (), {"id": uuid4(), "version": 1})


def names() -> set[str]:
    return {str(one.name) for one in urlpatterns if isinstance(one, URLPattern)} - {"desk"}


def test_every_page_has_a_row() -> None:
    assert sorted(names() - {name for name, _ in TABLE}) == []


def test_every_row_has_a_page() -> None:
    assert sorted({name for name, _ in TABLE} - names()) == []


@pytest.fixture(scope="module")
def browsers(_stage: dict[str, World]) -> dict[str, Client]:
    """Every role of the clinic, signed in."""
    home = _stage["inland"]
    users = {name: home.user(name) for name in (*STAFF, PATIENT)} | {SUPER: build_super_admin()}
    return {role: at_the_desk(users[role]) for role in ROLES}


@pytest.fixture(autouse=True)
def _without_limits(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 1_000_000)


def call(client: Client, method: str, name: str, slug: str, row: Row, world: Any) -> Any:
    """The answer, and afterwards everything as it was."""
    address = reverse(name, kwargs={"slug": slug, **row.parts(world)})
    with undone():
        return getattr(client, method)(address, row.data(world))


_REQUEST = re.compile(r"<code>[^<]*</code>")


def said(answer: Any, slug: str) -> tuple[int, str]:
    """What it says, apart from ids, its own number and the address itself."""
    return answer.status_code, _REQUEST.sub("CODE", text(answer).replace(slug, "SLUG"))


@pytest.mark.parametrize(("name", "method"), sorted(TABLE))
def test_walk(
    name: str, method: str, home: World, abroad: World, browsers: dict[str, Client]
) -> None:
    row = TABLE[name, method]
    wrong: list[str] = []
    nowhere = f"nobody-{uuid4().hex[:8]}"
    own, foreign = home.clinic.slug, abroad.clinic.slug

    def expect(role: str, where: str, answer: Any, status: int) -> None:
        if answer.status_code != status:
            wrong.append(f"{role} {where}: {answer.status_code}, not {status}")

    for role, client in browsers.items():
        here = call(client, method, name, own, row, home)
        expect(role, "own", here, row.status(role))
        if abroad.word in text(here).lower():
            wrong.append(f"{role} own: shows something foreign")
        unknown = call(client, method, name, nowhere, row, Unknown())
        expect(role, "unknown clinic", unknown, 404)
        if role != SUPER:
            there = call(client, method, name, foreign, row, abroad)
            if said(there, foreign) != said(unknown, nowhere):
                wrong.append(f"{role}: foreign clinic {said(there, foreign)} but unknown")
        if "_id" not in str(row.parts(home)) or row.status(role) == 403:
            continue
        strange = call(client, method, name, own, row, abroad)
        absent = call(client, method, name, own, row, Unknown())
        expect(role, "foreign thing", strange, 404 if role == PATIENT else row.absent)
        if said(strange, own) != said(absent, own):
            wrong.append(f"{role}: foreign thing {said(strange, own)} but unknown")
    out = call(Client(), method, name, own, row, home)
    expect("signed out", "own", out, 302)
    for slug, world in ((foreign, abroad), (nowhere, Unknown())):
        answer = call(Client(), method, name, slug, row, world)
        expect("signed out", slug, answer, 302)
        if not answer.headers.get("Location", "").startswith("/sign-in?"):
            wrong.append(f"signed out: led to {answer.headers.get('Location')}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("verb", STEPS)
def test_who_may_make_a_step(verb: str, home: World, browsers: dict[str, Client]) -> None:
    """Whoever may not is refused for that; whoever may, for nothing but the visit's status."""
    row = Row(parts=lambda world: _visit(world) | {"verb": verb}, data=_version)
    statuses = {
        role: call(client, "post", "desk-visit-step", home.clinic.slug, row, home).status_code
        for role, client in browsers.items()
    }
    assert statuses.pop(PATIENT) == 404
    assert {role for role, status in statuses.items() if status != 403} == STEPS[verb]
    assert set(statuses.values()) <= {302, 400, 403, 409}


def test_the_way_in_leads_to_ones_clinic_or_to_a_choice(
    home: World, browsers: dict[str, Client]
) -> None:
    for role, client in browsers.items():
        answer = client.get("/desk/")
        if role in STAFF:
            assert answer.headers["Location"] == f"/desk/{home.clinic.slug}/day", role
        else:
            assert answer.status_code == 200, role
            shown = [clinic.slug for clinic in answer.context["clinics"]]
            assert (home.clinic.slug in shown) is (role == SUPER), role
    assert browsers["nurse"].get("/desk/?choose=1").status_code == 200
    assert Client().get("/desk/").headers["Location"].startswith("/sign-in?")


def _calendar_of(home: World, client: Client) -> Iterator[Any]:
    for name in ("desk-day", "desk-week"):
        yield client.get(reverse(name, kwargs={"slug": home.clinic.slug, "day": DAY}))
    yield client.get(
        reverse("desk-day", kwargs={"slug": home.clinic.slug, "day": DAY}), {"view": "list"}
    )


def test_shared_calendars_show_colleagues_the_day_without_what_it_is_about(
    home: World, browsers: dict[str, Client]
) -> None:
    for answer in _calendar_of(home, browsers["therapist"]):
        page = text(answer)
        assert home.patient.family_name in page
        assert "sorekneereason" not in page
        assert "visitnotestext" not in page
        assert "/book?" not in page, "their own calendar alone is theirs to book"


def test_without_shared_calendars_everybody_sees_their_own_column_only(
    home: World, browsers: dict[str, Client]
) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        type(home.clinic).objects.filter(pk=home.clinic.pk).update(shared_calendars=False)
    for answer in _calendar_of(home, browsers["therapist"]):
        assert answer.status_code == 200
        assert home.patient.family_name not in text(answer)
        assert home.doctor.display_name not in text(answer)
        assert "You have no calendar here yet" in text(answer)
    for answer in _calendar_of(home, browsers["doctor_user"]):
        assert home.patient.family_name in text(answer)
    for answer in _calendar_of(home, browsers["finance"]):
        assert home.patient.family_name in text(answer)
    other = browsers["therapist"].get(
        reverse("desk-day", kwargs={"slug": home.clinic.slug, "day": DAY}),
        {"doctor": str(home.doctor.id)},
    )
    assert other.status_code == 404
