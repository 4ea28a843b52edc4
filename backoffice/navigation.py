"""The sidebar, and the look of the site, for `UNFOLD` in the settings."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.roles import Permission
from backoffice.access import access_of
from backoffice.base import INSTALLATION, STAFF

Allowed = Callable[[HttpRequest], bool]


def _who(right: str) -> Allowed:
    def allowed(request: HttpRequest) -> bool:
        access = access_of(request)
        if access.principal.is_super_admin:
            return True
        if right in {STAFF, INSTALLATION}:
            return right == STAFF
        return access.may(Permission(right))

    return allowed


def _entry(title: Any, icon: str, page: str, right: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{page}"),
        "permission": _who(right),
    }


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            _entry(_("Today"), "today", "index", STAFF),
            _entry(
                _("Appointments"),
                "event",
                "appointments_appointment_changelist",
                Permission.APPOINTMENT_READ,
            ),
            _entry(_("Patients"), "groups", "clinics_patient_changelist", Permission.PATIENT_READ),
        ]
    },
    {
        "title": _("Calendar"),
        "items": [
            _entry(_("Doctors"), "stethoscope", "clinics_doctor_changelist", STAFF),
            _entry(
                _("Working hours"),
                "calendar_view_week",
                "clinics_scheduletemplate_changelist",
                Permission.SCHEDULE_READ,
            ),
            _entry(
                _("Leave and exceptions"),
                "event_busy",
                "clinics_scheduleexception_changelist",
                Permission.SCHEDULE_READ,
            ),
            _entry(
                _("Busy times and holds"),
                "lock_clock",
                "appointments_busytime_changelist",
                Permission.SCHEDULE_READ,
            ),
        ],
    },
    {
        "title": _("Arrival"),
        "items": [
            _entry(_("Queue"), "queue", "checkin_queueentry_changelist", Permission.QUEUE_READ),
            _entry(
                _("Check-ins"), "how_to_reg", "checkin_checkin_changelist", Permission.CHECKIN_RUN
            ),
            _entry(
                _("Attempts"),
                "qr_code_scanner",
                "checkin_checkinattempt_changelist",
                Permission.CHECKIN_PLACES_READ,
            ),
            _entry(
                _("Check-in locations"),
                "door_front",
                "checkin_checkinlocation_changelist",
                Permission.CHECKIN_PLACES_READ,
            ),
            _entry(
                _("Check-in devices"),
                "tablet",
                "checkin_checkindevice_changelist",
                Permission.CHECKIN_PLACES_READ,
            ),
            _entry(
                _("Alerts"),
                "notification_important",
                "checkin_checkinalert_changelist",
                Permission.CHECKIN_PLACES_READ,
            ),
        ],
    },
    {
        "title": _("Continuing care"),
        "items": [
            _entry(
                _("Follow-up plans"),
                "event_repeat",
                "followups_followupplan_changelist",
                Permission.FOLLOWUP_READ,
            ),
            _entry(
                _("Contact attempts"),
                "call",
                "followups_contactattempt_changelist",
                Permission.FOLLOWUP_READ,
            ),
            _entry(
                _("Invitations"),
                "outgoing_mail",
                "followups_followupinvitation_changelist",
                Permission.FOLLOWUP_READ,
            ),
            _entry(
                _("Series"),
                "repeat",
                "appointments_appointmentseries_changelist",
                Permission.APPOINTMENT_READ,
            ),
            _entry(
                _("Waitlist"),
                "hourglass_top",
                "followups_waitlistentry_changelist",
                Permission.APPOINTMENT_BOOK,
            ),
            _entry(
                _("Freed times"),
                "event_available",
                "followups_waitlistopening_changelist",
                Permission.APPOINTMENT_BOOK,
            ),
            _entry(
                _("Offers"),
                "campaign",
                "followups_waitlistoffer_changelist",
                Permission.APPOINTMENT_BOOK,
            ),
            _entry(_("Rules"), "rule", "followups_carepolicy_changelist", Permission.CLINIC_MANAGE),
        ],
    },
    {
        "title": _("Clinic"),
        "items": [
            _entry(_("Clinics"), "domain", "clinics_clinic_changelist", Permission.CLINIC_MANAGE),
            _entry(_("Locations"), "location_on", "clinics_location_changelist", STAFF),
            _entry(_("Rooms"), "meeting_room", "clinics_room_changelist", STAFF),
            _entry(_("Services"), "medical_services", "clinics_service_changelist", STAFF),
            _entry(
                _("Staff and roles"),
                "badge",
                "clinics_membership_changelist",
                Permission.STAFF_MANAGE,
            ),
            _entry(
                _("Proxies"),
                "family_restroom",
                "clinics_patientproxy_changelist",
                Permission.PATIENT_WRITE,
            ),
            _entry(
                _("Merged charts"),
                "merge",
                "appointments_patientmerge_changelist",
                Permission.PATIENT_WRITE,
            ),
        ],
    },
    {
        "title": _("Administration"),
        "items": [
            _entry(_("Audit trail"), "policy", "core_auditevent_changelist", Permission.AUDIT_READ),
            _entry(
                _("Imports and exports"),
                "import_export",
                "transfer_list",
                Permission.PATIENT_WRITE,
            ),
            _entry(
                _("Signed-in devices"),
                "devices",
                "accounts_refreshsession_changelist",
                Permission.AUDIT_READ,
            ),
            _entry(_("Users"), "person", "accounts_user_changelist", INSTALLATION),
            _entry(_("Events"), "outbox", "core_outboxevent_changelist", INSTALLATION),
            _entry(
                _("Scheduled jobs"),
                "schedule",
                "django_celery_beat_periodictask_changelist",
                INSTALLATION,
            ),
        ],
    },
]


def navigation(_request: HttpRequest) -> list[dict[str, Any]]:
    """What the sidebar offers; each entry asks for its permission."""
    return NAVIGATION


def working_in(request: HttpRequest) -> str:
    """Under the name of the site: the clinic in which one is working."""
    access = getattr(request, "back_office", None)
    if access is None:
        return ""
    return str(access.clinic or _("All clinics"))


def switch(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu of the site's name: another clinic, for those who have several."""
    access = getattr(request, "back_office", None)
    if access is None or access.choosable < 2:
        return []
    return [
        {
            "title": _("Work in another clinic"),
            "link": reverse_lazy("admin:clinic_switch"),
            "icon": "swap_horiz",
        }
    ]


def may_see_history(request: HttpRequest) -> bool:
    """The trail of a row is for those who may read the trail."""
    access = getattr(request, "back_office", None)
    return access is not None and access.may_whole(Permission.AUDIT_READ)


def mark(*_request: HttpRequest) -> str:
    """The site's icon."""
    return static("mark.svg")


def stylesheet(_request: HttpRequest) -> str:
    """Our own components, on top of the theme."""
    return static("backoffice/backoffice.css")
