"""Plans that wait, as the tests of chasing them need them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Priority
from clinics.services.memberships import membership_add
from core import clock, tenancy
from core.models import AuditEvent, OutboxEvent
from followups.matching import RANK
from followups.models import CarePolicy, ContactAttempt, FollowUpInvitation, FollowUpPlan
from tests.appointments.scene import House, Person, person

PHONE = "+491701234567"
#: A scope inside the test's transaction sets and restores what a request's sets alone.
_NOT_COUNTED = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SELECT set_config")


def today(house: House) -> date:
    """The clinic's local day."""
    return clock.now().astimezone(ZoneInfo(house.zone)).date()


def plan(house: House, /, days: int = 0, **fields: Any) -> FollowUpPlan:
    """A plan of a patient of its own, `days` from today; written as it is."""
    priority = fields.get("priority", Priority.NORMAL)
    values = {
        "clinic": house.clinic,
        "patient": fields.pop("patient", None) or house.add_chart(),
        "doctor": house.doctor,
        "service": house.service,
        "location": house.location,
        "scheduled_for": today(house) + timedelta(days=days),
        "rank": RANK[priority],
    }
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.create(**(values | fields))


def fresh(row: Any) -> Any:
    """The row as it stands now."""
    with tenancy.scope(tenancy.SYSTEM):
        return type(row).objects.get(pk=row.pk)


def attempts(of: FollowUpPlan) -> list[ContactAttempt]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(ContactAttempt.objects.filter(plan=of).order_by("id"))


def invitations(of: FollowUpPlan) -> list[FollowUpInvitation]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(FollowUpInvitation.objects.filter(plan=of).order_by("id"))


def rules(house: House, **fields: Any) -> None:
    """The clinic's rules of continuing care."""
    with tenancy.scope(tenancy.SYSTEM):
        CarePolicy.objects.update_or_create(clinic=house.clinic, defaults=fields)


def told(topic: str, house: House) -> list[dict[str, Any]]:
    """The payloads that went out under a topic, in order."""
    with tenancy.scope(tenancy.SYSTEM):
        found = OutboxEvent.objects.filter(topic=topic, clinic_id=house.clinic.id).order_by("id")
        return [event.payload for event in found]


def trail(action: str, entity: UUID) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(action=action, entity_id=entity))


def with_phone(house: House, **preferences: bool) -> Any:
    """A chart with a phone, and what it says of messages."""
    chart = house.add_chart()
    chart.phone, chart.contact_preferences, chart.given_name = PHONE, preferences, "Aurelia"
    with tenancy.scope(tenancy.SYSTEM):
        chart.save(update_fields=["phone", "contact_preferences", "given_name"])
    return chart


def member(house: House, role: str) -> Person:
    """Somebody more who works there."""
    found = person(role.lower())
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=house.clinic, user=found.user, role=role)
    return found


class Statements:
    """What the database was asked within the block, transactions' own left out."""

    def __enter__(self) -> "Statements":
        self._captured = CaptureQueriesContext(connection)
        self._captured.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._captured.__exit__(None, None, None)

    @property
    def all(self) -> list[str]:
        return [
            query["sql"]
            for query in self._captured.captured_queries
            if not query["sql"].startswith(_NOT_COUNTED)
        ]
