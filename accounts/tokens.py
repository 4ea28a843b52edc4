"""Access tokens: short-lived, signed JWTs (RFC 7519) that name the user and the device session."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from core import clock
from core.errors import ErrorCode, KairosError

_ALGORITHM = "HS256"
_AUDIENCE = "kairos-api"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Whom a valid access token speaks for."""

    user_id: UUID
    session_id: UUID


@cache
def _derived(secret: str) -> bytes:
    return salted_hmac("kairos.access-token", b"", secret=secret, algorithm="sha256").digest()


def issue_access(user_id: UUID, session_id: UUID) -> str:
    """A token good for `ACCESS_TOKEN_LIFETIME`."""
    now = clock.now()
    return jwt.encode(
        {
            "sub": str(user_id),
            "sid": str(session_id),
            "aud": _AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int((now + settings.ACCESS_TOKEN_LIFETIME).timestamp()),
        },
        _derived(settings.SECRET_KEY),
        algorithm=_ALGORITHM,
    )


def read_access(token: str) -> AccessClaims:
    """The claims of a token we signed. Raises TOKEN_EXPIRED, or TOKEN_REVOKED for any other fault.

    Whether the session still lives is asked of the database with the principal.
    """
    claims = _verified(token, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    try:
        expires = float(claims["exp"])
        found = AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise KairosError(ErrorCode.TOKEN_REVOKED, "This is not one of our tokens.") from None
    if expires <= clock.now().timestamp():
        raise KairosError(
            ErrorCode.TOKEN_EXPIRED,
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    return found


@lru_cache(maxsize=8192)
def _verified(token: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    """What a token says, its signature checked; the same token again need not be checked again."""
    for secret in secrets:
        try:
            return jwt.decode(
                token,
                _derived(secret),
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                # Expiry is compared with our own clock, not the library's.
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError:
            break
    raise KairosError(
        ErrorCode.TOKEN_REVOKED,
        "This is not one of our tokens.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def expires_in() -> int:
    """Seconds an access token lives."""
    return int(settings.ACCESS_TOKEN_LIFETIME.total_seconds())


def session_expiry(now: datetime) -> datetime:
    """Until when a device signed in or refreshed `now` may be refreshed."""
    return now + settings.REFRESH_TOKEN_LIFETIME
