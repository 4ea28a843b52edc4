"""What the tests of plans do over the API, and what they look at afterwards."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from clinics.services.memberships import membership_add
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from followups.models import FollowUpPlan
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, Person, person

#: A Monday four weeks ahead.
DAY = (NOW + timedelta(days=28)).date()
SECRETS = {
    "instructions": "No running before the knee is well",
    "medications": ["Ibuprofen 400 mg", "Pantoprazol 20 mg"],
    "tests": ["X-ray of the knee"],
    "restrictions": ["No stairs"],
}


def at(day: date = DAY, hour: int = 9, minute: int = 0) -> datetime:
    """A wall-clock time in Berlin."""
    found = berlin((day - NOW.date()).days, hour, minute)
    assert found.date() == day
    return found


def colleague(house: House, role: str) -> Person:
    """One more of the staff."""
    member = person(role.lower())
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=house.clinic, user=member.user, role=role)
    return member


def in_progress(house: House, starts_at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """A visit of today that has begun: the house's patient with its doctor, at 09:00."""
    visit = house.book(starts_at or berlin(0), **fields)
    for verb in ("check-in", "start"):
        answer = house.admin.api.post(f"appointments/{visit['id']}/{verb}", {"reason": "there"})
        assert answer.status_code == 200, answer.content
        visit = answer.json()
    return visit


def complete(house: House, visit: dict[str, Any], by: Person | None = None, **body: Any) -> Any:
    api = (by or house.doctor_user).api
    return api.post(f"appointments/{visit['id']}/complete", body)


def follow(house: House, visit: dict[str, Any], by: Person | None = None, **body: Any) -> Any:
    """Ask for a plan that follows the visit."""
    api = (by or house.doctor_user).api
    return api.post(f"appointments/{visit['id']}/follow-up", {"scheduled_for": DAY} | body)


def alone(house: House, by: Person | None = None, **body: Any) -> Any:
    """Ask for a plan without a visit."""
    wish = {
        "patient": house.chart.id,
        "doctor": house.doctor.id,
        "service": house.service.id,
        "location": house.location.id,
        "scheduled_for": DAY,
    }
    wish = {name: value for name, value in (wish | body).items() if value is not ...}
    return (by or house.doctor_user).api.post("follow-up-plans", wish)


def waiting(house: House, by: Person | None = None, **body: Any) -> dict[str, Any]:
    """A plan that waits: nobody tried to book it."""
    answer = alone(house, by, **({"book": False} | body))
    assert answer.status_code == 201, answer.content
    return answer.json()


def booked(house: House, **body: Any) -> dict[str, Any]:
    """A plan that was booked at once."""
    answer = alone(house, **body)
    assert answer.json()["status"] == "completed", answer.content
    return answer.json()


def schedule(house: House, plan: dict[str, Any], by: Person | None = None, **body: Any) -> Any:
    api = (by or house.reception).api
    return api.post(f"follow-up-plans/{plan['id']}/schedule", body)


def act(house: House, visit: UUID | str, verb: str) -> dict[str, Any]:
    """A step of a visit."""
    answer = house.reception.api.post(f"appointments/{visit}/{verb}", {"reason": "because"})
    assert answer.status_code == 200, answer.content
    return answer.json()


def row(plan: dict[str, Any]) -> FollowUpPlan:
    """The plan as it stands now."""
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.get(pk=plan["id"])


def shift(plan: dict[str, Any], **fields: Any) -> None:
    """Put fields of the row behind the services' back, such as a day that has passed."""
    with tenancy.scope(tenancy.SYSTEM):
        FollowUpPlan.objects.filter(pk=plan["id"]).update(**fields)


def fill(house: House, day: date = DAY, *, but: Iterable[int] = ()) -> None:
    """Book every half hour of the house's doctor on that day, but for those that start at these
    minutes of the day."""
    for minute in range(8 * 60, 17 * 60, 30):
        if minute not in set(but):
            house.book(at(day, minute // 60, minute % 60), patient=house.add_chart().id)


def told(topic: str) -> list[dict[str, Any]]:
    """The payloads that went out under a topic, in order."""
    with tenancy.scope(tenancy.SYSTEM):
        return [event.payload for event in OutboxEvent.objects.filter(topic=topic).order_by("id")]


def trail(entity: str | UUID) -> list[AuditEvent]:
    """What the audit trail says of a row, oldest first."""
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(entity_id=entity).order_by("id"))
