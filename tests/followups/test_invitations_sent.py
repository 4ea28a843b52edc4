"""An invitation's link on its way: from the outbox through a worker to a gateway that listens."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import outbox, tenancy
from followups.models import FollowUpPlan
from followups.services.invitations import invitation_by_token, invitations_send
from followups.tasks import invitation_send
from tests.appointments.scene import House, house
from tests.followups.recall_scene import PHONE, invitations, plan, with_phone
from tests.support.http_stand_in import Answer, StandIn, standing_in
from tests.support.polling import eventually
from tests.support.processes import running

pytestmark = pytest.mark.django_db(transaction=True)
SITE = "https://care.example.test"


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[StandIn]:
    """Known to this process by its settings, to workers by their environment."""
    with standing_in() as found:
        settings.SMS_URL = f"{found.url}/send"
        settings.SMS_TOKEN = "sesame"
        settings.PUBLIC_URL = SITE
        settings.OUTBOX_KICK = False
        monkeypatch.setenv("SMS_URL", settings.SMS_URL)
        monkeypatch.setenv("SMS_TOKEN", "sesame")
        monkeypatch.setenv("PUBLIC_URL", SITE)
        yield found


def invited(ground: House, **preferences: bool) -> FollowUpPlan:
    due = plan(ground, 2, patient=with_phone(ground, **preferences))
    with tenancy.scope(()):
        invitations_send(by=ground.reception.principal(), plans=[due.id])
    return due


def send(due: FollowUpPlan) -> bool:
    """The task, in this process."""
    (invitation,) = invitations(due)
    return bool(
        invitation_send.apply(
            kwargs={"clinic": str(due.clinic_id), "invitation": str(invitation.id)}, throw=True
        ).get()
    )


def test_the_link_arrives_where_it_is_wanted(gateway: StandIn, celery_worker_process: Any) -> None:
    ground = house("quay")
    wanted, unwanted = invited(ground, sms=True), invited(ground, sms=False)
    gateway.statuses(500)  # the first try is not taken
    while outbox.relay():
        pass
    assert eventually(lambda: invitations(wanted)[0].sent_at is not None, timeout=40)
    assert {asked.json["id"] for asked in gateway.asked} == {str(invitations(wanted)[0].id)}
    message = gateway.asked[-1].json
    assert message["to"] == PHONE
    (link,) = re.findall(rf"{SITE}/follow-up/(\S+)", message["text"])
    with tenancy.scope(()):
        assert invitation_by_token(link).plan.id == wanted.id
    assert wanted.patient.given_name not in message["text"]
    (sent,), (kept,) = invitations(wanted), invitations(unwanted)
    assert (sent.sent_by, kept.sent_by, kept.sent_at) == ("SMS", "", None)


def test_a_language_that_the_pages_do_not_speak_is_no_obstacle(gateway: StandIn) -> None:
    ground = house("quay")
    chart = with_phone(ground, sms=True)
    chart.language = "xx"  # not one that the pages speak
    with tenancy.scope(tenancy.SYSTEM):
        chart.save(update_fields=["language"])
    due = plan(ground, 2, patient=chart)
    with tenancy.scope(()):
        invitations_send(by=ground.reception.principal(), plans=[due.id])
    assert send(due)
    assert gateway.asked[0].json["text"].startswith("Quay:")


def test_what_was_sent_is_not_sent_again(gateway: StandIn) -> None:
    due = invited(house("quay"), sms=True)
    assert [send(due), send(due)] == [True, False]
    assert len(gateway.asked) == 1


def test_a_number_that_takes_no_messages_is_left_to_the_desk(gateway: StandIn) -> None:
    due = invited(house("quay"), sms=True)
    gateway.otherwise = Answer(422)
    assert [send(due), send(due)] == [False, False]
    (invitation,) = invitations(due)
    assert (invitation.sent_by, invitation.sent_at) == ("REFUSED", None)
    assert len(gateway.asked) == 1


@pytest.mark.parametrize("what", ["answered", "changed their mind"])
def test_nothing_is_sent_that_is_over(gateway: StandIn, what: str) -> None:
    due = invited(house("quay"), sms=True)
    (invitation,) = invitations(due)
    with tenancy.scope(tenancy.SYSTEM):
        if what == "answered":
            invitation.status = "DECLINED"
            invitation.save(update_fields=["status"])
        else:
            due.patient.contact_preferences = {"sms": False}
            due.patient.save(update_fields=["contact_preferences"])
    assert send(due) is False
    assert gateway.asked == []


_KILLED = """
import pathlib, signal, sys
import django
django.setup()
from followups import tasks
clinic, invitation, sign = sys.argv[1:]
def until_killed(**_):
    pathlib.Path(sign).touch()
    signal.pause()
tasks.invitation_messages.invitation_sent = until_killed
tasks.invitation_send.apply(kwargs={"clinic": clinic, "invitation": invitation}, throw=True)
"""


def test_a_worker_killed_after_sending_sends_the_same_message(
    gateway: StandIn, tmp_path: Path
) -> None:
    """The gateway sends a message that it knows only once, so nobody gets it twice."""
    due = invited(house("quay"), sms=True)
    (invitation,) = invitations(due)
    sign = tmp_path / "sent"
    command = [sys.executable, "-c", _KILLED, str(due.clinic_id), str(invitation.id), str(sign)]
    env = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    with running(command, log=tmp_path / "worker.log", env=env) as worker:
        eventually(lambda: sign.exists() or worker.poll() is not None, timeout=40)
        assert worker.poll() is None, (tmp_path / "worker.log").read_text()
        worker.kill()
        worker.wait()
    assert invitations(due)[0].sent_at is None
    assert send(due)
    first, second = (asked.json for asked in gateway.asked)
    assert first == second
    assert invitations(due)[0].sent_by == "SMS"
