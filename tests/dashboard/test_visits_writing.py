"""What is written about a visit: at its end, and in between."""

import pytest

from appointments.models import Appointment, Verb
from core import tenancy
from followups.models import FollowUpPlan
from tests.backoffice.world import World, fresh
from tests.dashboard.desk import Desk, desk_of
from tests.dashboard.test_visits import moved
from tests.support.forms import forms_of

# --- Completing -----------------------------------------------------------------------------------


def _in_progress(home: World) -> tuple[Desk, Appointment]:
    moved(home, "receptionist", home.visit, Verb.CHECK_IN)
    return desk_of(home, "doctor_user"), moved(home, "doctor_user", home.visit, Verb.START)


def test_completing_takes_notes_and_plans_the_follow_up(home: World) -> None:
    desk, visit = _in_progress(home)
    answer = desk.step(
        visit,
        "complete",
        notes="Knee is better",
        follow_up_date="2035-07-01",
        follow_up_type="therapy",
        follow_up_instructions="Six sessions",
    )
    assert answer.status_code == 302
    assert fresh(visit).notes.endswith("Knee is better")
    with tenancy.scope(tenancy.SYSTEM):
        plan = FollowUpPlan.objects.get(appointment_id=visit.id, follow_up_type="therapy")
    assert (plan.follow_up_type, plan.instructions) == ("therapy", "Six sessions")
    assert plan.scheduled_for.isoformat() == "2035-07-01"


def test_completing_without_words_plans_no_follow_up(home: World) -> None:
    desk, visit = _in_progress(home)
    with tenancy.scope(tenancy.SYSTEM):
        before = FollowUpPlan.objects.count()
    assert desk.step(visit, "complete", follow_up_type="routine").status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpPlan.objects.count() == before


def test_a_follow_up_in_the_past_is_refused_and_the_notes_are_kept(home: World) -> None:
    desk, visit = _in_progress(home)
    answer = desk.step(visit, "complete", notes="All well", follow_up_date="2020-01-01")
    body = answer.content.decode()
    assert answer.status_code == 400
    assert "All well" in body
    assert "A day to come." in body
    assert fresh(visit).status == "IN_PROGRESS"


# --- Editing --------------------------------------------------------------------------------------


def test_the_texts_are_edited(home: World) -> None:
    desk = desk_of(home)
    page = desk.get("desk-visit-edit", visit_id=home.visit.id)
    form = next(one for one in forms_of(page.content.decode()) if "notes" in one.values)
    assert form.values["reason"] == [home.visit.reason]
    data = {k: v[0] for k, v in form.values.items()} | {"reason": "ركبة 🙂", "priority": "URGENT"}
    answer = desk.post("desk-visit-edit", data, visit_id=home.visit.id)
    assert answer.status_code == 302
    visit = fresh(home.visit)
    assert (visit.reason, visit.priority, visit.notes) == ("ركبة 🙂", "URGENT", home.visit.notes)
    again = desk.post("desk-visit-edit", data, visit_id=home.visit.id)
    assert again.status_code == 302
    assert fresh(home.visit).version == visit.version


def test_a_stale_edit_shows_theirs_and_keeps_mine(home: World) -> None:
    old = {
        "version": home.visit.version,
        "reason": "Theirs",
        "notes": "n",
        "priority": "NORMAL",
    }
    assert (
        desk_of(home, "clinic_admin")
        .post("desk-visit-edit", old, visit_id=home.visit.id)
        .status_code
        == 302
    )
    answer = desk_of(home).post(
        "desk-visit-edit", {**old, "reason": "Mine"}, visit_id=home.visit.id
    )
    body = answer.content.decode()
    assert answer.status_code == 412
    assert "It now says:" in body
    assert "Theirs" in body
    assert f"Clinic Admin Of {home.word}" in body
    form = next(one for one in forms_of(body) if "notes" in one.values)
    assert form.values["reason"] == ["Mine"]
    assert form.values["version"] == [str(home.visit.version + 1)]
    assert fresh(home.visit).reason == "Theirs"


@pytest.mark.parametrize("who", ["nurse", "finance", "therapist"])
def test_who_may_not_write_is_shown_no_form(home: World, who: str) -> None:
    assert desk_of(home, who).get("desk-visit-edit", visit_id=home.visit.id).status_code == 403
