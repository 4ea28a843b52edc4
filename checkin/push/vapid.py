"""Who pushes: the installation's key pair, and the proof of it for one push service (RFC 8292)."""

import base64
import binascii
from datetime import timedelta
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)

from checkin.push.encryption import point
from core import clock

#: A proof may be used for so long; push services accept a day at most.
GOOD_FOR: Final = timedelta(hours=1)


def new_private_key() -> str:
    """A fresh private key, as `VAPID_PRIVATE_KEY` takes it: 32 bytes in base64url."""
    number = generate_private_key(SECP256R1()).private_numbers().private_value
    return to_base64url(number.to_bytes(32, "big"))


def public_key(private: str) -> str:
    """What browsers subscribe with (`applicationServerKey`), in base64url. Raises ValueError."""
    return to_base64url(point(_key(private)))


def authorization(endpoint: str, *, private: str, subject: str) -> str:
    """The `Authorization` header for the push service of `endpoint`, good for an hour.

    `endpoint` is https on its usual port. `subject` is where its operator reaches ours: `mailto:`
    or `https:`. Raises ValueError.
    """
    claims = {
        "aud": f"https://{urlsplit(endpoint).hostname}",
        "exp": int((clock.now() + GOOD_FOR).timestamp()),
        "sub": subject,
    }
    proof = jwt.encode(claims, _key(private), algorithm="ES256")
    return f"vapid t={proof}, k={public_key(private)}"


def to_base64url(raw: bytes) -> str:
    """Without padding, as everything around Web Push is written."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    """With or without padding, nothing else. Raises ValueError."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


@cache
def _key(private: str) -> EllipticCurvePrivateKey:
    raw = from_base64url(private)
    if len(raw) != 32:
        raise ValueError("a VAPID key has 32 bytes")
    return derive_private_key(int.from_bytes(raw, "big"), SECP256R1())
