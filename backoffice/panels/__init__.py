"""One module for each group of tables; importing them registers their panels."""

from backoffice.panels import (
    appointments,
    busy_times,
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
    "busy_times",
    "clinics",
    "doctors",
    "merging",
    "patients",
    "schedules",
    "staff",
    "system",
    "trail",
]
