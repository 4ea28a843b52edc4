"""What stands where patients arrive, for the walk: one of each in a clinic, made when asked for."""

from typing import Any
from uuid import uuid4

from checkin.models import AlertKind, CheckInAlert, CheckInDevice, CheckInLocation, DeviceKind
from clinics.models import Clinic
from core import tenancy
from core.models import Entity


def point_of(world: Any) -> dict[str, Any]:
    return _of(world, "point_id", CheckInLocation, name="Entrance")


def device_of(world: Any) -> dict[str, Any]:
    return _of(world, "device_id", CheckInDevice, name="Tablet", kind=DeviceKind.KIOSK)


def alert_of(world: Any) -> dict[str, Any]:
    return _of(world, "alert_id", CheckInAlert, kind=AlertKind.MANY_REFUSALS, source_id=uuid4())


def _of(world: Any, key: str, model: Any, **fields: Any) -> dict[str, Any]:
    if not isinstance(getattr(world, "clinic", None), Clinic):
        return {key: uuid4()}
    with tenancy.scope(tenancy.SYSTEM):
        row = model.objects.filter(clinic=world.clinic).first()
        if row is None:
            if issubclass(model, Entity):
                fields["location"] = world.location
            row = model.objects.create(clinic=world.clinic, **fields)
    return {key: row.id}
