"""The day on paper: who is on it, and what is not."""

from typing import Any

import pytest

from core import tenancy
from tests.appointments.moments import berlin
from tests.backoffice.test_budgets import statements
from tests.backoffice.test_budgets import visit as one_more
from tests.backoffice.world import REASON, World, acts, visit_in
from tests.dashboard.desk import Desk, desk_of

TODAY = berlin(0, 0).date()


def printed(desk: Desk, query: Any = None) -> str:
    answer = desk.get("desk-print", query, day=TODAY)
    assert answer.status_code == 200, answer.content.decode()[:800]
    return answer.content.decode()


def test_each_doctor_has_a_sheet_with_who_comes(home: World) -> None:
    visit_in(home, "CANCELLED", hour=15)
    body = printed(desk_of(home))
    assert body.count('class="sheet"') == 1
    assert "2 visits" in body
    assert home.patient.phone in body
    assert f"Receptionist Of {home.word}" in body
    assert "Cancelled visits are left out" in body


def test_what_visits_are_about_is_on_it_only_when_asked_for_and_allowed(home: World) -> None:
    assert REASON not in printed(desk_of(home))
    assert REASON in printed(desk_of(home), {"reasons": "1"})
    for who in ("finance", "therapist"):
        body = printed(desk_of(home, who), {"reasons": "1"})
        assert home.patient.phone in body
        assert REASON not in body


def test_printing_is_written_down_with_whom_it_showed(home: World) -> None:
    printed(desk_of(home), {"reasons": "1"})
    found = acts("appointment.printed")[-1]
    assert found.actor_id == home.receptionist.id
    assert found.subjects == sorted([home.patient.id, home.neighbour.id])
    assert found.changes == {"day": [None, str(TODAY)], "reasons": [None, True]}


def test_one_doctor_or_one_place_is_printed(home: World, abroad: World) -> None:
    desk = desk_of(home)
    assert "2 visits" in printed(desk, {"doctor": home.doctor.id, "location": home.location.id})
    assert "No visits on this day." in printed(desk, {"doctor": abroad.doctor.id})
    assert "No visits on this day." in printed(desk, {"location": abroad.location.id})
    assert desk.get("desk-print", {"doctor": "x"}, day=TODAY).status_code == 400


def test_the_outsider_prints_nothing_of_another_clinic(home: World, abroad: World) -> None:
    assert home.word not in printed(desk_of(abroad))
    assert desk_of(abroad, at=home.clinic).get("desk-print", day=TODAY).status_code == 404


@pytest.mark.parametrize("who", ["pharmacist", "lab"])
def test_who_reads_no_appointments_prints_none(home: World, who: str) -> None:
    assert desk_of(home, who).get("desk-print", day=TODAY).status_code == 403


def test_a_doctor_of_a_clinic_without_shared_calendars_prints_their_own(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        type(home.clinic).objects.filter(pk=home.clinic.pk).update(shared_calendars=False)
    assert "2 visits" in printed(desk_of(home, "doctor_user"))
    assert "No visits on this day." in printed(desk_of(home, "therapist"))


def test_paper_asks_the_same_of_few_and_many_visits(home: World) -> None:
    desk, counts = desk_of(home), []
    made = 0
    for wanted in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            for number in range(made, wanted):
                one_more(home, number)
        made = wanted
        _answer, asked = statements(desk.client, desk.address("desk-print", day=TODAY))
        counts.append(len(asked))
    assert counts[0] == counts[1] == counts[2], counts
