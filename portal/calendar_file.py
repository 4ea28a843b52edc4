"""A visit as an .ics file (RFC 5545) for the patient's own calendar."""

from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from icalendar import Calendar, Event, vText

from appointments.models import Appointment, AppointmentStatus
from clinics.models import VisitMode
from core import clock

_STATUS = {
    AppointmentStatus.PENDING: "TENTATIVE",
    AppointmentStatus.CANCELLED: "CANCELLED",
}


def calendar_file(visit: Appointment) -> bytes:
    """The visit in its own time zone, with nothing in it but when, where and with whom.

    The same UID each time, and a SEQUENCE that rises with each change: a later file replaces an
    earlier one. Calendars are shared with families, so neither reason nor personal link is in it.
    """
    zone = ZoneInfo(visit.timezone)
    event = Event()
    event.add("uid", str(visit.id))
    event.add("dtstamp", clock.now())
    event.add("last-modified", visit.updated_at)
    event.add("sequence", visit.version)
    event.add("dtstart", visit.starts_at.astimezone(zone))
    event.add("dtend", visit.ends_at.astimezone(zone))
    event.add("status", _STATUS.get(AppointmentStatus(visit.status), "CONFIRMED"))
    event.add("summary", _("Appointment: %(clinic)s") % {"clinic": visit.clinic.name})
    event.add("description", visit.doctor.display_name)
    event.add("location", vText(_place(visit)))
    event.add("class", "PRIVATE")
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Kairos//Kairos//EN")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    calendar.add_missing_timezones()
    return calendar.to_ical()


def _place(visit: Appointment) -> str:
    if visit.type != VisitMode.IN_PERSON or visit.location is None:
        return str(VisitMode(visit.type).label)
    parts = (visit.clinic.name, visit.location.name, visit.location.address, visit.location.city)
    return ", ".join(part for part in parts if part)
