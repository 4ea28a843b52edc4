"""How often a sign-in may be tried: for one address, and for one name from wherever."""

import hashlib

from django.conf import settings

from accounts.phones import normalise_phone
from core import limits


def sign_in_attempt(*, login: str, address: str | None) -> limits.Allowance:
    """Count one try to sign in as `login`; the API and the pages share the count.

    Raises RATE_LIMIT_EXCEEDED, and SERVICE_UNAVAILABLE where tries cannot be counted: guessing
    passwords must not become free.
    """
    count = settings.RATE_LIMITS["sign_in"]
    return _consume(
        limits.Limit(f"sign_in:address:{address or 'unknown'}", count),
        limits.Limit(f"sign_in:name:{_digest(_one_spelling(login))}", count),
    )


def refresh_attempt(*, refresh: str, address: str | None) -> limits.Allowance:
    """Count one exchange of a refresh token. Raises as `sign_in_attempt`.

    A token has 256 random bits, so nobody guesses one; the address is limited less tightly, since a
    whole clinic stands behind one address and each of its devices refreshes every few minutes.
    """
    return _consume(
        limits.Limit(f"refresh:address:{address or 'unknown'}", settings.RATE_LIMITS["public"]),
        limits.Limit(
            f"refresh:session:{_digest(refresh.partition('.')[0])}", settings.RATE_LIMITS["sign_in"]
        ),
    )


def _consume(*counted: limits.Limit) -> limits.Allowance:
    allowance = limits.consume(counted, fail_closed=True)
    if allowance is None:
        raise AssertionError("a limit that fails closed always counts")
    return allowance


def _one_spelling(login: str) -> str:
    """The many ways to write one name must share one count."""
    text = login.strip()
    if "@" in text:
        return text.casefold()
    return normalise_phone(text) or text


def _digest(name: str) -> str:
    """Names are personal data: the counters' keys do not hold them."""
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:32]
