"""One more row of each table, so that a page can be asked what it costs with more of them."""

from datetime import date, time, timedelta
from uuid import uuid4

from django_celery_beat.models import PeriodicTask

from accounts.models import RefreshSession
from appointments.models import Appointment, AppointmentSeries, BusyTime, PatientMerge
from checkin.models import (
    CheckIn,
    CheckInAlert,
    CheckInAttempt,
    CheckInDevice,
    CheckInLocation,
    QueueEntry,
)
from clinics.models import (
    Clinic,
    Doctor,
    Location,
    Membership,
    Patient,
    PatientProxy,
    Room,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from core import clock, ids
from core.models import AuditEvent, OutboxEvent
from followups.models import (
    CarePolicy,
    ContactAttempt,
    FollowUpInvitation,
    FollowUpPlan,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
)
from tests.appointments.moments import NOW, berlin
from tests.backoffice.care_rows import (
    attempt_made,
    invitation_made,
    offer_made,
    opening_made,
    plan_made,
    series_made,
    waiting_made,
)
from tests.backoffice.world import World
from tests.casts import build_user


def chart(world: World, number: int) -> Patient:
    return Patient.objects.create(
        clinic=world.clinic, mrn=f"Q{number}", given_name="Q", family_name=f"Q{number:03}"
    )


def visit(world: World, number: int) -> Appointment:
    """Of another patient each, today; over, so that it claims no time."""
    start = berlin(0, 0) + timedelta(minutes=10 * number)
    return Appointment.objects.create(
        clinic=world.clinic,
        location=world.location,
        doctor=world.doctor,
        patient=chart(world, 1000 + number),
        service=world.service,
        type="IN_PERSON",
        status="COMPLETED",
        starts_at=start,
        ends_at=start + timedelta(minutes=10),
        timezone="Europe/Berlin",
        source="STAFF",
        booked_by=world.receptionist,
    )


def busy(world: World, number: int) -> BusyTime:
    start = berlin(20 + number, 10)
    period = (start, start + timedelta(minutes=30))
    return BusyTime.objects.create(
        clinic=world.clinic,
        doctor=world.doctor,
        room=world.room,
        kind="HELD",
        lane=0,
        holder=world.receptionist.pk,
        expires_at=NOW + timedelta(minutes=5),
        period=period,
        visit=period,
    )


def doctor(world: World, number: int) -> Doctor:
    user = build_user(f"doctor-{number}")
    Membership.objects.create(clinic=world.clinic, user=user, role="DOCTOR")
    return Doctor.objects.create(user=user, display_name=f"Dr {number}")


def hours(world: World, number: int) -> ScheduleTemplate:
    made = ScheduleTemplate.objects.create(
        clinic=world.clinic,
        doctor=world.doctor,
        location=world.location,
        weekday=2 + number % 6,
        start_time=time(8 + number // 6),
        end_time=time(9 + number // 6),
    )
    made.services.add(world.service)
    return made


def closed(world: World, number: int) -> ScheduleException:
    day = date(2036, 1, 1) + timedelta(days=number)
    return ScheduleException.objects.create(
        clinic=world.clinic,
        doctor=world.doctor,
        location=world.location,
        kind="CLOSED",
        start_date=day,
        end_date=day,
    )


def location(world: World, number: int) -> Location:
    return Location.objects.create(clinic=world.clinic, name=f"L{number}", timezone="UTC")


def room(world: World, number: int) -> Room:
    return Room.objects.create(
        clinic=world.clinic, location=location(world, 1000 + number), name=f"R{number}"
    )


def service(world: World, number: int) -> Service:
    return Service.objects.create(clinic=world.clinic, name=f"S{number}", duration_minutes=30)


def member(world: World, number: int) -> Membership:
    return Membership.objects.create(
        clinic=world.clinic, user=build_user(f"member-{number}"), role="NURSE"
    )


def proxy(world: World, number: int) -> PatientProxy:
    return PatientProxy.objects.create(
        clinic=world.clinic,
        patient=chart(world, 2000 + number),
        user=build_user(f"proxy-{number}"),
        relation="CARER",
    )


def merge(world: World, number: int) -> PatientMerge:
    return PatientMerge.objects.create(
        clinic=world.clinic,
        kept=chart(world, 3000 + number),
        duplicate=chart(world, 4000 + number),
        merged_by=build_user(f"merger-{number}"),
        reason="the same",
    )


def device(world: World, number: int) -> RefreshSession:
    return RefreshSession.objects.create(
        user=member(world, 5000 + number).user,
        token_hash=uuid4().bytes,
        expires_at=NOW + timedelta(days=1),
    )


def clinic(world: World, number: int) -> Clinic:
    return Clinic.objects.create(name=f"C{number}", slug=f"c-{number}")


def act(world: World, number: int) -> AuditEvent:
    return AuditEvent.objects.create(
        id=ids.uuid7(),
        clinic_id=world.clinic.pk,
        at=clock.now(),
        actor_id=build_user(f"actor-{number}").pk,
        action="test.made",
        entity="clinics.patient",
        entity_id=world.patient.pk,
        subjects=[chart(world, 6000 + number).pk],
    )


def event(world: World, number: int) -> OutboxEvent:
    return OutboxEvent.objects.create(clinic_id=world.clinic.pk, topic="test.made")


def job(world: World, number: int) -> PeriodicTask:
    return PeriodicTask.objects.create(name=f"job-{number}", task="x", interval=world.job.interval)


def point(world: World, number: int) -> CheckInLocation:
    return CheckInLocation.objects.create(
        clinic=world.clinic, location=location(world, 7000 + number), name=f"P{number}"
    )


def scanner(world: World, number: int) -> CheckInDevice:
    place = point(world, 1000 + number)
    return CheckInDevice.objects.create(
        clinic=world.clinic,
        location=place.location,
        point=place,
        kind="SCANNER",
        name=f"D{number}",
        paired_by=build_user(f"pairer-{number}"),
    )


def arrival(world: World, number: int) -> CheckIn:
    here = visit(world, 8000 + number)
    device = scanner(world, 2000 + number)
    return CheckIn.objects.create(
        clinic=world.clinic,
        location=device.location,
        appointment=here,
        patient=here.patient,
        device=device,
        point=device.point,
        by=device.paired_by,
        checked_in_at=NOW,
        method="QR_STAFF",
    )


def attempt(world: World, number: int) -> CheckInAttempt:
    here = arrival(world, 3000 + number)
    return CheckInAttempt.objects.create(
        clinic=world.clinic,
        location_id=here.location_id,
        source_kind="DEVICE",
        source_id=here.device_id,
        nonce=f"nonce-{number}",
        method="QR_STAFF",
        appointment_id=here.pk,
        patient_id=here.patient_id,
        outcome="CHECKED_IN",
        at=NOW,
    )


def alert(world: World, number: int) -> CheckInAlert:
    device = scanner(world, 4000 + number)
    return CheckInAlert.objects.create(
        clinic=world.clinic, kind="MANY_REFUSALS", device=device, source_id=device.pk
    )


def waiting(world: World, number: int) -> QueueEntry:
    return QueueEntry.objects.create(
        clinic=world.clinic,
        location=location(world, 9000 + number),
        patient=chart(world, 9000 + number),
        doctor=doctor(world, 9000 + number),
        local_day=NOW.date(),
        prefix="A",
        number=number + 1,
        due_at=NOW,
        arrived_at=NOW,
    )


def series(world: World, number: int) -> AppointmentSeries:
    """With a date left out, and a visit to come."""
    made = series_made(world.cast, world.word, patient=chart(world, 10_000 + number))
    coming = visit(world, 10_000 + number)
    Appointment.objects.filter(pk=coming.pk).update(
        series=made,
        series_sequence=1,
        starts_at=NOW + timedelta(days=1, minutes=number),
        ends_at=NOW + timedelta(days=1, minutes=number + 10),
    )
    return made


def plan(world: World, number: int) -> FollowUpPlan:
    """That follows a visit, and whose patient was asked twice."""
    here = visit(world, 11_000 + number)
    made = plan_made(world.cast, world.word, patient=here.patient, appointment=here)
    for _ in range(2):
        attempt_made(made, world.word, by=build_user(f"caller-{number}"))
    invitation_made(made)
    return made


def asked(world: World, number: int) -> ContactAttempt:
    made = plan_made(world.cast, world.word, patient=chart(world, 12_000 + number))
    return attempt_made(made, world.word, by=build_user(f"asker-{number}"))


def invitation(world: World, number: int) -> FollowUpInvitation:
    made = plan_made(world.cast, world.word, patient=chart(world, 13_000 + number))
    return invitation_made(made, created_by=build_user(f"inviter-{number}"))


def rules(world: World, number: int) -> CarePolicy:
    return CarePolicy.objects.create(clinic=clinic(world, 14_000 + number))


def on_the_list(world: World, number: int) -> WaitlistEntry:
    return waiting_made(
        world.cast,
        world.word,
        patient=chart(world, 15_000 + number),
        service=service(world, 15_000 + number),
        location=location(world, 15_000 + number),
        doctors=[doctor(world, 15_000 + number).pk],
    )


def opening(world: World, number: int) -> WaitlistOpening:
    return opening_made(
        world.cast,
        doctor=doctor(world, 16_000 + number),
        location=location(world, 16_000 + number),
    )


def offer(world: World, number: int) -> WaitlistOffer:
    return offer_made(opening(world, 1000 + number), on_the_list(world, 1000 + number))
