"""The demo clinics' waitlist: who waits, a time that a cancellation freed, and offers of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from appointments.models import Appointment, AppointmentStatus, Priority, Verb
from appointments.selectors.slots import Slot, slots_find
from appointments.services.status import appointment_move
from core import tenancy
from core.forms import attempted
from core.models import OutboxEvent
from followups.demo.cast import DemoClinic, acting
from followups.models import OpeningCause, WaitlistOffer
from followups.offer_links import offer_link
from followups.services.offers import offer_accept_by_staff, offer_by_hand, offer_decline
from followups.services.openings import opening_make
from followups.services.waitlist import entry_create


@dataclass(frozen=True, slots=True)
class _Wait:
    """Who waits for the service that is freed; `names` the doctor, or any."""

    urgency: str
    names: bool = False
    time_from: time | None = None
    time_to: time | None = None
    note: str = ""


_WAITS: Final = (
    _Wait(Priority.NORMAL, note="Can come at short notice"),
    _Wait(Priority.URGENT, names=True, note="Pain is getting worse"),
    _Wait(Priority.NORMAL, time_from=time(7), time_to=time(20)),
    _Wait(Priority.LOW, names=True),
    _Wait(Priority.HIGH, time_to=time(12), note="Mornings only, works in the afternoon"),
)
#: What became of the times that the desk has offered.
_ANSWERS: Final = ("yes", "no", "")


def waitlist_load(stage: DemoClinic) -> None:
    """People who wait; one visit is cancelled and offered to them; a few were asked by hand.

    The rest is what the clinic's own jobs do: the freed time is offered inside the sending hours.
    """
    freed = _to_be_cancelled(stage)
    if freed is None:
        return
    people = _patients(stage, but=freed.patient_id)
    with acting(stage.books(freed.doctor)) as by:
        for wait, patient in zip(_WAITS, people, strict=False):
            entry_create(
                by=by,
                patient=patient,
                service=freed.service_id,
                mode=freed.type,
                doctors=[freed.doctor_id] if wait.names or stage.desk is None else (),
                time_from=wait.time_from,
                time_to=wait.time_to,
                latest=stage.today + timedelta(days=28),
                urgency=wait.urgency,
                note=wait.note,
            )
    _by_hand(stage, freed, people[len(_WAITS) :])
    _freed(stage, freed)


def _to_be_cancelled(stage: DemoClinic) -> Appointment | None:
    """A visit of the days to come, with the doctor who comes first by name and has one."""
    coming = Appointment.objects.filter(
        clinic=stage.clinic,
        doctor__in=[doctor.id for doctor in stage.doctors],
        status__in=[AppointmentStatus.SCHEDULED, AppointmentStatus.CONFIRMED],
        starts_at__range=(stage.now + timedelta(days=2), stage.now + timedelta(days=10)),
        patient__user=None,
        follow_up_plans=None,
        series=None,
    ).exclude(service=None)
    return (
        coming.filter(is_follow_up=False)
        .select_related("doctor")
        .order_by("doctor__display_name", "starts_at", "patient__mrn")
        .first()
    )


def _patients(stage: DemoClinic, *, but: UUID) -> list[UUID]:
    """Whoever was here lately, longest ago first."""
    found = dict.fromkeys(visit.patient_id for visit in reversed(stage.done))
    found.pop(but, None)
    return list(found)[: len(_WAITS) + 2 * len(_ANSWERS)]


def _by_hand(stage: DemoClinic, freed: Appointment, people: Sequence[UUID]) -> None:
    """Free times of the coming weeks, offered by the desk: taken, declined, not answered yet."""
    answers = list(_ANSWERS)
    for patient, slot in zip(people, _free_times(stage, freed), strict=False):
        if not answers:
            break
        offer = _offered(stage, freed, patient, slot)
        if offer is None:
            continue
        answer = answers.pop(0)
        if answer == "yes":
            with acting(stage.books(freed.doctor)) as by:
                offer_accept_by_staff(by=by, offer_id=offer.id)
        if answer == "no":
            with tenancy.scope(tenancy.SYSTEM):
                offer_decline(offer_link(offer))


def _offered(
    stage: DemoClinic, freed: Appointment, patient: UUID, slot: Slot
) -> WaitlistOffer | None:
    """None for somebody who has another visit then."""

    def offered() -> WaitlistOffer:
        entry = entry_create(
            by=by,
            patient=patient,
            service=freed.service_id,
            mode=freed.type,
            doctors=[freed.doctor_id],
            latest=stage.today + timedelta(days=28),
        )
        return offer_by_hand(
            by=by,
            entry_id=entry.id,
            doctor=slot.doctor,
            location=slot.location,
            starts_at=slot.starts_at,
        )

    with acting(stage.books(freed.doctor)) as by:
        offer, _refusal = attempted(offered)
    return offer


def _free_times(stage: DemoClinic, freed: Appointment) -> list[Slot]:
    """Free times that do not overlap: the first of each day, then the others."""
    found = slots_find(
        clinics=[stage.clinic.id],
        doctors=[freed.doctor_id],
        start=stage.now + timedelta(days=3),
        end=stage.now + timedelta(days=24),
        location=freed.location_id,
        service=freed.service_id,
        mode=freed.type,
        patient_rules=False,
    )
    apart: list[Slot] = []
    for slot in found:
        if not apart or slot.starts_at >= apart[-1].ends_at:
            apart.append(slot)
    days: dict[date, list[Slot]] = {}
    for slot in apart:
        day = slot.starts_at.astimezone(ZoneInfo(slot.timezone)).date()
        days.setdefault(day, []).append(slot)
    firsts = [slots[0] for slots in days.values()]
    return firsts + [slot for slots in days.values() for slot in slots[1:]]


def _freed(stage: DemoClinic, visit: Appointment) -> None:
    """Cancel the visit, and offer its time as whoever hears of it would: the event is the same."""
    with acting(stage.books(visit.doctor)) as by:
        appointment_move(appointment_id=visit.id, verb=Verb.CANCEL, by=by, reason="Feeling better")
    event = OutboxEvent.objects.filter(
        topic="appointment.cancelled", payload__appointment=str(visit.id)
    ).latest("id")
    opening_make(
        clinic=stage.clinic.id,
        doctor=visit.doctor_id,
        location=visit.location_id,
        starts_at=visit.starts_at,
        ends_at=visit.ends_at,
        cause=OpeningCause.CANCELLED,
        event=event.id,
    )
