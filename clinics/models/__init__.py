"""Tables of the clinics floor."""

from clinics.models.clinic import Clinic, ClinicGroupPermission, Location, Membership, Room
from clinics.models.people import Channel, Doctor, Patient, PatientProxy, Profession, Sex
from clinics.models.schedule import (
    ExceptionKind,
    ScheduleException,
    ScheduleTemplate,
    Service,
    VisitMode,
    Weekday,
)

__all__ = [
    "Channel",
    "Clinic",
    "ClinicGroupPermission",
    "Doctor",
    "ExceptionKind",
    "Location",
    "Membership",
    "Patient",
    "PatientProxy",
    "Profession",
    "Room",
    "ScheduleException",
    "ScheduleTemplate",
    "Service",
    "Sex",
    "VisitMode",
    "Weekday",
]
