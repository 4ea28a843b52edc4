"""Offers, invitations and plans for the tests of their pages, made through the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core import signing

from appointments.models import Appointment
from clinics.models import Patient
from core import tenancy
from followups.links import invitation_link
from followups.models import FollowUpPlan, WaitlistEntry, WaitlistOffer
from followups.offer_links import offer_link
from followups.services.invitations import invitations_send
from followups.services.offers import offer_by_hand
from followups.services.plans import PlanMade, plan_create
from followups.services.waitlist import entry_create
from tests.appointments.scene import House, Person


@contextmanager
def acting(by: Person) -> Iterator[Any]:
    """The rights of a person, in their scope."""
    with tenancy.scope(()):
        yield by.principal()


def waiting(house: House, *, chart: Patient | None = None, **wishes: Any) -> WaitlistEntry:
    """The chart waits for the house's service."""
    chosen = {"service": house.service.id, "patient": (chart or house.chart).id} | wishes
    if "appointment" in chosen:
        chosen.pop("service")
    with acting(house.reception) as by:
        return entry_create(by=by, **chosen)


def offered(
    house: House, entry: WaitlistEntry, starts_at: datetime, *, doctor: UUID | None = None
) -> tuple[str, WaitlistOffer]:
    """The desk offers the entry a time; the token of its link."""
    with acting(house.reception) as by:
        offer = offer_by_hand(
            by=by,
            entry_id=entry.id,
            doctor=doctor or house.doctor.id,
            location=house.location.id,
            starts_at=starts_at,
        )
    return offer_link(offer), offer


def planned(
    house: House, *, chart: Patient | None = None, by: Person | None = None, **plan: Any
) -> PlanMade:
    """The doctor plans a follow-up without a visit before it."""
    fields: dict[str, Any] = {
        "patient": (chart or house.chart).id,
        "service": house.service.id,
        "location": house.location.id,
        "scheduled_for": date(2035, 6, 11),
        "book": False,
    }
    with acting(by or house.doctor_user) as principal:
        return plan_create(by=principal, **(fields | plan))


def invited(house: House, plan: FollowUpPlan) -> str:
    """The desk invites the patient; the token of the link."""
    with acting(house.reception) as by:
        (outcome,) = invitations_send(by=by, plans=[plan.id])
    assert outcome.invitation is not None, outcome
    return invitation_link(outcome.invitation)


def fresh(row: Any) -> Any:
    """The row as it is now."""
    with tenancy.scope(tenancy.SYSTEM):
        return type(row).objects.get(pk=row.pk)


def visits(house: House) -> list[Appointment]:
    with tenancy.scope([house.clinic.id]):
        return list(Appointment.objects.filter(clinic=house.clinic).order_by("starts_at"))


def forged(token: str) -> list[str]:
    """What somebody might try in place of a link."""
    body, _, signature = token.partition(".")
    return [
        "x",
        body,
        f"{body}.{signature[::-1]}",
        f"{body[::-1]}.{signature}",
        signing.Signer(salt="another", sep=".").sign(body),
        "a" * 300,
        "%00",
    ]
