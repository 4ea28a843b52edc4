"""Devices that stand where patients arrive: made, paired once with a code, lent, revoked at once.

A device proves itself by a token that names its clinic and itself and carries a secret; only its
SHA-256 is kept. Its rights are those of `checkin.sources`: to check in at its own location, and to
see what its page shows.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.roles import Permission
from checkin.live import device_changed
from checkin.models import CheckInDevice, CheckInLocation, DeviceKind
from clinics.models import Clinic, Location
from clinics.principal import Principal
from clinics.services.changes import check, explained, locked, record, require_same_clinic
from core import clock, context, limits, tenancy, versions
from core.errors import ErrorCode, KairosError, invalid

#: How long a pairing code may be typed in.
PAIRING_LASTS: Final = timedelta(minutes=15)
#: How long a phone that staff lend is a scanner.
LENT_FOR: Final = timedelta(hours=12)
#: `last_seen_at` is no newer than this: writing it with each scan would cost more than it tells.
SEEN_EVERY: Final = timedelta(minutes=1)
#: Crockford's letters without 0 and 1 too: nothing on a small screen is taken for something else.
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
PAIRING_LENGTH: Final = 8
_SECRET_BYTES: Final = 24
_TOKEN_BYTES: Final = 16 + 16 + _SECRET_BYTES
_LONGEST_TOKEN: Final = 100
_SALT: Final = "checkin.pairing"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says of itself; nothing is proven by it yet."""

    clinic_id: UUID
    device_id: UUID


def device_make(
    *,
    by: Principal,
    clinic: Clinic,
    location: Location,
    kind: str,
    name: str,
    point: CheckInLocation | None = None,
) -> tuple[CheckInDevice, str]:
    """A device that waits to be paired, and the code to pair it with: it is shown this once.

    `point` is the check-in location whose changing code a screen shows. Raises PERMISSION_DENIED,
    VALIDATION_ERROR, and NOT_FOUND for a place of another clinic.
    """
    by.require(Permission.CHECKIN_PLACES_WRITE, clinic.id)
    require_same_clinic(clinic.id, location=location, point=point)
    if not location.is_active:
        raise invalid("location", _("This location is not active."))
    if point is not None and (point.location_id != location.id or point.deleted_at is not None):
        raise invalid("point", _("This check-in place is at another location."))
    code = _new_code()
    device = CheckInDevice(
        clinic=clinic,
        location=location,
        point=point,
        kind=kind,
        name=name.strip(),
        paired_by_id=by.account,
        pairing_hash=_code_hash(code),
        pairing_expires_at=clock.now() + PAIRING_LASTS,
    )
    _write_new(device, "checkin_device.made")
    return device, code


def device_code_renew(
    *, by: Principal, device_id: UUID, expected_version: int | None = None
) -> tuple[CheckInDevice, str]:
    """A new pairing code for a device: the old one ran out, or its browser lost what it knew.

    A device that is paired stays so until the new code is used. Raises NOT_FOUND,
    PERMISSION_DENIED, PRECONDITION_FAILED, and CONFLICT for a device that is revoked or lent.
    """
    device = locked(CheckInDevice, device_id, expected_version=expected_version)
    by.require(Permission.CHECKIN_PLACES_WRITE, device.clinic_id)
    if device.revoked_at is not None or device.expires_at is not None:
        raise KairosError(ErrorCode.CONFLICT, _("This device cannot be paired any more."))
    code = _new_code()
    device.pairing_hash = _code_hash(code)
    device.pairing_expires_at = clock.now() + PAIRING_LASTS
    device.paired_by_id = by.account
    versions.save(device, ["pairing_hash", "pairing_expires_at", "paired_by"])
    record(device, "checkin_device.code_renewed", {})
    return device, code


def device_pair(*, pairing_code: str) -> tuple[CheckInDevice, str]:
    """Pair whoever types the code, and give them the token: it cannot be had again.

    Of two that come with one code, one is paired. Leaves the device's clinic alone in scope when
    called inside a scope. Raises INVALID_CREDENTIALS, the same for a code that is wrong, used or
    over, and RATE_LIMIT_EXCEEDED: it is counted for each address, also where Valkey is dead.
    """
    here = context.current()
    address = here.address or "unknown"
    counted = limits.Limit(f"pairing:ip:{address}", settings.RATE_LIMITS["pairing"])
    limits.consume([counted], fail_closed=True)
    now = clock.now()
    hashed = _code_hash(_typed(pairing_code))
    with tenancy.scope(tenancy.SYSTEM):
        waiting = CheckInDevice.objects.filter(
            pairing_hash=hashed,
            pairing_expires_at__gt=now,
            revoked_at=None,
            clinic__is_active=True,
            location__is_active=True,
        )
        found = waiting.values_list("id", "clinic_id").first()
        if found is None:
            raise _not_paired()
        device_id, clinic_id = found
        token = _new_token(clinic_id, device_id)
        # The one statement that decides: who comes second finds the hash gone.
        if not CheckInDevice.objects.filter(pk=device_id, pairing_hash=hashed).update(
            pairing_hash=None,
            pairing_expires_at=None,
            token_hash=_token_hash(token),
            paired_at=now,
            last_seen_at=now,
            last_address=here.address,
            slowed_until=None,
        ):
            raise _not_paired()
        tenancy.narrow([clinic_id])
        device = _found(device_id)
        versions.save(device, [])
        here.actor_id = here.actor_id or device.id
        device_changed(device.id)  # who held its former token
        record(device, "checkin_device.paired", {"paired_at": [None, now]})
    if connection.in_atomic_block:
        tenancy.narrow([clinic_id])
    return device, token


def device_lend(
    *, by: Principal, clinic: Clinic, location: Location, name: str = ""
) -> tuple[CheckInDevice, str]:
    """Make the phone of somebody of the staff a scanner of `location`, for `LENT_FOR`.

    Gives the device and its token. Raises PERMISSION_DENIED without CHECKIN_RUN over the clinic,
    NOT_FOUND for a location of another clinic, VALIDATION_ERROR for one that is closed.
    """
    by.require(Permission.CHECKIN_RUN, clinic.id)
    require_same_clinic(clinic.id, location=location)
    if not location.is_active:
        raise invalid("location", _("This location is not active."))
    now = clock.now()
    device = CheckInDevice(
        clinic=clinic,
        location=location,
        kind=DeviceKind.SCANNER,
        name=name.strip()[:120] or _("Phone of the staff"),
        paired_by_id=by.account,
        paired_at=now,
        expires_at=now + LENT_FOR,
        last_seen_at=now,
        last_address=context.current().address,
    )
    token = _new_token(clinic.id, device.id)
    device.token_hash = _token_hash(token)
    _write_new(device, "checkin_device.lent")
    return device, token


def device_revoke(
    *, by: Principal, device_id: UUID, expected_version: int | None = None
) -> CheckInDevice:
    """End a device: its token and its code are worth nothing from the next request on.

    Who lent a phone may end it too. A device that is revoked already stays as it is. Raises
    NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED.
    """
    device = locked(CheckInDevice, device_id, expected_version=expected_version)
    lender = device.expires_at is not None and device.paired_by_id == by.account
    if not (lender and by.is_staff_in(device.clinic_id)):
        by.require(Permission.CHECKIN_PLACES_WRITE, device.clinic_id)
    _end(device, by=by.account)
    return device


def device_return(*, device: CheckInDevice) -> None:
    """End a lent phone from the phone itself. Raises PERMISSION_DENIED for any other device."""
    if device.expires_at is None:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    _end(locked(CheckInDevice, device.id, expected_version=None), by=None)


def device_by_token(token: str) -> CheckInDevice:
    """The live device whose token this is, with its `clinic`, `location` and `point`.

    Leaves its clinic alone in scope, for the rest of the surrounding scope, in which it has to be
    called. Notes when and where the device was last seen, at most once a minute. Raises
    DEVICE_REVOKED, the same for a token that is forged, unknown, revoked or over.
    """
    named = token_read(token)
    if named is None:
        raise _revoked()
    tenancy.narrow([named.clinic_id])
    device = _found(named.device_id)
    now = clock.now()
    if (
        device is None
        or not hmac.compare_digest(bytes(device.token_hash or b""), _token_hash(token))
        or not device.is_live(now)
        or not device.clinic.is_active
        or not device.location.is_active
    ):
        tenancy.narrow([])
        raise _revoked()
    if device.last_seen_at is None or device.last_seen_at <= now - SEEN_EVERY:
        _see(device)
    return device


def token_read(token: str) -> Token | None:
    """What a text says if it has the form of a token; None for everything else."""
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TOKEN_BYTES:
        return None
    return Token(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]))


def code_shown(code: str) -> str:
    """A pairing code as people read it: in two groups."""
    half = PAIRING_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def _end(device: CheckInDevice, *, by: UUID | None) -> None:
    if device.revoked_at is not None:
        return
    device.revoked_at = clock.now()
    device.revoked_by_id = by
    device.token_hash = device.pairing_hash = device.pairing_expires_at = None
    fields = ["revoked_at", "revoked_by", "token_hash", "pairing_hash", "pairing_expires_at"]
    versions.save(device, fields)
    device_changed(device.id)
    record(device, "checkin_device.revoked", {"revoked_at": [None, device.revoked_at]})


def _found(device_id: UUID) -> Any:
    related = ("clinic", "location", "point")
    return CheckInDevice.objects.select_related(*related).filter(pk=device_id).first()


def _see(device: CheckInDevice) -> None:
    """Note that the device was here. A request beside this one that does the same is not awaited.

    It is no change of the device, so its version stays.
    """
    device.last_seen_at = clock.now()
    device.last_address = context.current().address
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE checkin_checkindevice SET last_seen_at = %s,"
            " last_address = COALESCE(%s::inet, last_address) WHERE id ="
            " (SELECT id FROM checkin_checkindevice WHERE id = %s"
            " FOR NO KEY UPDATE SKIP LOCKED)",
            [device.last_seen_at, device.last_address, device.id],
        )


def _write_new(device: CheckInDevice, action: str) -> None:
    check(device)
    with explained(CheckInDevice):
        device.save(force_insert=True)
    said = {
        "kind": [None, device.kind],
        "name": [None, device.name],
        "location": [None, device.location_id],
        "point": [None, device.point_id],
        "expires_at": [None, device.expires_at],
    }
    record(device, action, said)


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(PAIRING_LENGTH))


def _typed(code: str) -> str:
    """A code as it was meant: in any case, with whatever stands between its groups."""
    return "".join(letter for letter in code[:40].upper() if letter.isalnum())


def _code_hash(code: str) -> bytes:
    """Keyed: forty bits alone could be found again from a copy of the database."""
    return salted_hmac(_SALT, code, algorithm="sha256").digest()


def _new_token(clinic_id: UUID, device_id: UUID) -> str:
    raw = clinic_id.bytes + device_id.bytes + secrets.token_bytes(_SECRET_BYTES)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _token_hash(token: str) -> bytes:
    """SHA-256 is enough: the secret has 192 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


def _not_paired() -> KairosError:
    return KairosError(
        ErrorCode.INVALID_CREDENTIALS,
        _("This code is not right, or its time is over. Ask for a new one."),
    )


def _revoked() -> KairosError:
    return KairosError(ErrorCode.DEVICE_REVOKED, status=401, headers={"WWW-Authenticate": "Device"})
