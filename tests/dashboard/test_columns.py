"""The columns of a board that lies open: only what has changed comes, and it is small."""

import gzip
import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from accounts.models import User
from appointments.models import Appointment, BusyTime, Claim
from appointments.services.holds import hold_create
from clinics.models import Doctor
from core import tenancy
from tests import budgets
from tests.appointments.moments import BERLIN, berlin
from tests.appointments.scene import House, Scene
from tests.dashboard.calendars import TODAY, at_desk, board_of, day, opened

#: What issue 4 allows over the wire, in bytes.
FIRST_LOAD = 250_000
UPDATE = 30_000


@pytest.fixture(autouse=True)
def _without_limits(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 1_000_000)


def stamps(answer: Any) -> dict[str, str]:
    """The columns in the answer, each with its stamp, as the browser reads them."""
    return dict(
        re.findall(r'<section[^>]* id="([^"]+)" data-stamp="([^"]+)"', answer.content.decode())
    )


def have(found: dict[str, str]) -> str:
    return ",".join(f"{key}:{stamp}" for key, stamp in found.items())


def changed(house: House, found: dict[str, str], **query: Any) -> Any:
    return at_desk(house).get("desk-columns", {"have": have(found)} | query, day=TODAY)


def test_nothing_comes_when_nothing_changed(calendars: Scene) -> None:
    own = calendars.own
    second = own.add_doctor()
    own.add_hours(second)
    found = stamps(day(own))
    assert set(found) == {f"d{own.doctor.id}", f"d{second.id}"}
    answer = changed(own, found)
    assert (answer.status_code, answer.content) == (204, b"")
    assert changed(own, found, only=str(second.id)).status_code == 204


def test_only_the_column_that_changed_comes(calendars: Scene) -> None:
    own = calendars.own
    second = own.add_doctor()
    own.add_hours(second)
    found = stamps(day(own))
    own.book(berlin(0, 9), doctor=second.id)
    for query in ({}, {"only": str(second.id)}, {"only": f"{own.doctor.id},{second.id}"}):
        answer = opened(changed(own, found, **query))
        assert set(stamps(answer)) == {f"d{second.id}"}
        assert answer.headers["X-Board-Range"] == "8-17"
        assert ("X-Board-Keys" in answer.headers) is (query == {})
    assert changed(own, found, only=str(own.doctor.id)).status_code == 204
    after = stamps(opened(changed(own, found)))
    assert changed(own, found | after).status_code == 204


@pytest.mark.parametrize("what", ["hold", "step", "patient", "service", "leave", "hours"])
def test_whatever_a_column_shows_changes_its_stamp(calendars: Scene, what: str) -> None:
    own = calendars.own
    visit = own.book(berlin(0, 9))
    found = stamps(day(own))
    assert changed(own, found).status_code == 204
    with tenancy.scope(()):
        by = own.admin.principal()
        if what == "hold":
            fields = {"doctor": own.doctor.id, "location": own.location.id}
            fields["service"] = own.service.id
            hold_create(by=by, starts_at=berlin(0, 10), **fields)
        elif what == "step":
            Appointment.objects.filter(pk=visit["id"]).update(status="CONFIRMED")
        elif what == "patient":
            type(own.chart).objects.filter(pk=own.chart.pk).update(family_name="Married")
        elif what == "service":
            type(own.service).objects.filter(pk=own.service.pk).update(name="Renamed")
    if what == "leave":
        body = {"clinic": own.clinic.id, "doctor": own.doctor.id, "kind": "LEAVE"}
        body |= {"start_date": TODAY, "end_date": TODAY}
        assert own.admin.api.post("schedule-exceptions", body).status_code == 201
    elif what == "hours":
        own.add_hours(own.doctor, time(18), time(19), weekdays=[1])
    answer = opened(changed(own, found))
    assert set(stamps(answer)) == set(found)
    assert stamps(answer) != found


def test_a_language_of_its_own_is_a_stamp_of_its_own(calendars: Scene) -> None:
    own = calendars.own
    own.book(berlin(0, 9))
    found = stamps(day(own))
    User.objects.filter(pk=own.reception.id).update(locale="ar")
    with translation.override("en"):  # the page leaves its own language behind
        answer = opened(changed(own, found))
    assert set(stamps(answer)) == set(found)


def test_who_comes_and_who_goes_is_said_in_the_keys(calendars: Scene) -> None:
    own = calendars.own
    found = stamps(day(own))
    second = own.add_doctor()
    own.add_hours(second)
    came = opened(changed(own, found))
    assert set(stamps(came)) == {f"d{second.id}"}
    assert set(came.headers["X-Board-Keys"].split()) == {f"d{own.doctor.id}", f"d{second.id}"}
    found |= stamps(came)
    with tenancy.scope(tenancy.SYSTEM):
        Doctor.objects.filter(pk=second.pk).update(is_active=False)
    went = opened(changed(own, found))
    assert stamps(went) == {}
    assert went.headers["X-Board-Keys"] == f"d{own.doctor.id}"
    assert changed(own, {f"d{own.doctor.id}": found[f"d{own.doctor.id}"]}).status_code == 204


def test_the_hours_to_be_shown_come_with_what_made_them_longer(calendars: Scene) -> None:
    own = calendars.own
    found = stamps(day(own))
    own.add_hours(own.doctor, time(19), time(21), weekdays=[1])
    answer = opened(changed(own, found, only=str(own.doctor.id)))
    assert answer.headers["X-Board-Range"] == "8-21"


def test_the_week_says_the_same_of_its_days(calendars: Scene) -> None:
    own = calendars.own
    desk = at_desk(own)
    page = opened(desk.get("desk-week", day=TODAY))
    found = stamps(page)
    assert len(found) == 7
    query = {"have": have(found), "doctor": str(own.doctor.id)}
    assert desk.get("desk-week-columns", query, day=TODAY).status_code == 204
    own.book(berlin(2, 9))
    answer = opened(desk.get("desk-week-columns", query, day=TODAY))
    assert set(stamps(answer)) == {"w2035-06-06"}
    assert answer.headers["X-Board-Keys"].split() == list(found)


def test_the_outsider_changes_nothing_here(calendars: Scene) -> None:
    own, other = calendars.own, calendars.other
    found = stamps(day(own))
    other.book(berlin(0, 9))
    assert changed(own, found).status_code == 204


# --- As many statements at any size, and small enough ---------------------------------------------


def grow(house: House, present: list[Doctor], doctors: int, visits: int) -> None:
    """So many doctors, each with so many visits of a quarter of an hour from eight o'clock on.

    `present` are those that there are; new ones are added to it.
    """
    charts = [house.chart, *(house.add_chart() for _ in range(2))]
    while len(present) < doctors:
        doctor = house.add_doctor()
        house.add_hours(doctor, time(8), time(18), weekdays=[1], slot_minutes=15)
        present.append(doctor)
    for doctor in present:
        _fill(house, doctor, charts, visits)


def _fill(house: House, doctor: Doctor, charts: list[Any], wanted: int) -> None:
    start = datetime.combine(TODAY, time(8), BERLIN)
    with tenancy.scope(tenancy.SYSTEM):
        there = Appointment.objects.filter(doctor=doctor).count()
        for number in range(there, wanted):
            opens = start + timedelta(minutes=15 * number)
            closes = opens + timedelta(minutes=15)
            visit = Appointment.objects.create(
                clinic=house.clinic,
                location=house.location,
                doctor=doctor,
                patient=charts[number % len(charts)],
                service=house.service,
                type="IN_PERSON",
                starts_at=opens,
                ends_at=closes,
                timezone=house.zone,
                source="STAFF",
                status="SCHEDULED",
            )
            BusyTime.objects.create(
                clinic=house.clinic,
                doctor=doctor,
                appointment=visit,
                lane=0,
                kind=Claim.BOOKED,
                period=(opens, closes),
                visit=(opens, closes),
            )


def statements(act: Any) -> list[str]:
    """What the database was asked, BEGIN and COMMIT left out."""
    with CaptureQueriesContext(connection) as captured:
        opened(act())
    skipped = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
    return [one["sql"] for one in captured.captured_queries if not one["sql"].startswith(skipped)]


def test_a_board_asks_as_much_at_1_10_and_40_doctors(calendars: Scene) -> None:
    own = calendars.own
    desk = at_desk(own)
    pages = {
        "board": ("desk-day", {}),
        "list": ("desk-day", {"view": "list"}),
        "columns": ("desk-columns", {}),
        "week": ("desk-week", {}),
        "week columns": ("desk-week-columns", {}),
    }
    taken: dict[str, set[int]] = {name: set() for name in pages}
    said: dict[str, list[str]] = {}
    present = [own.doctor]
    for doctors, visits in ((1, 1), (10, 3), (40, 3), (40, 30)):
        grow(own, present, doctors, visits)
        for name, (address, query) in pages.items():
            said[name] = statements(lambda a=address, q=query: desk.get(a, q, day=TODAY))
            taken[name].add(len(said[name]))
        columns = board_of(desk.get("desk-day", day=TODAY)).columns
        assert len(columns) == doctors
        assert sum(one.visits for one in columns) == doctors * visits
    budget = {
        "board": budgets.DESK_BOARD,
        "list": budgets.DESK_LIST,
        "columns": budgets.DESK_COLUMNS,
        "week": budgets.DESK_BOARD,
        "week columns": budgets.DESK_COLUMNS,
    }
    assert taken == {name: {count} for name, count in budget.items()}, "\n".join(said["board"])


def _packed(content: bytes) -> int:
    return len(gzip.compress(content, 6))


def _parts(page: str) -> Iterator[str]:
    """The addresses of what a page loads, and of what its modules import."""
    found = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))
    waiting = set(found)
    while waiting:
        address = waiting.pop()
        if not address.endswith(".js"):
            continue
        source = _static(address).decode()
        for name in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', source):
            one = urljoin(address, name)
            if one not in found:
                found.add(one)
                waiting.add(one)
    yield from sorted(found)


def _static(address: str) -> bytes:
    path = finders.find(address.removeprefix("/static/"))
    assert path, address
    with open(path, "rb") as file:
        return file.read()


def test_the_weight_of_the_first_load_and_of_an_update(calendars: Scene) -> None:
    own = calendars.own
    doctors = [own.doctor]
    grow(own, doctors, 40, 30)
    page = opened(at_desk(own).get("desk-day", day=TODAY))
    weights = {"page": _packed(page.content)}
    brand = at_desk(own).get("desk-brand")
    weights["brand.css"] = _packed(brand.content)
    for address in _parts(page.content.decode()):
        weights[address.rsplit("/", 1)[-1]] = _packed(_static(address))
    assert {"htmx-2.min.js", "board.js", "live.js", "scale.css", "icons.svg"} <= set(weights)
    found = stamps(page)
    assert len(found) == 40
    key = f"d{doctors[7].id}"
    answer = opened(changed(own, found | {key: "old"}))
    assert set(stamps(answer)) == {key}
    update, first = _packed(answer.content), sum(weights.values())
    print(
        f"\nfirst load {first:,} bytes ({len(page.content):,} of HTML unpacked), update {update:,}"
    )
    print(", ".join(f"{name} {size:,}" for name, size in weights.items()))
    assert first < FIRST_LOAD
    assert update < UPDATE
