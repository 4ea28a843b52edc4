"""Forms as they are written: what is changed, what is new, and how a page's form is sent."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from accounts.models import User
from appointments.models import BusyTime
from checkin.models import CheckInDevice, CheckInLocation
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
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from followups.models import CarePolicy, FollowUpPlan, WaitlistEntry
from tests.backoffice.filled import (
    device_form,
    entry_form,
    exception_form,
    first_rules_form,
    location_form,
    membership_form,
    new_doctor_form,
    patient_form,
    plan_form,
    point_form,
    proxy_form,
    room_form,
    service_form,
    template_form,
)
from tests.backoffice.world import page
from tests.support.forms import form_of

Values = dict[str, Any]
WRITTEN: dict[str, type[Any]] = {
    "clinics_clinic": Clinic,
    "clinics_location": Location,
    "clinics_room": Room,
    "clinics_service": Service,
    "clinics_doctor": Doctor,
    "clinics_patient": Patient,
    "clinics_patientproxy": PatientProxy,
    "clinics_scheduletemplate": ScheduleTemplate,
    "clinics_scheduleexception": ScheduleException,
    "clinics_membership": Membership,
    "checkin_checkinlocation": CheckInLocation,
    "checkin_checkindevice": CheckInDevice,
    "followups_followupplan": FollowUpPlan,
    "followups_waitlistentry": WaitlistEntry,
    "followups_carepolicy": CarePolicy,
}
#: (table, its row, what is changed, the act in the trail)
CHANGES: list[tuple[str, str, Values, str]] = [
    ("clinics_clinic", "clinic", {"min_notice_minutes": "30"}, "clinic.changed"),
    ("clinics_location", "location", {"city": "Elsewhere"}, "location.changed"),
    ("clinics_room", "room", {"name": "Blue room"}, "room.changed"),
    ("clinics_service", "service", {"duration_minutes": "45"}, "service.changed"),
    ("clinics_doctor", "doctor", {"display_name": "Dr Other"}, "doctor.changed"),
    ("clinics_patient", "patient", {"email": "other@own.test"}, "patient.changed"),
    ("clinics_patientproxy", "proxy", {"valid_until": "2036-01-01"}, "patient_proxy.changed"),
    ("clinics_scheduletemplate", "template", {"end_time": "13:00"}, "schedule_template.changed"),
    ("checkin_checkinlocation", "point", {"opens_minutes": "45"}, "checkin_point.changed"),
    ("followups_followupplan", "plan", {"priority": "HIGH"}, "followup.changed"),
    ("followups_waitlistentry", "waiting", {"urgency": "HIGH"}, "waitlist_entry.changed"),
    ("followups_carepolicy", "rules", {"offer_delay_minutes": "45"}, "care_policy.changed"),
]
#: (table, the form of a new row, the act)
NEW: list[tuple[str, Callable[[Any], Values], str]] = [
    ("clinics_location", location_form, "location.created"),
    ("clinics_room", room_form, "room.created"),
    ("clinics_service", service_form, "service.created"),
    ("clinics_doctor", new_doctor_form, "doctor.created"),
    ("clinics_patient", patient_form, "patient.created"),
    ("clinics_patientproxy", proxy_form, "patient_proxy.added"),
    ("clinics_scheduletemplate", template_form, "schedule_template.created"),
    ("clinics_scheduleexception", exception_form, "schedule.exception_created"),
    ("clinics_membership", membership_form, "membership.added"),
    ("checkin_checkinlocation", point_form, "checkin_point.created"),
    ("checkin_checkindevice", device_form, "checkin_device.made"),
    ("followups_followupplan", plan_form, "followup.planned"),
    ("followups_waitlistentry", entry_form, "waitlist_entry.created"),
    ("followups_carepolicy", first_rules_form, "care_policy.created"),
]
CHANGE_IDS = [row[0].removeprefix("clinics_") for row in CHANGES]
NEW_IDS = [row[0].removeprefix("clinics_") for row in NEW]


def written() -> dict[str, int]:
    """How many rows there are, of every table that a form writes, acts and events among them."""
    with tenancy.scope(tenancy.SYSTEM):
        counts = {name: model._default_manager.count() for name, model in WRITTEN.items()}
        return counts | {
            "users": User.objects.count(),
            "busy": BusyTime.objects.count(),
            "acts": AuditEvent.objects.exclude(action__regex=r"\.(read|listed)$").count(),
            "events": OutboxEvent.objects.count(),
        }


def opened(client: Client, name: str, row: Any) -> Values:
    """What the change page's form would send as it stands."""
    answer = client.get(page(f"{name}_change", row.pk))
    assert answer.status_code == 200
    return form_of(answer, form_id=f"{name.split('_')[1]}_form")


def saved(client: Client, name: str, row: Any, /, **changes: Any) -> Any:
    """Open the change page, change something, save."""
    values = opened(client, name, row) | changes
    return client.post(page(f"{name}_change", row.pk), values | {"_save": "Save"})


def added(client: Client, name: str, form: Values) -> Any:
    return client.post(page(f"{name}_add"), form | {"_save": "Save"})
