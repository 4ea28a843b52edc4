"""Devices and alerts: who may read them, and what the desk shows."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.roles import Permission
from checkin.models import CheckInAlert, CheckInDevice
from clinics.principal import Principal

#: How long a device that has ended is still listed.
_ENDED_SHOWN: Final = timedelta(days=2)


def devices_visible_to(principal: Principal) -> QuerySet[CheckInDevice]:
    """The devices of the clinics whose check-in places the principal may read."""
    found = CheckInDevice.objects.select_related("location", "point", "paired_by")
    if principal.is_super_admin:
        return found
    return found.filter(clinic_id__in=principal.clinics_with(Permission.CHECKIN_PLACES_READ))


def devices_present(
    principal: Principal, clinic_id: UUID, now: datetime
) -> QuerySet[CheckInDevice]:
    """The clinic's devices, but for those that ended (revoked, or lent and over) some time ago."""
    since = now - _ENDED_SHOWN
    return (
        devices_visible_to(principal)
        .filter(
            Q(revoked_at=None) | Q(revoked_at__gt=since),
            Q(expires_at=None) | Q(expires_at__gt=since),
            clinic_id=clinic_id,
        )
        .order_by("location__name", "kind", "name", "id")
    )


def alerts_visible_to(principal: Principal) -> QuerySet[CheckInAlert]:
    """What looked odd, in the clinics whose check-in places the principal may read."""
    found = CheckInAlert.objects.select_related("device", "device__location", "seen_by")
    if principal.is_super_admin:
        return found
    return found.filter(clinic_id__in=principal.clinics_with(Permission.CHECKIN_PLACES_READ))


def alerts_open(principal: Principal, clinic_id: UUID) -> QuerySet[CheckInAlert]:
    """The clinic's alerts that nobody has looked at, the newest first."""
    return alerts_visible_to(principal).filter(clinic_id=clinic_id, seen_at=None).order_by("-id")


def device_state(device: CheckInDevice, now: datetime) -> str:
    """What became of a device, as a word that pages know: `live`, `waiting`, `late` (its code
    ran out before it was paired), `over` or `revoked`."""
    if device.revoked_at is not None:
        return "revoked"
    if device.token_hash is None:
        expires = device.pairing_expires_at
        return "waiting" if expires is not None and expires > now else "late"
    return "live" if device.is_live(now) else "over"
