"""What a list shows, of every table under row security; and what forms choose by typing."""

from collections.abc import Iterator
from typing import Any

from django.test import Client

from appointments.models import Appointment, AppointmentSeries, BusyTime, PatientMerge
from backoffice.urls import site
from checkin.models import (
    CheckIn,
    CheckInAlert,
    CheckInAttempt,
    CheckInDevice,
    CheckInLocation,
    QueueEntry,
)
from clinics.models import (
    Location,
    Membership,
    Patient,
    PatientProxy,
    Room,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from core.models import AuditEvent
from followups.models import (
    CarePolicy,
    ContactAttempt,
    FollowUpInvitation,
    FollowUpPlan,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
)
from tests.backoffice.world import page

#: Tables under row security, and what they are called in a world.
TABLES: dict[type[Any], str] = {
    Appointment: "visit",
    BusyTime: "hold",
    Location: "location",
    Room: "room",
    Service: "service",
    Patient: "patient",
    PatientProxy: "proxy",
    PatientMerge: "merge",
    ScheduleTemplate: "template",
    ScheduleException: "exception",
    Membership: "membership",
    AuditEvent: "audit",
    CheckInLocation: "point",
    CheckInDevice: "scanner",
    CheckInAlert: "alert",
    CheckIn: "arrival",
    CheckInAttempt: "attempt",
    QueueEntry: "entry",
    AppointmentSeries: "series",
    FollowUpPlan: "plan",
    ContactAttempt: "asked",
    FollowUpInvitation: "invitation",
    CarePolicy: "rules",
    WaitlistEntry: "waiting",
    WaitlistOpening: "opening",
    WaitlistOffer: "offer",
}
#: Lists show today or what is to come unless they are asked for everything.
EVERYTHING = {
    "appointments_appointment": "?day=all",
    "appointments_busytime": "?when=all",
    # Each look at a list is an act too: the trail's first page is not long enough for all.
    "core_auditevent": "?act=appointment.booked",
}


def name_of(model: type[Any]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


def listed(client: Client, model: type[Any]) -> set[Any]:
    """The ids that the table's list shows."""
    name = name_of(model)
    answer = client.get(page(f"{name}_changelist") + EVERYTHING.get(name, ""))
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def relations() -> Iterator[tuple[str, str, str]]:
    """(app, table, field) of everything that a form chooses by typing."""
    for model in site._registry:
        for field in (*model._meta.fields, *model._meta.many_to_many):
            if field.is_relation and field.related_model in site._registry:
                yield model._meta.app_label, str(model._meta.model_name), field.name


CHOSEN = sorted(relations())
