"""A chain: its root and everything that followed, as a tree, in one query at any size."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.selectors.chains import chain_page
from clinics.models import Doctor
from core import ids, tenancy
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, House, Person, Scene
from tests.appointments.traces import refused, without_request
from tests.followups.care_acts import colleague, follow, trail
from tests.followups.chains import chain


def whole(person: Person, visit: UUID | str, limit: int = 100) -> list[dict[str, Any]]:
    """Every node, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = person.api.get(f"appointments/{visit}/chain", limit=limit, **cursor)
        body = answer.json()
        assert answer.status_code == 200, body
        assert len(body["results"]) <= limit
        found += body["results"]
        if not body["has_more"]:
            assert body["next_cursor"] is None
            return found
        cursor = {"cursor": body["next_cursor"]}


def tree_is_sound(nodes: list[dict[str, Any]]) -> bool:
    """Each visit once, after its parent, one deeper than it."""
    depth: dict[str, int] = {}
    for node in nodes:
        name = node["appointment"]["id"]
        assert name not in depth
        if node["parent"] is not None:
            assert node["depth"] == depth[node["parent"]] + 1
        else:
            assert node["depth"] == 0
        depth[name] = node["depth"]
    return True


def test_a_visit_that_nothing_follows_is_its_own_chain(own: House):
    visit = own.book(berlin())
    (node,) = whole(own.reception, visit["id"])
    assert (node["depth"], node["parent"]) == (0, None)
    assert node["appointment"]["id"] == visit["id"]
    assert trail(visit["id"])[-1].action == "appointment.chain_read"


def test_the_chain_is_the_same_from_each_of_its_visits(own: House):
    first = own.book(berlin())
    left = follow(own, first, scheduled_for="2035-06-11").json()["booked_appointment"]
    right = follow(own, first, scheduled_for="2035-06-09").json()["booked_appointment"]
    below = follow(own, left, scheduled_for="2035-06-18").json()["booked_appointment"]
    told = [
        (node["appointment"]["id"], node["parent"], node["depth"])
        for node in whole(own.reception, below["id"])
    ]
    assert told == [
        (first["id"], None, 0),
        (left["id"], first["id"], 1),
        (right["id"], first["id"], 1),
        (below["id"], left["id"], 2),
    ]
    for visit in (first, left, right):
        assert [node["appointment"]["id"] for node in whole(own.reception, visit["id"])] == [
            name for name, _, _ in told
        ]


@pytest.mark.parametrize(
    ("size", "parent_of", "deepest"),
    [
        (100, lambda number: number - 1, 99),
        (100, lambda number: 0, 1),
        (100, lambda number: (number - 1) // 3, 4),
    ],
    ids=["line", "broad", "tree"],
)
@pytest.mark.parametrize("limit", [100, 7])
def test_every_visit_comes_once_after_its_parent(own: House, size, parent_of, deepest, limit: int):
    made = chain(own, size, parent_of)
    nodes = whole(own.reception, made[size // 2], limit)
    assert len(nodes) == size
    assert tree_is_sound(nodes)
    assert max(node["depth"] for node in nodes) == deepest
    assert {node["appointment"]["id"] for node in nodes} == {str(one) for one in made}


@pytest.mark.parametrize("size", [1, 100, 1000])
@pytest.mark.parametrize("who", ["reception", "doctor_user", "patient"])
def test_one_query_at_any_size_whoever_reads(own: House, size: int, who: str):
    made = chain(own, size)
    person: Person = getattr(own, who)
    with tenancy.scope(()):
        by = person.principal()
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page = chain_page(by=by, appointment_id=made[-1], limit=1000)
        tenancy.assume(())
    assert len(page.nodes) == size
    assert len(captured.captured_queries) == 1
    assert page.next is None


def test_what_the_reader_may_not_see_stands_for_nothing(own: House):
    """A doctor whose clinic does not share calendars sees their own visits, joined up."""
    own.policy(shared_calendars=False)
    second = own.add_doctor()
    made = chain(own, 5, doctor_of=lambda number: second if number in {0, 2} else own.doctor)
    nodes = whole(own.doctor_user, made[3])
    told = [(node["appointment"]["id"], node["parent"], node["depth"]) for node in nodes]
    assert told == [
        (str(made[1]), None, 0),
        (str(made[3]), str(made[1]), 1),
        (str(made[4]), str(made[3]), 2),
    ]
    answer = own.doctor_user.api.get(f"appointments/{made[2]}/chain")
    refused(answer, 404, "APPOINTMENT_NOT_FOUND")
    own.policy(shared_calendars=True)
    assert len(whole(own.doctor_user, made[3])) == 5


def test_clinical_text_only_for_whom_it_is(own: House):
    (visit,) = chain(own, 1)
    for who, shown in ((own.reception, "Knee"), (colleague(own, "SUPPORT_STAFF"), None)):
        (node,) = whole(who, visit)
        assert node["appointment"]["reason"] == shown


def test_patients_see_their_own_chain(own: House):
    made = chain(own, 3)
    assert len(whole(own.patient, made[0])) == 3


def test_a_foreign_chain_is_an_unknown_one(cast: Scene):
    made = chain(cast.own, 3)
    for who in (cast.other.admin, cast.other.doctor_user, cast.other.patient):
        found = [
            without_request(
                refused(who.api.get(f"appointments/{one}/chain"), 404, "APPOINTMENT_NOT_FOUND")
            )
            for one in (made[1], ids.uuid7())
        ]
        assert found[0] == found[1]
    refused(Api(None).get(f"appointments/{made[0]}/chain"), 401, "NOT_AUTHENTICATED")
    pharmacist = colleague(cast.own, "PHARMACIST")
    refused(pharmacist.api.get(f"appointments/{made[0]}/chain"), 403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "abc"},
        {"cursor": "!!!"},
        {"cursor": "MF8yMDM1LTAxLTAxX3g"},
        {"limit": "0"},
        {"limit": "101"},
        {"page": "2"},
        {"expand": "doctor"},
    ],
)
def test_a_page_that_is_none_is_refused(own: House, query: dict):
    (visit,) = chain(own, 1)
    answer = own.reception.api.get(f"appointments/{visit}/chain", **query)
    refused(answer, 400, "VALIDATION_ERROR")


def test_past_the_end_there_is_an_empty_page_and_no_way_around_the_right(cast: Scene):
    other = chain(cast.own, 1)
    made = chain(cast.own, 3)
    first = cast.own.reception.api.get(f"appointments/{made[0]}/chain", limit=2).json()
    path, cursor = f"appointments/{other[0]}/chain", first["next_cursor"]
    assert cast.own.reception.api.get(path, cursor=cursor).json()["results"] == []
    answer = cast.other.admin.api.get(path, cursor=cursor)
    refused(answer, 404, "APPOINTMENT_NOT_FOUND")


def test_a_doctor_of_two_clinics_sees_each_chain_where_it_is(cast: Scene):
    with tenancy.scope(tenancy.SYSTEM):
        shared: Doctor = cast.own.doctor
    cast.other.doctor_of(shared)
    made = chain(cast.own, 2)
    assert len(whole(cast.own.doctor_user, made[0])) == 2
    refused(
        cast.other.doctor_user.api.get(f"appointments/{made[0]}/chain"),
        404,
        "APPOINTMENT_NOT_FOUND",
    )
