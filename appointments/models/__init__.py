"""The tables of the calendar: visits, what occupies time, and series of visits."""

from appointments.models.series import (
    MAX_SERIES_VISITS,
    AppointmentSeries,
    ClashPolicy,
    SeriesSkip,
    SeriesStatus,
)
from appointments.models.visits import (
    OPEN,
    Appointment,
    AppointmentEvent,
    AppointmentStatus,
    BusyTime,
    Claim,
    ImportedRow,
    LaneRange,
    PatientMerge,
    Priority,
    Source,
    Verb,
)

__all__ = [
    "MAX_SERIES_VISITS",
    "OPEN",
    "Appointment",
    "AppointmentEvent",
    "AppointmentSeries",
    "AppointmentStatus",
    "BusyTime",
    "Claim",
    "ClashPolicy",
    "ImportedRow",
    "LaneRange",
    "PatientMerge",
    "Priority",
    "SeriesSkip",
    "SeriesStatus",
    "Source",
    "Verb",
]
