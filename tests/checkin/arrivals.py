"""Visits of today, devices, and scans: what tests of arrival are made of."""

import itertools
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from appointments.models import Appointment, BusyTime, Claim
from appointments.models import Source as BookedBy
from checkin.codes import Kind, code_of
from checkin.models import CheckInDevice, CheckInLocation, CheckInMethod, DeviceKind
from checkin.services.arrival import Asked, check_in
from checkin.sources import Source, device_source
from clinics.models import Location, Patient
from core import clock, tenancy
from tests.appointments.scene import House

_numbers = itertools.count(1)


def visit(
    house: House,
    minutes: float = 0,
    *,
    chart: Patient | None = None,
    status: str = "CONFIRMED",
    **fields: Any,
) -> Appointment:
    """A visit that begins so many minutes from now. Past what booking would allow, if need be."""
    starts = clock.now() + timedelta(minutes=minutes)
    values = {
        "clinic": house.clinic,
        "location": house.location,
        "doctor": house.doctor,
        "patient": chart or house.add_chart(),
        "service": house.service,
        "type": "IN_PERSON",
        "status": status,
        "starts_at": starts,
        "ends_at": starts + timedelta(minutes=30),
        "timezone": house.location.timezone,
        "source": BookedBy.IMPORT,
    } | fields
    if values["status"] == "CANCELLED":
        values["cancelled_at"] = clock.now()
    with tenancy.scope(tenancy.SYSTEM):
        made = Appointment.objects.create(**values)
        if made.is_open or made.status == "NO_SHOW":
            BusyTime.objects.create(
                clinic=house.clinic,
                doctor_id=made.doctor_id,
                lane=next(_numbers) % 10_000,
                kind=Claim.BOOKED,
                appointment=made,
                period=(made.starts_at, made.ends_at),
                visit=(made.starts_at, made.ends_at),
            )
    return made


def pass_of(visit: Appointment) -> str:
    """The code that the visit's patient shows."""
    return code_of(Kind.PASS, clinic=visit.clinic_id, subject=visit.id)


def device(
    house: House, kind: str = DeviceKind.SCANNER, location: Location | None = None, **fields: Any
) -> CheckInDevice:
    """A paired device, without a token."""
    with tenancy.scope(tenancy.SYSTEM):
        return CheckInDevice.objects.create(
            clinic=house.clinic,
            location=location or house.location,
            kind=kind,
            name=f"Device {next(_numbers)}",
            **fields,
        )


def point(house: House, **fields: Any) -> CheckInLocation:
    """A check-in location of the house."""
    values = {"location": house.location, "name": f"Entrance {next(_numbers)}"} | fields
    with tenancy.scope(tenancy.SYSTEM):
        return CheckInLocation.objects.create(clinic=house.clinic, **values)


def poster_of(point: CheckInLocation) -> str:
    return code_of(Kind.POSTER, clinic=point.clinic_id, subject=point.id, number=point.generation)


def nonce() -> str:
    return f"nonce-{next(_numbers):08d}"


def scan(
    source: Source | CheckInDevice,
    code: str,
    *,
    method: CheckInMethod = CheckInMethod.QR_STAFF,
    **fields: Any,
) -> dict[str, Any]:
    """Ask to check in; the answer."""
    if isinstance(source, CheckInDevice):
        source = device_source(source)
    asked = Asked(code=code, nonce=fields.pop("nonce", None) or nonce(), **fields)
    with tenancy.scope([source.device.clinic_id] if source.device else ()):
        return check_in(source=source, asked=asked, method=method)


def of_clinic(house: House, model: Any, **wanted: Any) -> list[Any]:
    """The clinic's rows."""
    with tenancy.scope([house.clinic.id]):
        return list(model.objects.filter(**wanted))


def at(moment: datetime) -> str:
    return moment.isoformat()


def ids(*visits: Appointment) -> tuple[UUID, ...]:
    return tuple(one.id for one in visits)
