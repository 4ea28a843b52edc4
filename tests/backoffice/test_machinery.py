"""Events and scheduled jobs: the installation's administrators look, retry, pause and run."""

from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from django.db import transaction
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from core import clock, outbox, tenancy
from core.models import AuditEvent, OutboxEvent
from tests.appointments.moments import NOW
from tests.backoffice.world import World, acts, at_the_desk, fresh, page, text
from tests.casts import STAFF, build_super_admin
from tests.support.polling import eventually

EVENTS = "core_outboxevent"
JOBS = "django_celery_beat_periodictask"


@pytest.fixture
def admin(worlds: Any) -> Client:
    """An administrator of the installation."""
    return at_the_desk(build_super_admin())


def given_up(world: World) -> OutboxEvent:
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.filter(pk=world.outbox.pk).update(
            attempts=12, failed_at=NOW, last_error="listener: it broke"
        )
        return OutboxEvent.objects.get(pk=world.outbox.pk)


@pytest.mark.parametrize("role", STAFF)
def test_machinery_is_not_for_clinics(role: str, home: World) -> None:
    client = at_the_desk(home.user(role))
    event = given_up(home)
    for name, row, act in ((EVENTS, event, "retry"), (JOBS, home.job, "run")):
        assert client.get(page(f"{name}_changelist")).status_code == 403
        assert client.get(page(f"{name}_change", row.pk)).status_code == 403
        assert client.post(page(f"{name}_{act}", row.pk)).status_code == 403
    assert fresh(event).failed_at is not None
    assert acts("job.run") == []
    shown = text(client.get(page("index")))
    assert page(f"{EVENTS}_changelist") not in shown
    assert page(f"{JOBS}_changelist") not in shown


def test_a_given_up_event_is_tried_again(home: World, admin: Client) -> None:
    event = given_up(home)
    shown = text(admin.get(page(f"{EVENTS}_change", event.pk)))
    assert "it broke" in shown
    assert "Try again now" in shown
    assert admin.post(page(f"{EVENTS}_retry", event.pk)).status_code == 302
    after = fresh(event)
    assert (after.failed_at, after.attempts, after.last_error) == (None, 0, event.last_error)
    (act,) = acts("outbox.retried", event.pk)
    assert act.actor_id is not None
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.exclude(pk=event.pk).update(delivered_at=clock.now())
    assert outbox.relay() == 1
    assert fresh(event).delivered_at is not None


def test_a_delivered_event_is_not_tried_again(home: World, admin: Client) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.filter(pk=home.outbox.pk).update(delivered_at=NOW)
    assert "Try again now" not in text(admin.get(page(f"{EVENTS}_change", home.outbox.pk)))
    answer = admin.post(page(f"{EVENTS}_retry", home.outbox.pk))
    assert answer.status_code in {302, 409}
    assert fresh(home.outbox).delivered_at is not None
    assert acts("outbox.retried") == []


@pytest.mark.parametrize(
    ("state", "shown"), [("waiting", False), ("failed", True), ("done", False), ("odd", True)]
)
def test_events_are_filtered_by_state(state: str, shown: bool, home: World, admin: Client) -> None:
    event = given_up(home)
    answer = admin.get(page(f"{EVENTS}_changelist"), {"state": state})
    assert (event.pk in {row.pk for row in answer.context["cl"].result_list}) is shown


def test_events_are_read_only(home: World, admin: Client) -> None:
    before = fresh(home.outbox).payload
    forged = {"topic": "forged", "payload": "{}"}
    assert admin.post(page(f"{EVENTS}_change", home.outbox.pk), forged).status_code == 403
    assert admin.post(page(f"{EVENTS}_delete", home.outbox.pk), {"post": "yes"}).status_code == 403
    assert admin.post(page(f"{EVENTS}_add"), forged).status_code == 403
    assert fresh(home.outbox).payload == before


def test_a_job_is_paused_and_let_run_again(home: World, admin: Client) -> None:
    address = page(f"{JOBS}_change", home.job.pk)
    seen_before = PeriodicTasks.last_change()
    assert admin.post(address, {}).status_code == 302
    assert not fresh(home.job).enabled
    assert PeriodicTasks.last_change() is not None
    assert PeriodicTasks.last_change() != seen_before or seen_before == clock.now()
    assert admin.post(address, {"enabled": "on"}).status_code == 302
    assert fresh(home.job).enabled
    assert [act.changes["enabled"] for act in acts("job.switched")] == [
        [True, False],
        [False, True],
    ]


def test_what_a_job_does_and_when_cannot_be_posted(home: World, admin: Client) -> None:
    forged = {"enabled": "on", "task": "os.system", "name": "forged", "args": '["x"]', "crontab": 1}
    assert admin.post(page(f"{JOBS}_change", home.job.pk), forged).status_code == 302
    after = fresh(home.job)
    assert (after.task, after.name, after.args) == (home.job.task, home.job.name, home.job.args)
    assert admin.post(page(f"{JOBS}_add"), forged).status_code == 403
    assert admin.post(page(f"{JOBS}_delete", home.job.pk), {"post": "yes"}).status_code == 403


def test_a_job_that_is_not_there_is_not_run(admin: Client) -> None:
    assert admin.post(page(f"{JOBS}_run", 999_999)).status_code == 404


def test_a_broker_that_does_not_answer_is_said(
    home: World, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    monkeypatch.setattr("backoffice.services.current_app", deaf)
    answer = admin.post(page(f"{JOBS}_run", home.job.pk))
    assert answer.status_code == 503
    assert acts("job.run") == []


# --- With a worker --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("celery_worker_process")
def test_run_now_reaches_a_worker() -> None:
    """The job's work is done by the worker: an event that waits is delivered."""
    admin = build_super_admin()
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.DAYS)
    job = PeriodicTask.objects.create(name="relay", task="core.outbox_relay", interval=every)
    with transaction.atomic(), tenancy.scope(tenancy.SYSTEM):
        event = OutboxEvent.objects.create(topic="nobody.listens")
    assert at_the_desk(admin).post(page(f"{JOBS}_run", job.pk)).status_code == 302
    eventually(lambda: fresh(event).delivered_at is not None, timeout=15)
    with tenancy.scope(tenancy.SYSTEM):
        act = AuditEvent.objects.get(action="job.run")
    assert (act.actor_id, act.changes["name"][1]) == (admin.pk, "relay")
    assert clock.now() - act.at < timedelta(minutes=5)
