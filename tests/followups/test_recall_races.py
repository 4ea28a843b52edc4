"""Chasing with several hands: jobs twice at once, workers that are killed, links clicked twice.

Everything here is committed, in a database that is thrown away afterwards.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from appointments.models import Appointment
from core import clock, context, tenancy
from core.errors import KairosError
from core.models import AuditEvent
from followups.links import invitation_link
from followups.models import FollowUpInvitation, FollowUpPlan
from followups.selectors.invitations import times_for
from followups.services import plan_changes, recall_jobs
from followups.services.contact import contact_record
from followups.services.invitations import invitation_accept, invitations_send
from followups.tasks import overdue_mark
from tests.appointments.scene import House, house
from tests.followups.recall_scene import attempts, fresh, invitations, plan, told
from tests.support.polling import eventually
from tests.support.processes import running

CONTENDERS = 6


@pytest.fixture
def ground(transactional_db: None) -> House:
    """A clinic in a database of its own: the jobs count whatever is due, anywhere."""
    return house("ground")


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """Do all, each in a thread and a connection of its own, beginning together."""
    ready = threading.Barrier(len(acts), timeout=20)

    def one(act: Callable[[], Any]) -> Any:
        context.begin("a-race", "192.0.2.9")
        try:
            ready.wait()
            return act()
        except KairosError as refusal:
            return refusal.code.value
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(one, acts))


def overdue(ground: House, count: int) -> list[FollowUpPlan]:
    return [plan(ground, -30) for _ in range(count)]


def over(ground: House, count: int) -> list[FollowUpInvitation]:
    """Invitations whose time has passed."""
    plans = [plan(ground, 0) for _ in range(count)]
    with tenancy.scope(tenancy.SYSTEM):
        return [
            FollowUpInvitation.objects.create(
                clinic=ground.clinic, plan=one, expires_at=clock.now() - timedelta(hours=1)
            )
            for one in plans
        ]


def times_told(ground: House) -> Counter[str]:
    return Counter(payload["plan"] for payload in told("followup.escalated", ground))


def times_expired(ground: House) -> Counter[Any]:
    with tenancy.scope([ground.clinic.id]):
        found = AuditEvent.objects.filter(action="followup.invitation_expired")
        return Counter(found.values_list("entity_id", flat=True))


def together(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nobody writes before both have read."""
    both = threading.Barrier(2, timeout=20)
    whole = getattr(recall_jobs, name)

    def waiting(*args: Any, **kwargs: Any) -> Any:
        both.wait()
        return whole(*args, **kwargs)

    monkeypatch.setattr(recall_jobs, name, waiting)


def test_telling_doctors_twice_at_once_is_as_once(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_jobs, "ROUND", 4)
    plans = overdue(ground, 40)
    done = at_once([recall_jobs.escalate_due] * 3)
    # Rows that another held are left to the next run.
    done.append(recall_jobs.escalate_due())
    assert sum(done) == 40
    assert times_told(ground) == {str(one.id): 1 for one in plans}
    assert {fresh(one).version for one in plans} == {2}


def test_marking_overdue_twice_at_once_is_as_once(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_changes, "_BATCH", 4)
    plans = overdue(ground, 40)
    done = at_once([overdue_mark] * 3)
    done.append(overdue_mark())
    assert sum(done) == 40
    said = Counter(payload["plan"] for payload in told("followup.overdue", ground))
    assert said == {str(one.id): 1 for one in plans}
    assert {(fresh(one).status, fresh(one).version) for one in plans} == {("overdue", 2)}


def test_without_the_lock_doctors_are_told_twice(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (due,) = overdue(ground, 1)
    unlocked = recall_jobs._TO_ESCALATE.replace("FOR NO KEY UPDATE OF p SKIP LOCKED", "")
    assert unlocked != recall_jobs._TO_ESCALATE
    monkeypatch.setattr(recall_jobs, "_TO_ESCALATE", unlocked)
    together(monkeypatch, "_escalate")
    assert at_once([recall_jobs.escalate_due] * 2) == [1, 1]
    assert times_told(ground) == {str(due.id): 2}


def test_closing_invitations_twice_at_once_is_as_once(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_jobs, "ROUND", 4)
    made = over(ground, 40)
    done = at_once([recall_jobs.invitations_expire] * 3)
    done.append(recall_jobs.invitations_expire())
    assert sum(done) == 40
    assert times_expired(ground) == {one.id: 1 for one in made}
    assert {fresh(one).version for one in made} == {2}


def test_without_the_lock_they_are_closed_twice(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = over(ground, 1)
    manager = FollowUpInvitation.objects.all().__class__
    monkeypatch.setattr(manager, "select_for_update", lambda self, **_: self)
    together(monkeypatch, "invitations_end")
    assert at_once([recall_jobs.invitations_expire] * 2) == [1, 1]
    assert times_expired(ground) == {one.id: 2}


_KILLED = """
import pathlib, signal, sys
import django
django.setup()
from followups.services import plan_changes, recall_jobs
name, act, sign = sys.argv[1:]
recall_jobs.ROUND = 5
whole, rounds = getattr(recall_jobs, name), []
def until_the_fourth(*args):
    whole(*args)
    rounds.append(1)
    if len(rounds) == 4:
        pathlib.Path(sign).touch()
        signal.pause()
setattr(recall_jobs, name, until_the_fourth)
getattr(recall_jobs, act)()
"""


def killed_in_the_fourth_round(tmp_path: Path, name: str, act: str) -> None:
    """A worker writes its fourth batch and is killed with -9 before it can commit it."""
    sign = tmp_path / "written"
    command = [sys.executable, "-c", _KILLED, name, act, str(sign)]
    env = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    with running(command, log=tmp_path / "worker.log", env=env) as worker:
        eventually(lambda: sign.exists() or worker.poll() is not None, timeout=40)
        assert worker.poll() is None, (tmp_path / "worker.log").read_text()
        worker.kill()
        worker.wait()


def test_a_worker_killed_while_telling_doctors(ground: House, tmp_path: Path) -> None:
    plans = overdue(ground, 32)
    killed_in_the_fourth_round(tmp_path, "_escalate", "escalate_due")
    assert sum(times_told(ground).values()) == 15, "three rounds are there, the fourth is not"
    assert eventually(lambda: recall_jobs.escalate_due() or times_told(ground).total() == 32)
    assert times_told(ground) == {str(one.id): 1 for one in plans}
    assert {fresh(one).version for one in plans} == {2}


def test_a_worker_killed_while_closing_invitations(ground: House, tmp_path: Path) -> None:
    made = over(ground, 32)
    killed_in_the_fourth_round(tmp_path, "invitations_end", "invitations_expire")
    assert times_expired(ground).total() == 15
    assert eventually(
        lambda: recall_jobs.invitations_expire() or times_expired(ground).total() == 32
    )
    assert times_expired(ground) == {one.id: 1 for one in made}


def link_to(ground: House, due: FollowUpPlan) -> str:
    with tenancy.scope(()):
        (said,) = invitations_send(by=ground.reception.principal(), plans=[due.id])
    assert said.invitation is not None
    return invitation_link(said.invitation)


def first_time(due: FollowUpPlan) -> datetime:
    with tenancy.scope([due.clinic_id]):
        return times_for([due], lambda _: 1)[due.id][0].starts_at.astimezone(UTC)


def accepting(token: str, starts_at: datetime) -> Callable[[], Any]:
    def act() -> Any:
        with tenancy.scope(()):
            return invitation_accept(token=token, starts_at=starts_at).id

    return act


def test_a_link_clicked_many_times_is_one_visit(ground: House) -> None:
    due = plan(ground, 2)
    token = link_to(ground, due)
    answers = at_once([accepting(token, first_time(due))] * CONTENDERS)
    assert len(set(answers)) == 1
    assert fresh(due).follow_up_appointment_id == answers[0]


def test_of_several_who_choose_one_time_one_has_it(ground: House) -> None:
    plans = [plan(ground, 2) for _ in range(CONTENDERS)]
    tokens = [link_to(ground, one) for one in plans]
    wanted = first_time(plans[0])
    answers = at_once([accepting(token, wanted) for token in tokens])
    assert Counter(map(str, answers))["SCHEDULING_CONFLICT"] == CONTENDERS - 1
    states = Counter(invitations(one)[0].status for one in plans)
    assert states == {"ACCEPTED": 1, "OPEN": CONTENDERS - 1}
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.filter(clinic=ground.clinic).count() == 1


def test_inviting_at_once_invites_once(ground: House) -> None:
    plans = [plan(ground, 2) for _ in range(5)]

    def invite(order: int) -> Callable[[], Any]:
        def act() -> list[str | None]:
            with tenancy.scope(()):
                said = invitations_send(
                    by=ground.reception.principal(), plans=[one.id for one in plans[::order]]
                )
            return [one.code.value if one.code else None for one in said]

        return act

    answers = at_once([invite(1), invite(-1)] * 3)
    codes = Counter(code for answer in answers for code in answer)
    assert codes == {None: 5, "CONFLICT": 5 * (CONTENDERS - 1)}
    assert all(len(invitations(one)) == len(attempts(one)) == 1 for one in plans)


def test_attempts_at_once_are_all_counted_and_told_once(ground: House) -> None:
    due = plan(ground, -3)

    def call() -> Any:
        with tenancy.scope(()):
            by = ground.reception.principal()
            return contact_record(by=by, plan_id=due.id, channel="PHONE", outcome="NO_ANSWER").id

    answers = at_once([call] * CONTENDERS)
    assert len(set(answers)) == CONTENDERS
    assert fresh(due).attempts == len(attempts(due)) == CONTENDERS
    assert times_told(ground) == {str(due.id): 1}
