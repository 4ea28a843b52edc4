"""What can be imported and exported, and who may."""

from dataclasses import dataclass
from typing import Any

from accounts.roles import Permission
from backoffice.models import TransferKind
from backoffice.transfer.appointments import AppointmentImporter
from backoffice.transfer.columns import (
    AppointmentColumns,
    Columns,
    DoctorColumns,
    HoursColumns,
    PatientColumns,
    ServiceColumns,
)
from backoffice.transfer.doctors import DoctorImporter
from backoffice.transfer.hours import HoursImporter
from backoffice.transfer.importer import Importer
from backoffice.transfer.patients import PatientImporter
from backoffice.transfer.services import ServiceImporter


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file. The rights are over the whole clinic.

    Exports of patients and appointments take the right to run the clinic: reading charts one by one
    is everybody's work, a whole register leaving the house is an administrator's act.
    """

    kind: TransferKind
    columns: Columns
    importer: type[Importer[Any]]
    import_right: Permission
    export_right: Permission

    def named_columns(self) -> list[dict[str, str]]:
        """The columns by name: `*` for those that are needed, `°` where one of several is."""
        marks = {
            name: "*" if len(group) == 1 else "°"
            for group in self.columns.required
            for name in group
        }
        return [{"name": name, "mark": marks.get(name, "")} for name in self.columns.fields]


KINDS: dict[str, Kind] = {
    kind.kind.value: kind
    for kind in (
        Kind(
            TransferKind.PATIENTS,
            PatientColumns(),
            PatientImporter,
            Permission.PATIENT_WRITE,
            Permission.CLINIC_MANAGE,
        ),
        Kind(
            TransferKind.DOCTORS,
            DoctorColumns(),
            DoctorImporter,
            Permission.STAFF_MANAGE,
            Permission.STAFF_MANAGE,
        ),
        Kind(
            TransferKind.HOURS,
            HoursColumns(),
            HoursImporter,
            Permission.SCHEDULE_WRITE,
            Permission.SCHEDULE_READ,
        ),
        Kind(
            TransferKind.SERVICES,
            ServiceColumns(),
            ServiceImporter,
            Permission.CLINIC_MANAGE,
            Permission.CLINIC_MANAGE,
        ),
        Kind(
            TransferKind.APPOINTMENTS,
            AppointmentColumns(),
            AppointmentImporter,
            Permission.CLINIC_MANAGE,
            Permission.CLINIC_MANAGE,
        ),
    )
}


def kind_of(name: str) -> Kind:
    """The kind of that name. Raises KeyError: names are checked where they come in."""
    return KINDS[name]
