"""What a QR code of ours says: signed, opaque, short, and nothing about a person.

    kind (1 byte) · clinic (16) · subject (16) · number (4) · signature (10), in base32

All of it is capital letters and digits, so that a QR code holds it in its densest mode and a hand
scanner that types with Caps Lock still types it right. Three kinds:

- `POSTER`: a check-in location; `number` is the generation of its code.
- `SCREEN`: a check-in location whose code changes; `number` is the period of time it is of.
- `PASS`: one visit, shown by its patient to a scanner of the clinic. It only checks in.

A code is an address too (`/Q/<code>`), which a phone's own camera opens. 80 bits of signature,
tried over the network against a rate limit, are not guessed.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from core.errors import ErrorCode, KairosError

#: How long one code of a screen is shown.
PERIOD: Final = timedelta(seconds=60)
#: For how many periods before and after its own such a code is taken: slow hands, skewed clocks.
PERIODS_OF_GRACE: Final = 1
_SIGNATURE: Final = 10
_BYTES: Final = 1 + 16 + 16 + 4 + _SIGNATURE
LENGTH: Final = -(-_BYTES * 8 // 5)
_CODE: Final = re.compile(rf"(?:^|/)([A-Z2-7]{{{LENGTH}}})/?$")
_LONGEST: Final = 400
_SALT: Final = "checkin.codes"


class Kind(IntEnum):
    POSTER = 1
    SCREEN = 2
    PASS = 3


@dataclass(frozen=True, slots=True)
class Code:
    """A code of ours, its signature proven. What it names may be gone or over all the same."""

    kind: Kind
    clinic_id: UUID
    subject_id: UUID
    number: int

    @property
    def is_point(self) -> bool:
        """Whether it names a check-in location."""
        return self.kind != Kind.PASS


def code_of(kind: Kind, *, clinic: UUID, subject: UUID, number: int = 0) -> str:
    """The code, as it stands in a QR code's address or alone."""
    body = bytes([kind]) + clinic.bytes + subject.bytes + number.to_bytes(4, "big")
    return base64.b32encode(body + _signature(body, settings.SECRET_KEY)).decode().rstrip("=")


def read_code(text: str) -> Code:
    """What a scanned text says: a bare code or an address that ends in one, in any case.

    Raises INVALID_QR_CODE for everything else: another shop's bar code, a forged one, noise.
    """
    found = _CODE.search(text.strip().upper()) if len(text) <= _LONGEST else None
    if found is None:
        raise KairosError(ErrorCode.INVALID_QR_CODE)
    try:
        raw = base64.b32decode(found[1] + "=" * (-LENGTH % 8))
        body, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
        kind = Kind(body[0])
    except (binascii.Error, ValueError):
        raise KairosError(ErrorCode.INVALID_QR_CODE) from None
    if not any(
        hmac.compare_digest(signature, _signature(body, key))
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ):
        raise KairosError(ErrorCode.INVALID_QR_CODE)
    return Code(
        kind,
        UUID(bytes=body[1:17]),
        UUID(bytes=body[17:33]),
        int.from_bytes(body[33:37], "big"),
    )


def period_at(moment: datetime) -> int:
    """The number of the period that a screen's code of this moment carries."""
    return int(moment.timestamp() // PERIOD.total_seconds())


def period_is_near(number: int, moment: datetime) -> bool:
    """Whether a screen's code is of the moment, give or take the grace."""
    return abs(period_at(moment) - number) <= PERIODS_OF_GRACE


def _signature(body: bytes, secret: str) -> bytes:
    return salted_hmac(_SALT, body, secret=secret, algorithm="sha256").digest()[:_SIGNATURE]
