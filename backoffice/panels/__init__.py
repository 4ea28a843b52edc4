"""One module for each group of tables; importing them registers their panels."""

from backoffice.panels import (
    appointments,
    arrivals,
    busy_times,
    checkin_places,
    clinics,
    doctors,
    merging,
    patients,
    schedules,
    staff,
    system,
    trail,
)

__all__ = [
    "appointments",
    "arrivals",
    "busy_times",
    "checkin_places",
    "clinics",
    "doctors",
    "merging",
    "patients",
    "schedules",
    "staff",
    "system",
    "trail",
]
