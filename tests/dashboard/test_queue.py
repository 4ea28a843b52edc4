"""The queue at the desk: who stands where and why, who sees it, and calling the next."""

import re
from uuid import uuid4

from accounts.roles import Role
from checkin.models import QueueEntry, QueueState
from clinics.services.memberships import membership_add
from core import tenancy
from core.models import AuditEvent
from tests import budgets
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Person, Scene, person
from tests.dashboard.calendars import at_desk
from tests.dashboard.desk import Desk
from tests.dashboard.queues import (
    act,
    arrived,
    buttons,
    fresh,
    next_of,
    queue,
    rows,
    said,
    second,
    tokens,
    told,
    walk_in,
)
from tests.dashboard.test_columns import statements

# --- What it shows --------------------------------------------------------------------------------


def test_it_says_who_waits_in_which_order_and_why(waiting: House) -> None:
    late = arrived(waiting, berlin(0, 9))
    early = arrived(waiting, berlin(0, 8, 30))
    walk = walk_in(waiting, doctor=waiting.doctor.id)
    urgent = walk_in(waiting, "Ute Urgent", doctor=waiting.doctor.id, priority="URGENT")
    page = queue(waiting)
    found = rows(page)
    assert [row.id for row in found] == [urgent.id, early.id, walk.id, late.id]
    assert [row.position for row in found] == [1, 2, 3, 4]
    assert found[0].urgent == "Urgent"
    assert found[0].before == ()
    assert found[2].before == ("1 urgent", "1 with an earlier visit")
    assert found[3].before == ("1 urgent", "1 with an earlier visit", "1 who came before")
    assert "walk-in" in found[2].marks
    assert "visit at 9:00" in " ".join(found[3].facts).replace("a.m.", "").replace("09:00", "9:00")
    body = page.content.decode()
    assert "Nobody is called." in body
    assert "Wanda Walk" in body


def test_an_empty_queue_says_what_comes_next(waiting: House) -> None:
    body = queue(waiting).content.decode()
    assert "Nobody waits. Who checks in here appears at once." in body
    assert "Call next" in body


def test_a_clinic_without_a_location_says_where_one_is_added(waiting: House) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        type(waiting.location).objects.filter(clinic=waiting.clinic).update(is_active=False)
    answer = queue(waiting)
    assert "There is no location yet" in answer.content.decode()


def test_locations_have_queues_of_their_own_and_the_last_one_is_remembered(waiting: House) -> None:
    there = waiting.add_location()
    here, over = walk_in(waiting), walk_in(waiting, "Olga Over", location=there.id)
    desk = at_desk(waiting)
    assert tokens(desk.get("desk-queue")) == [here.token]
    assert rows(desk.get("desk-queue", {"location": str(there.id)}))[0].id == over.id
    assert rows(desk.get("desk-queue"))[0].id == over.id
    assert desk.get("desk-queue", {"location": str(uuid4())}).status_code == 404


def test_a_doctor_filter_shows_theirs_and_who_waits_for_whoever_is_free(waiting: House) -> None:
    other = second(waiting)
    mine = walk_in(waiting, doctor=waiting.doctor.id)
    walk_in(waiting, "Olga Other", doctor=other.id)
    anybody = walk_in(waiting, "Anton Any")
    page = queue(waiting, doctor=str(waiting.doctor.id))
    assert [row.id for row in rows(page)] == [mine.id, anybody.id]


def test_doctors_see_their_own_queue_and_run_it(waiting: House) -> None:
    other = second(waiting)
    mine = walk_in(waiting, doctor=waiting.doctor.id)
    theirs = walk_in(waiting, "Olga Other", doctor=other.id)
    anybody = walk_in(waiting, "Anton Any")
    page = queue(waiting, waiting.doctor_user)
    assert [row.id for row in rows(page)] == [mine.id, anybody.id]
    assert "Olga Other" not in page.content.decode()
    desk = at_desk(waiting, waiting.doctor_user)
    assert desk.get("desk-queue-entry", entry_id=theirs.id).status_code == 404
    assert act(desk, theirs, "call").status_code == 404
    assert fresh(theirs).state == QueueState.WAITING
    assert act(desk, anybody, "call").status_code == 302
    assert fresh(anybody).doctor_id == waiting.doctor.id


def test_who_may_only_look_has_no_buttons(waiting: House) -> None:
    member = person("support")
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=waiting.clinic, user=member.user, role=Role.SUPPORT_STAFF)
    entry = walk_in(waiting)
    page = queue(waiting, member)
    assert buttons(rows(page)[0]) == []
    assert "queue-next" not in page.content.decode()
    desk = at_desk(waiting, member)
    assert act(desk, entry, "call").status_code == 403
    assert desk.post("desk-queue-next").status_code == 403
    assert desk.post("desk-queue-add").status_code == 403
    assert fresh(entry).version == entry.version


def test_the_outsider_finds_nobody(waiting: House, calendars: Scene) -> None:
    entry = walk_in(waiting)
    stranger = calendars.other.reception
    for desk in (Desk(waiting.clinic, stranger.user), Desk(calendars.other.clinic, stranger.user)):
        for answer in (
            desk.get("desk-queue-entry", entry_id=entry.id),
            act(desk, entry, "call"),
            act(desk, entry, "left", reason="gone"),
        ):
            assert answer.status_code == 404
            assert "Wanda" not in answer.content.decode()
    assert "Wanda" not in queue(calendars.other).content.decode()
    assert fresh(entry).version == entry.version


def test_opening_it_is_written_down_with_whom_it_showed_and_refreshing_is_not(
    waiting: House,
) -> None:
    entry = arrived(waiting, berlin(0, 9))
    page = queue(waiting)
    at_desk(waiting).get("desk-queue-list")
    with tenancy.scope(tenancy.SYSTEM):
        found = list(AuditEvent.objects.filter(action="queue.read"))
    assert len(found) == 1
    assert found[0].subjects == [entry.patient_id]
    assert found[0].actor_id == waiting.reception.id
    assert page.status_code == 200


def test_the_list_is_sent_again_only_when_it_is_another(waiting: House) -> None:
    entry = walk_in(waiting)
    desk = at_desk(waiting)
    first = desk.get("desk-queue-list")
    stamp = first.headers["X-Queue-Stamp"]
    assert "<html" not in first.content.decode()
    assert desk.get("desk-queue-list", {"have": stamp}).status_code == 204
    act(desk, entry, "call")
    again = desk.get("desk-queue-list", {"have": stamp})
    assert again.status_code == 200
    assert again.headers["X-Queue-Stamp"] != stamp


def test_statements_do_not_grow_with_the_queue(waiting: House) -> None:
    desk = at_desk(waiting)
    taken: dict[str, set[int]] = {"page": set(), "list": set(), "entry": set()}
    entries: list[QueueEntry] = []
    for count in (1, 3, 30):
        while len(entries) < count:
            chart = waiting.add_chart()
            entries.append(walk_in(waiting, patient=chart.id, doctor=waiting.doctor.id))
        desk.get("desk-queue")  # how the doctors work is asked once in a while
        taken["page"].add(len(statements(lambda: desk.get("desk-queue"))))
        taken["list"].add(len(statements(lambda: desk.get("desk-queue-list"))))
        first = entries[0].id
        taken["entry"].add(
            len(statements(lambda e=first: desk.get("desk-queue-entry", entry_id=e)))
        )
    assert {name: len(found) for name, found in taken.items()} == dict.fromkeys(taken, 1), taken
    assert max(taken["page"]) <= budgets.DESK_QUEUE, taken
    assert max(taken["list"]) <= budgets.DESK_QUEUE_LIST, taken


def test_the_navigation_counts_who_waits(waiting: House) -> None:
    def count(who: Person | None = None) -> str:
        page = at_desk(waiting, who).get("desk-patients").content.decode()
        found = re.search(r'>Queue(?: <span class="count">(\d+\+?)</span>)?</a>', page)
        assert found
        return found.group(1) or ""

    assert count() == ""
    walk_in(waiting, doctor=second(waiting).id)
    walk_in(waiting, "Anton Any")
    assert count() == "2"
    assert count(waiting.doctor_user) == "1"


# --- Calling --------------------------------------------------------------------------------------


def test_call_next_calls_who_is_first_into_the_room(waiting: House) -> None:
    walk_in(waiting, "Late Lara")
    first = walk_in(waiting, "Ute Urgent", priority="URGENT")
    desk = at_desk(waiting)
    answer = desk.post("desk-queue-next", next_of(waiting, room=str(waiting.room.id)))
    assert said(answer) == f"{first.token}, Ute Urgent: called. Room: {waiting.room.name}."
    now = fresh(first)
    assert (now.state, now.room_id, now.calls) == (QueueState.CALLED, waiting.room.id, 1)
    page = desk.get("desk-queue")
    assert tokens(page, "called") == [first.token]
    assert f'value="{waiting.room.id}" selected' in page.content.decode()


def test_the_same_button_pressed_twice_calls_one(waiting: House) -> None:
    first, other = walk_in(waiting), walk_in(waiting, "Olga Other")
    desk, form = at_desk(waiting), next_of(waiting)
    found = told(desk.post("desk-queue-next", form, htmx=True))
    again = told(desk.post("desk-queue-next", form, htmx=True))
    assert found["entry"] == again["entry"] == str(first.id)
    assert found["once"] not in {again["once"], *form["once"]}
    assert (fresh(first).calls, fresh(other).calls) == (1, 0)
    third = told(desk.post("desk-queue-next", form | {"once": found["once"]}, htmx=True))
    assert third["entry"] == str(other.id)


def test_call_next_of_a_doctor_passes_by_who_waits_for_another(waiting: House) -> None:
    other = second(waiting)
    walk_in(waiting, doctor=waiting.doctor.id)
    theirs = walk_in(waiting, "Olga Other", doctor=other.id)
    told(
        at_desk(waiting).post("desk-queue-next", next_of(waiting, doctor=str(other.id)), htmx=True)
    )
    assert fresh(theirs).state == QueueState.CALLED


def test_a_doctors_button_calls_for_them_whatever_is_sent(waiting: House) -> None:
    other = second(waiting)
    theirs = walk_in(waiting, "Olga Other", doctor=other.id)
    mine = walk_in(waiting, doctor=waiting.doctor.id)
    form = next_of(waiting, waiting.doctor_user, doctor=str(other.id))
    told(at_desk(waiting, waiting.doctor_user).post("desk-queue-next", form, htmx=True))
    assert fresh(mine).state == QueueState.CALLED
    assert fresh(theirs).state == QueueState.WAITING


def test_with_nobody_waiting_it_says_so(waiting: House) -> None:
    desk, form = at_desk(waiting), next_of(waiting)
    assert told(desk.post("desk-queue-next", form, htmx=True))["said"] == "Nobody waits."
    assert said(desk.post("desk-queue-next", next_of(waiting))) == "Nobody waits."


def test_a_foreign_room_or_doctor_is_refused(waiting: House, calendars: Scene) -> None:
    entry = walk_in(waiting)
    desk = at_desk(waiting)
    other = calendars.other
    for wrong in ({"room": str(other.room.id)}, {"doctor": str(other.doctor.id)}):
        assert desk.post("desk-queue-next", next_of(waiting, **wrong)).status_code == 404
    assert fresh(entry).state == QueueState.WAITING
