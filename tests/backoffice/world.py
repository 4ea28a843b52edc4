"""The ground of the back office's tests: a clinic with a row in every table, and the one abroad.

Every word that the clinic abroad has, from its patients' names to the reason of a leave, contains
`FOREIGN`: a page that shows it to a stranger has shown something foreign.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils.html import conditional_escape
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import RefreshSession, User
from accounts.roles import Role
from appointments.models import (
    Appointment,
    AppointmentEvent,
    AppointmentSeries,
    AppointmentStatus,
    BusyTime,
    Claim,
    PatientMerge,
    Verb,
)
from appointments.services.booking import appointment_book
from appointments.services.holds import hold_create
from appointments.services.leave import exception_create
from appointments.services.merging import patients_merge
from appointments.services.status import appointment_move
from backoffice.models import BadLines, DateStyle, Transfer, TransferKind
from backoffice.transfer.transfers import transfer_check, transfer_create
from backoffice.transfer.work import work_here
from checkin.models import (
    CheckIn,
    CheckInAlert,
    CheckInAttempt,
    CheckInDevice,
    CheckInLocation,
    QueueEntry,
)
from checkin.services.queue import entry_add
from clinics.models import (
    Clinic,
    Doctor,
    ExceptionKind,
    Location,
    Membership,
    Patient,
    PatientProxy,
    Room,
    ScheduleException,
    Service,
)
from clinics.principal import Principal, principal_open
from clinics.services.memberships import member_add
from clinics.services.proxies import proxy_add
from core import context, tenancy
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
from tests.backoffice.care_rows import care_made
from tests.casts import STAFF, Cast, build_cast, build_patient, build_session

OWN = "inland"
FOREIGN = "ausland"
SUPER = "super_admin"
PATIENT = "patient_user"
#: Check-in is open all day: the window before a visit has tests of its own.
WHOLE_DAY = 24 * 60
#: Clinical text: what a visit is about, and what the staff writes on a chart.
REASON = "sorekneereason"
NOTES = "visitnotestext"
CHART_NOTES = "chartnotestext"


@dataclass
class World:
    """A cast, and one more row of each table that hangs on it."""

    cast: Cast
    word: str
    visit: Appointment
    confirmed: Appointment
    hold: BusyTime
    exception: ScheduleException
    proxy: PatientProxy
    session: RefreshSession
    audit: AuditEvent
    outbox: OutboxEvent
    job: PeriodicTask
    spare: Patient
    merge: PatientMerge
    invited: Membership
    upload: Transfer
    checked: Transfer
    entry: QueueEntry
    point: CheckInLocation
    scanner: CheckInDevice
    arrival: CheckIn
    attempt: CheckInAttempt
    alert: CheckInAlert
    series: AppointmentSeries
    plan: FollowUpPlan
    asked: ContactAttempt
    invitation: FollowUpInvitation
    rules: CarePolicy
    waiting: WaitlistEntry
    opening: WaitlistOpening
    offer: WaitlistOffer

    @property
    def clinic(self) -> Clinic:
        return self.cast.clinic

    def user(self, name: str) -> User:
        return self.cast.user(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "cast":  # while it is copied, there is no cast yet
            raise AttributeError(name)
        return getattr(self.cast, name)


def acting(user: User) -> Principal:
    """The user's rights and scope, in the open transaction; acts are written as theirs."""
    context.current().actor_id = user.id
    found = principal_open(user.id, None, write=True)
    assert found is not None
    return found


def build_world(word: str) -> World:
    """A clinic with a row in every table, each of its words containing `word`."""
    cast = build_cast(word)
    with tenancy.scope(tenancy.SYSTEM):
        _mark(cast, word)
        by = acting(cast.receptionist)
        visit = _booked(cast, by, cast.patient, hour=10)
        confirmed = _booked(cast, by, cast.neighbour, hour=9)
        confirmed = appointment_move(appointment_id=confirmed.id, verb=Verb.CONFIRM, by=by)
        hold = hold_create(
            by=by,
            doctor=cast.doctor.id,
            starts_at=berlin(0, 11),
            location=cast.location.id,
            service=cast.service.id,
        )
        exception = exception_create(
            by=acting(cast.clinic_admin),
            clinic=cast.clinic,
            doctor=cast.doctor,
            kind=ExceptionKind.CLOSED,
            start_date=(NOW + timedelta(days=60)).date(),
            end_date=(NOW + timedelta(days=60)).date(),
            reason=f"Away {word}",
        )
        proxy = proxy_add(
            clinic=cast.clinic,
            patient=cast.neighbour,
            login=str(cast.patient_user.email),
            relation=PatientProxy.Relation.CARER,
        )
        spare = build_patient(cast.clinic, "Spare", f"Berger{word}", mrn=f"{word}3")
        double = build_patient(cast.clinic, "Double", f"Berger{word}", mrn=f"{word}4")
        merge = patients_merge(
            by=acting(cast.clinic_admin),
            keep=cast.neighbour.id,
            duplicate=double.id,
            reason=f"One person {word}",
        )
        cast.neighbour.refresh_from_db()
        invited = member_add(
            clinic=cast.clinic, role=Role.NURSE, email=f"invited@{word}.test", family_name=word
        )
        session = build_session(cast.receptionist)
        RefreshSession.objects.filter(pk=session.pk).update(device_name=f"Phone {word}")
        upload, checked = (_uploaded(cast, word) for _ in range(2))
        transfer_check(
            principal=acting(cast.clinic_admin),
            transfer=checked,
            fields=checked.fields,
            date_style=DateStyle.ISO,
            country="DE",
            bad_lines=BadLines.STOP,
        )
        work_here(checked.pk, cast.clinic.pk)
        here = {"clinic": cast.clinic, "location": cast.location}
        point = CheckInLocation.objects.create(**here, name=f"Entrance {word}")
        scanner = CheckInDevice.objects.create(
            **here,
            point=point,
            kind="SCANNER",
            name=f"Scanner {word}",
            pairing_hash=word.encode().ljust(32),
            pairing_expires_at=NOW,
            paired_by=cast.clinic_admin,
        )
        every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
        return World(
            cast=cast,
            word=word,
            visit=Appointment.objects.get(pk=visit.pk),
            confirmed=Appointment.objects.get(pk=confirmed.pk),
            hold=BusyTime.objects.get(pk=hold.id),
            exception=exception,
            proxy=proxy,
            session=RefreshSession.objects.get(pk=session.pk),
            audit=AuditEvent.objects.filter(clinic_id=cast.clinic.id, entity_id=visit.pk).get(),
            outbox=OutboxEvent.objects.filter(
                clinic_id=cast.clinic.id, topic="appointment.booked"
            ).earliest("id"),
            job=PeriodicTask.objects.get_or_create(
                name="sweep", defaults={"task": "appointments.holds_sweep", "interval": every}
            )[0],
            spare=spare,
            merge=merge,
            invited=invited,
            upload=upload,
            checked=Transfer.objects.get(pk=checked.pk),
            entry=entry_add(
                by=by,
                location=cast.location.id,
                patient=spare.id,
                doctor=cast.doctor.id,
            ),
            point=point,
            scanner=scanner,
            **_arrived(confirmed, scanner, word),
            **care_made(cast, word, visit),
        )


def _arrived(visit: Appointment, scanner: CheckInDevice, word: str) -> dict[str, Any]:
    """An arrival that was taken back, an attempt that was refused, and an alert about it."""
    here = {"clinic_id": visit.clinic_id, "location_id": visit.location_id}
    return {
        "arrival": CheckIn.objects.create(
            **here,
            appointment=visit,
            patient_id=visit.patient_id,
            checked_in_at=NOW,
            method="MANUAL",
            forced=True,
            reason=f"Waved through {word}",
            undone_at=NOW,
        ),
        "attempt": CheckInAttempt.objects.create(
            **here,
            source_kind="DEVICE",
            source_id=scanner.id,
            nonce=f"nonce-{word}",
            method="QR_STAFF",
            appointment_id=visit.id,
            patient_id=visit.patient_id,
            outcome="REFUSED",
            reason_code="TOO_EARLY",
            at=NOW,
        ),
        "alert": CheckInAlert.objects.create(
            clinic_id=visit.clinic_id,
            kind="MANY_REFUSALS",
            device=scanner,
            source_id=scanner.id,
            count=20,
            details={"source": "DEVICE", "codes": {"TOO_EARLY": 20}},
        ),
    }


def _mark(cast: Cast, word: str) -> None:
    """Put the word into everything that could be shown."""
    here = {"clinic": cast.clinic}
    Clinic.objects.filter(pk=cast.clinic.pk).update(
        name=f"Clinic {word}",
        slug=f"c-{word}",
        checkin_opens_minutes=WHOLE_DAY,
    )
    Location.objects.filter(**here).update(name=f"Main {word}", city=f"City {word}")
    Room.objects.filter(**here).update(name=f"Room {word}")
    Service.objects.filter(**here).update(name=f"Visit {word}")
    for chart, number in ((cast.patient, 1), (cast.neighbour, 2)):
        Patient.objects.filter(pk=chart.pk).update(
            family_name=f"Berger{word}",
            mrn=f"{word}{number}",
            phone=f"+4930901820{10 + number + (40 if word == FOREIGN else 0)}",
            email=f"chart{number}@{word}.test",
            notes=f"{CHART_NOTES} {word}",
        )
    for name in (*STAFF, PATIENT):
        User.objects.filter(pk=cast.user(name).pk).update(
            email=f"{name}@{word}.test", family_name=f"Of {word}"
        )
        cast.user(name).refresh_from_db()
    for row in (
        cast.clinic,
        cast.location,
        cast.room,
        cast.service,
        cast.patient,
        cast.neighbour,
        cast.doctor,
    ):
        row.refresh_from_db()


def _uploaded(cast: Cast, word: str) -> Transfer:
    """A file of one patient's chart, on its way in."""
    lines = f"mrn,given_name,family_name\n{word}9,Filed,Of {word}\n"
    return transfer_create(
        principal=acting(cast.clinic_admin),
        clinic=cast.clinic,
        kind=TransferKind.PATIENTS,
        file_name=f"{word}.csv",
        stream=io.BytesIO(lines.encode()),
    )


def _booked(cast: Cast, by: Principal, patient: Patient, *, hour: int) -> Appointment:
    return appointment_book(
        by=by,
        doctor=cast.doctor.id,
        patient=patient.id,
        location=cast.location.id,
        service=cast.service.id,
        starts_at=berlin(0, hour),
        reason=f"{REASON} {cast.clinic.slug}",
        notes=f"{NOTES} {cast.clinic.slug}",
    )


def visit_in(world: World, status: str, *, hour: int = 11, **fields: Any) -> Appointment:
    """A visit of the cast's patient to its doctor in that status, with its claim and a history."""
    start, end = berlin(0, hour, 30), berlin(0, hour + 1)
    values = {
        "clinic": world.clinic,
        "location": world.location,
        "doctor": world.doctor,
        "patient": world.patient,
        "service": world.service,
        "type": "IN_PERSON",
        "starts_at": start,
        "ends_at": end,
        "timezone": "Europe/Berlin",
        "source": "STAFF",
    } | fields
    with tenancy.scope(tenancy.SYSTEM):
        visit = Appointment.objects.create(
            status=status,
            cancelled_at=NOW if status == AppointmentStatus.CANCELLED else None,
            **values,
        )
        if visit.is_open:
            period = (visit.starts_at, visit.ends_at)
            BusyTime.objects.create(
                clinic=world.clinic,
                doctor=visit.doctor,
                patient=visit.patient,
                appointment=visit,
                lane=0,
                kind=Claim.BOOKED,
                period=period,
                visit=period,
            )
        AppointmentEvent.objects.create(
            clinic=world.clinic, appointment=visit, verb=Verb.BOOK, to_status=status
        )
    return visit


def page(name: str, *args: Any) -> str:
    """The address of a page of the back office."""
    return reverse(f"admin:{name}", args=args)


def at_the_desk(user: User | None) -> Client:
    """The pages as somebody who signed in at the sign-in page; nobody with None."""
    client = Client()
    if user is not None:
        client.force_login(user, "accounts.backends.EmailOrPhoneBackend")
    return client


@contextmanager
def undone() -> Iterator[None]:
    """Everything as it was afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')


def text(response: Any) -> str:
    """What the answer says, its ids and its form's token left out."""
    content = response.getvalue() if response.streaming else response.content
    body = content.decode() + response.headers.get("Location", "")
    return _TOKEN.sub("TOKEN", _ID.sub("ID", body))


def said(response: Any) -> tuple[int, str]:
    return response.status_code, text(response)


def complaints(response: Any) -> str:
    """What a refused form says, each sentence of which has to stand on its page."""
    found = response.context
    form = found["adminform"].form if "adminform" in found else found["form"]
    sentences = [str(one) for errors in form.errors.values() for one in errors]
    body = response.content.decode()
    assert all(conditional_escape(sentence) in body for sentence in sentences), sentences
    return "\n".join(sentences)


def fresh(row: Any) -> Any:
    """The row as it is now; None when it is gone."""
    with tenancy.scope(tenancy.SYSTEM):
        return type(row)._default_manager.filter(pk=row.pk).first()


def acts(action: str, entity_id: UUID | None = None) -> list[AuditEvent]:
    """What the trail has of that action (about that row), oldest first."""
    with tenancy.scope(tenancy.SYSTEM):
        found = AuditEvent.objects.filter(action=action).order_by("id")
        return list(found.filter(entity_id=entity_id) if entity_id else found)


def announced(topic: str) -> list[OutboxEvent]:
    """The events of that topic, oldest first."""
    with tenancy.scope(tenancy.SYSTEM):
        return list(OutboxEvent.objects.filter(topic=topic).order_by("id"))


def doctor_elsewhere(world: World) -> Doctor:
    """A doctor's entry for the therapist of the cast, who has none."""
    with tenancy.scope(tenancy.SYSTEM):
        return Doctor.objects.create(
            user=world.therapist, display_name=f"T {world.word}", profession="THERAPIST"
        )
