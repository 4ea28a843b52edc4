"""Statements a page: the same at 1, 3 and 30 rows, and few; lists count no further than they page.

What is counted leaves out savepoints, and the two settings of a scope within the test's own
transaction.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backoffice import lists
from clinics.models import (
    Membership,
)
from core import tenancy
from tests import budgets
from tests.backoffice.one_more import (
    act,
    alert,
    arrival,
    asked,
    attempt,
    busy,
    chart,
    clinic,
    closed,
    device,
    doctor,
    event,
    hours,
    invitation,
    job,
    location,
    member,
    merge,
    offer,
    on_the_list,
    opening,
    plan,
    point,
    proxy,
    room,
    rules,
    scanner,
    series,
    service,
    visit,
    waiting,
)
from tests.backoffice.world import World, at_the_desk, page
from tests.casts import build_super_admin
from tests.support.forms import form_of

_OWN = ("SAVEPOINT", "RELEASE", "ROLLBACK")


def statements(client: Client, address: str) -> tuple[Any, list[str]]:
    """The answer, and what the database was asked for it."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    told = [query["sql"] for query in captured if not query["sql"].startswith(_OWN)]
    scopes = [number for number, sql in enumerate(told) if "set_config('app.clinics'" in sql]
    of_the_test = {*scopes[:1], *scopes[-1:]}
    return answer, [sql for number, sql in enumerate(told) if number not in of_the_test]


More = Callable[[World, int], Any]
ADMIN, SUPER = "clinic_admin", "super_admin"
#: The list, who looks at it, what makes one more row.
PAGES: dict[str, tuple[str, More]] = {
    "appointments_appointment": (ADMIN, visit),
    "appointments_busytime": (ADMIN, busy),
    "appointments_patientmerge": (ADMIN, merge),
    "checkin_checkinlocation": (ADMIN, point),
    "checkin_checkindevice": (ADMIN, scanner),
    "checkin_checkinalert": (ADMIN, alert),
    "checkin_checkin": (ADMIN, arrival),
    "checkin_checkinattempt": (ADMIN, attempt),
    "checkin_queueentry": (ADMIN, waiting),
    "appointments_appointmentseries": (ADMIN, series),
    "followups_followupplan": (ADMIN, plan),
    "followups_contactattempt": (ADMIN, asked),
    "followups_followupinvitation": (ADMIN, invitation),
    "followups_waitlistentry": (ADMIN, on_the_list),
    "followups_waitlistopening": (ADMIN, opening),
    "followups_waitlistoffer": (ADMIN, offer),
    "followups_carepolicy": (SUPER, rules),
    "clinics_doctor": (ADMIN, doctor),
    "clinics_scheduletemplate": (ADMIN, hours),
    "clinics_scheduleexception": (ADMIN, closed),
    "clinics_location": (ADMIN, location),
    "clinics_room": (ADMIN, room),
    "clinics_service": (ADMIN, service),
    "clinics_membership": (ADMIN, member),
    "clinics_patient": (ADMIN, chart),
    "clinics_patientproxy": (ADMIN, proxy),
    "clinics_clinic": (SUPER, clinic),
    "core_auditevent": (ADMIN, act),
    "accounts_refreshsession": (ADMIN, device),
    "accounts_user": (SUPER, member),
    "core_outboxevent": (SUPER, event),
    "django_celery_beat_periodictask": (SUPER, job),
}


def desk(world: World, who: str) -> Client:
    return at_the_desk(build_super_admin() if who == SUPER else world.user(who))


@pytest.mark.parametrize("who", ["their own", SUPER])
@pytest.mark.parametrize("name", PAGES)
def test_pages_take_as_many_statements_at_1_3_and_30_rows(name: str, who: str, home: World) -> None:
    """The list, and the page of the row made last, whatever else there is."""
    usual, more = PAGES[name]
    client = desk(home, usual if who == "their own" else SUPER)
    listed: dict[int, int] = {}
    opened: dict[int, int] = {}
    made = 0
    told: dict[str, list[str]] = {}
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                row = more(home, made)
                made += 1
        target = row.user if isinstance(row, Membership) and name == "accounts_user" else row
        client.get(page(f"{name}_change", target.pk))  # content types are asked once a process
        answer, told["list"] = statements(client, page(f"{name}_changelist"))
        assert answer.status_code == 200
        assert len(answer.context["cl"].result_list) >= rows
        listed[rows] = len(told["list"])
        answer, told["page"] = statements(client, page(f"{name}_change", target.pk))
        assert answer.status_code == 200
        opened[rows] = len(told["page"])
    assert len(set(listed.values())) == 1, (listed, told["list"])
    assert len(set(opened.values())) == 1, (opened, told["page"])
    assert listed[30] <= budgets.BACK_OFFICE_LIST, (listed, told["list"])
    assert opened[30] <= budgets.BACK_OFFICE_PAGE, (opened, told["page"])


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("clinics_")])
def test_choices_take_as_many_statements_however_much_there_is(name: str, home: World) -> None:
    """The form of a new row reads no table for its choices."""
    client = desk(home, PAGES[name][0])
    client.get(page(f"{name}_add"))  # content types are asked once a process
    counts = []
    for number in range(2):
        answer, told = statements(client, page(f"{name}_add"))
        assert answer.status_code == 200
        counts.append(len(told))
        with tenancy.scope(tenancy.SYSTEM):
            for more in (doctor, service, location, chart, member):
                for one in range(5):
                    more(home, 100 * number + one)
    assert counts[0] == counts[1] <= budgets.BACK_OFFICE_PAGE, told


def test_a_week_takes_as_many_statements_however_long_it_is(home: World) -> None:
    client, counts, made = at_the_desk(home.clinic_admin), [], 0
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                hours(home, made)
                location(home, made)
                made += 1
        answer, told = statements(client, page("clinics_doctor_hours", home.doctor.pk))
        assert answer.status_code == 200
        counts.append(len(told))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= budgets.BACK_OFFICE_PAGE, told


def test_the_start_page_takes_as_many_statements_however_full_the_day_is(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    counts, made = [], 0
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                visit(home, made)
                made += 1
        client.get(page("index"))  # the free half hours are kept for a minute
        answer, told = statements(client, page("index"))
        assert answer.status_code == 200
        counts.append(len(told))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= budgets.BACK_OFFICE_START, told


# --- Lists stop counting --------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lists that page through twelve rows, four at a time."""
    monkeypatch.setattr(lists, "CAP", 12)
    from backoffice.base import Panel  # noqa: PLC0415 - only this fixture bends it

    monkeypatch.setattr(Panel, "list_per_page", 4)
    return 12


def test_a_list_counts_no_further_than_it_pages(home: World, short: int) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        for number in range(20):
            chart(home, number)
    answer, told = statements(at_the_desk(home.clinic_admin), page("clinics_patient_changelist"))
    counting = [sql for sql in told if "COUNT(" in sql.upper()]
    assert len(counting) == 1
    assert re.search(rf"LIMIT (\$\d+|{short + 1})", counting[0])
    reading = [sql for sql in told if 'FROM "clinics_patient"' in sql and sql not in counting]
    assert all("LIMIT" in sql for sql in reading)
    shown = answer.context["cl"]
    assert (shown.result_count, shown.is_capped, len(shown.result_list)) == (short, True, 4)
    assert "The first 12 are shown" in answer.content.decode()


def test_the_last_page_is_the_caps_and_none_is_beyond_it(home: World, short: int) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        for number in range(20):
            chart(home, number)
    client, address = at_the_desk(home.clinic_admin), page("clinics_patient_changelist")
    assert len(client.get(f"{address}?p=3").context["cl"].result_list) == 4
    for beyond in ("4", "99999999999", "0", "-1"):
        assert client.get(f"{address}?p={beyond}").headers["Location"].endswith("?e=1"), beyond


def test_all_rows_at_once_are_not_offered(home: World, short: int) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        for number in range(20):
            chart(home, number)
    answer = at_the_desk(home.clinic_admin).get(page("clinics_patient_changelist"), {"all": ""})
    assert len(answer.context["cl"].result_list) == 4


def test_a_list_that_ends_below_the_cap_says_nothing_of_it(home: World, short: int) -> None:
    answer = at_the_desk(home.clinic_admin).get(page("clinics_patient_changelist"))
    assert not answer.context["cl"].is_capped
    assert "are shown. Search or filter" not in answer.content.decode()


def test_a_search_reads_a_page_and_not_the_table(home: World) -> None:
    """The search is one statement of its own function, the list one by the ids it found."""
    client, address = at_the_desk(home.clinic_admin), page("clinics_patient_changelist")
    counts = []
    for rows in (1, 30):
        with tenancy.scope(tenancy.SYSTEM):
            for number in range(rows):
                chart(home, 100 * rows + number)
        answer, told = statements(client, f"{address}?q=Q")
        counts.append(len(told))
        assert answer.context["cl"].result_list
    assert counts[0] == counts[1] <= budgets.BACK_OFFICE_LIST, told


def test_a_form_that_was_read_is_sent_in_few_statements(home: World) -> None:
    client, address = (
        at_the_desk(home.clinic_admin),
        page("clinics_patient_change", home.patient.pk),
    )
    values = form_of(client.get(address), form_id="patient_form") | {"region": "Elsewhere"}
    with CaptureQueriesContext(connection) as captured:
        assert client.post(address, values).status_code == 302
    told = [query["sql"] for query in captured if not query["sql"].startswith(_OWN)]
    assert len(told) - 2 <= budgets.BACK_OFFICE_WRITE, told
