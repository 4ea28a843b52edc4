"""Lists of plans: of a visit, of a patient; pages, filters, statements and who sees what."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinics.models import PatientProxy
from core import clock, ids, tenancy
from followups.models import FollowUpPlan
from tests import budgets
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, Scene, person
from tests.appointments.traces import refused, without_request
from tests.followups.care_acts import SECRETS, colleague, complete, follow, in_progress, waiting


def plans_of(house: House, count: int, **fields: Any) -> list[FollowUpPlan]:
    """Plans of the house's patient that wait, two a day."""
    values = {
        "clinic": house.clinic,
        "patient": house.chart,
        "doctor": house.doctor,
        "service": house.service,
        "location": house.location,
    } | fields
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.bulk_create(
            FollowUpPlan(
                **values,
                scheduled_for=(NOW + timedelta(days=1 + number // 2)).date(),
                instructions="Rest",
            )
            for number in range(count)
        )


def path_of(house: House) -> str:
    return f"patients/{house.chart.id}/follow-up-plans"


def test_twenty_a_page_of_five_hundred_and_each_once(own: House):
    made = plans_of(own, 500)
    found: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        body = own.reception.api.get(path_of(own), **cursor).json()
        pages += 1
        assert len(body["results"]) == 20
        found += [plan["id"] for plan in body["results"]]
        if not body["has_more"]:
            break
        cursor = {"cursor": body["next_cursor"]}
    assert pages == 25
    assert len(found) == len(set(found)) == 500
    assert set(found) == {str(plan.id) for plan in made}
    days = {str(plan.id): plan.scheduled_for for plan in made}
    told = [days[one] for one in found]
    assert told == sorted(told, reverse=True)


def test_the_statements_do_not_grow_with_the_plans(own: House):
    visit = own.book(berlin())
    paths = [path_of(own), f"appointments/{visit['id']}/follow-ups"]
    taken: dict[str, list[int]] = {path: [] for path in paths}
    present = 0
    for rows in (1, 3, 30):
        plans_of(own, rows - present, appointment_id=visit["id"])
        present = rows
        for path in paths:
            with CaptureQueriesContext(connection) as captured:
                body = own.reception.api.get(path, limit=100).json()
            assert len(body["results"]) == rows
            statements = [query["sql"] for query in captured.captured_queries]
            taken[path].append(len([one for one in statements if "SAVEPOINT" not in one]))
    assert all(len(set(counts)) == 1 for counts in taken.values()), taken
    assert max(counts[0] for counts in taken.values()) <= budgets.FOLLOWUP_LIST, taken


def test_completing_and_booking_take_so_many_statements(own: House):
    """The price of a plan with its visit does not depend on how full the day is."""
    taken = []
    for number in (1, 2):
        visit = in_progress(own, berlin(0, 8 + number))
        with CaptureQueriesContext(connection) as captured:
            answer = complete(
                own, visit, follow_up_required=True, follow_up_date="2035-07-02"
            ).json()
        assert answer["follow_up_plan"]["status"] == "completed"
        statements = [query["sql"] for query in captured.captured_queries]
        taken.append(len([one for one in statements if "SAVEPOINT" not in one]))
    assert taken[0] == taken[1]
    assert taken[0] <= budgets.COMPLETE_WITH_FOLLOW_UP, taken


@pytest.mark.parametrize(
    ("query", "count"),
    [({"status": "scheduled"}, 3), ({"status": "overdue"}, 0), ({"type": "routine"}, 3)],
)
def test_filters(own: House, query: dict, count: int):
    plans_of(own, 3)
    plans_of(own, 1, status="cancelled", follow_up_type="urgent")
    found = own.reception.api.get(path_of(own), **query).json()["results"]
    assert len(found) == count


@pytest.mark.parametrize(
    "query",
    [
        {"status": "sleeping"},
        {"state": "scheduled"},
        {"doctor": "x"},
        {"limit": "101"},
        {"cursor": "x"},
        {"cursor": "WyJzb29uIiwieCJd"},
    ],
)
def test_an_unknown_or_unreadable_filter_shows_nothing(own: House, query: dict):
    plans_of(own, 1)
    refused(own.reception.api.get(path_of(own), **query), 400, "VALIDATION_ERROR")


def test_what_follows_a_visit(own: House):
    visit, other = own.book(berlin()), own.book(berlin(2))
    made = follow(own, visit, **SECRETS).json()
    follow(own, other)
    (found,) = own.reception.api.get(f"appointments/{visit['id']}/follow-ups").json()["results"]
    assert (found["id"], found["appointment"]) == (made["id"], visit["id"])
    assert found["follow_up_appointment"] == made["booked_appointment"]["id"]


def test_each_sees_what_is_theirs(own: House):
    second = own.add_doctor()
    waiting(own)
    waiting(own, doctor=second.id)
    assert len(own.nurse.api.get(path_of(own)).json()["results"]) == 2
    assert len(own.patient.api.get(path_of(own)).json()["results"]) == 2
    therapist = colleague(own, "THERAPIST")
    assert therapist.api.get(path_of(own)).json()["results"] == []
    support = colleague(own, "SUPPORT_STAFF").api.get(path_of(own)).json()["results"]
    assert [plan["instructions"] for plan in support] == [None, None]
    refused(colleague(own, "PHARMACIST").api.get(path_of(own)), 403, "PERMISSION_DENIED")


def test_a_proxy_sees_and_books_for_whom_they_act(own: House):
    parent = person("parent")
    plan = waiting(own)
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.create(
            clinic=own.clinic,
            patient=own.chart,
            user=parent.user,
            relation="PARENT",
            granted_at=clock.now(),
        )
    (found,) = parent.api.get(path_of(own)).json()["results"]
    assert found["id"] == plan["id"]
    answer = parent.api.post(f"follow-up-plans/{plan['id']}/schedule", {})
    assert answer.json()["status"] == "completed"


def test_lists_of_what_is_foreign_are_lists_of_what_is_unknown(cast: Scene):
    visit = cast.own.book(berlin())
    for who in (cast.other.reception, cast.other.patient):
        for path, code, value in (
            ("patients/{}/follow-up-plans", "NOT_FOUND", cast.own.chart.id),
            ("appointments/{}/follow-ups", "APPOINTMENT_NOT_FOUND", visit["id"]),
        ):
            found = [
                without_request(refused(who.api.get(path.format(one)), 404, code))
                for one in (value, ids.uuid7())
            ]
            assert found[0] == found[1]
