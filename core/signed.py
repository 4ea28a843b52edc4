"""Signed names of a row: what personal links are made of.

A token cannot be guessed or made up, and is the same each time it is made. What it opens, and until
when, is said by the row that it names; each kind has a salt of its own, so that none opens
another's door.
"""

import base64
import binascii
from typing import Final
from uuid import UUID

from django.core import signing

from core.errors import ErrorCode, KairosError

_MAX_LENGTH: Final = 200


def sign(salt: str, clinic: UUID, row: UUID) -> str:
    """A token that names a row of a clinic."""
    raw = base64.urlsafe_b64encode(clinic.bytes + row.bytes).decode().rstrip("=")
    return signing.Signer(salt=salt, sep=".").sign(raw)


def read(salt: str, token: str) -> tuple[UUID, UUID]:
    """The clinic and the row that a token names. Raises NOT_FOUND for what we have not signed."""
    try:
        if len(token) > _MAX_LENGTH:
            raise signing.BadSignature
        body = signing.Signer(salt=salt, sep=".").unsign(token)
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return UUID(bytes=raw[:16]), UUID(bytes=raw[16:])
    except (signing.BadSignature, binascii.Error, ValueError):
        raise KairosError(ErrorCode.NOT_FOUND) from None
