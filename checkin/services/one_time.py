"""One-time codes: a phone number proven by the six digits that were sent to it.

Whoever asks for a code learns nothing about who is a patient, not even from the clock: asking looks
nobody up. A row and an event are written for every number alike; the worker that delivers them is
the first to look whether the clinic knows the number, and sends nothing where it does not.

The code is in no table, log or broker in clear: its hash is kept, and the event carries number and
code sealed with a key of the installation, to be opened once, within the five minutes it is good.
"""

import base64
import hmac
import secrets
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from checkin.models import OneTimeCode
from clinics.models import Clinic, Patient
from clinics.principal import Principal, guest
from clinics.selectors.patients import patients_search
from clinics.services.contact import phone_in
from core import clock, journal, limits, sms, tenancy
from core.errors import ErrorCode, KairosError, invalid
from core.sms import Message

GOOD_FOR: Final = timedelta(minutes=5)
MOST_TRIES: Final = 5
#: Codes that one number may be sent in an hour, so that nobody is rung awake or guessed at length.
MOST_AN_HOUR: Final = 5
DIGITS: Final = 6
TOPIC: Final = "checkin.code_asked"
_HOUR: Final = timedelta(hours=1)
_MOST_CHARTS: Final = 50


def one_time_is_offered() -> bool:
    """Whether text messages can be sent from here at all."""
    return sms.is_configured()


def one_time_send(*, clinic: Clinic, phone: str, address: str | None) -> None:
    """Send a code to the number, if a patient of the clinic has it. The answer is always the same.

    Replaces the code that was sent before. Raises VALIDATION_ERROR for what is no phone number,
    RATE_LIMIT_EXCEEDED (for the address, or for the number, known or not).
    """
    number = _number(clinic, phone)
    limits.consume([_limit("ask", address)])
    digest = _phone_digest(clinic.id, number)
    now = clock.now()
    recent = OneTimeCode.objects.filter(
        clinic_id=clinic.id, phone_digest=digest, created_at__gt=now - _HOUR
    ).count()
    if recent >= MOST_AN_HOUR:
        raise KairosError(
            ErrorCode.RATE_LIMIT_EXCEEDED,
            _("Too many codes were asked for this number. Try again in an hour."),
            headers={"Retry-After": str(int(_HOUR.total_seconds()))},
        )
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    row = OneTimeCode(
        clinic_id=clinic.id, phone_digest=digest, created_at=now, expires_at=now + GOOD_FOR
    )
    row.code_hash = _code_hash(row.id, code)
    row.save(force_insert=True)
    message = {
        "id": str(row.id),
        "clinic": str(clinic.id),
        "phone": number,
        "code": code,
        "language": translation.get_language() or settings.LANGUAGE_CODE,
    }
    journal.record(
        journal.Act(
            action="checkin.code_asked",
            entity="checkin.OneTimeCode",
            entity_id=row.id,
            clinic_id=clinic.id,
            topic=TOPIC,
            payload={"sealed": _sealed(message)},
        )
    )


def one_time_prove(*, clinic: Clinic, phone: str, code: str) -> Principal | None:
    """Who has shown the code: a guest with the charts of that number in the clinic.

    None when it is wrong, over or used: the same for all. A wrong try is counted in the caller's
    transaction, so the caller must let it commit: show the form again, raise nothing. Raises
    VALIDATION_ERROR for what is no phone number.
    """
    number = _number(clinic, phone)
    typed = _digits(code)
    now = clock.now()
    row = (
        OneTimeCode.objects.select_for_update(no_key=True)
        .filter(clinic_id=clinic.id, phone_digest=_phone_digest(clinic.id, number))
        .order_by("-id")
        .first()
    )
    if row is None or row.used_at is not None or row.expires_at <= now or row.tries >= MOST_TRIES:
        return None
    if not hmac.compare_digest(bytes(row.code_hash), _code_hash(row.id, typed)):
        row.tries += 1
        row.save(update_fields=["tries"])
        return None
    row.used_at = now
    row.save(update_fields=["used_at"])
    charts = _charts(clinic.id, number)
    journal.record(
        journal.Act(
            action="checkin.code_shown",
            entity="checkin.OneTimeCode",
            entity_id=row.id,
            clinic_id=clinic.id,
            subjects=sorted(charts),
        )
    )
    return phone_guest(_guest_id(clinic.id, number), clinic=clinic.id, charts=charts)


def phone_guest(guest_id: UUID, *, clinic: UUID, charts: frozenset[UUID]) -> Principal:
    """The guest who has proven a phone number that these charts have. The id is the number's own,
    so that what they send twice is known to be the same."""
    return replace(guest(guest_id), charts={clinic: charts} if charts else {})


def prove_attempt(*, address: str | None) -> None:
    """Count a try from an address, whatever number it is about. Raises RATE_LIMIT_EXCEEDED."""
    limits.consume([_limit("prove", address)])


def one_time_message(*, sealed: str) -> Message | None:
    """What an event asks to be sent, read in its clinic's scope.

    None: the code is over by now, or nobody in the clinic has the number.
    """
    asked = _opened(sealed)
    if asked is None:
        return None
    clinic = Clinic.objects.filter(pk=asked["clinic"], is_active=True).first()
    if clinic is None or not _charts(clinic.id, asked["phone"]):
        return None
    with translation.override(asked["language"]):
        text = _(
            "%(code)s is your code to check in at %(clinic)s. It is good for 5 minutes."
            " Tell it to nobody else."
        ) % {"code": asked["code"], "clinic": clinic.name}
    return Message(asked["phone"], text, asked["id"])


def one_time_prune() -> int:
    """Forget codes that are over since more than an hour; the caps need no older ones."""
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        return OneTimeCode.objects.filter(expires_at__lt=clock.now() - _HOUR).delete()[0]


def _number(clinic: Clinic, phone: str) -> str:
    number = phone_in(clinic.country, phone)
    if not number:
        raise invalid("phone", _("Write your phone number."))
    return number


def _charts(clinic: UUID, number: str) -> frozenset[UUID]:
    found = patients_search([clinic], number, limit=_MOST_CHARTS)
    return frozenset(
        patient.id
        for patient in found
        if isinstance(patient, Patient) and patient.phone == number and patient.is_active
    )


def _limit(act: str, address: str | None) -> limits.Limit:
    return limits.Limit(f"one_time:{act}:{address or 'unknown'}", settings.RATE_LIMITS["one_time"])


def _digits(text: str) -> str:
    """The digits that were typed, in whatever script, without what stands between them."""
    found = (unicodedata.decimal(character, None) for character in text[:40])
    return "".join(str(digit) for digit in found if digit is not None)


def _phone_digest(clinic: UUID, number: str) -> bytes:
    return _keyed("phone", f"{clinic}:{number}")


def _guest_id(clinic: UUID, number: str) -> UUID:
    return UUID(bytes=_keyed("guest", f"{clinic}:{number}")[:16])


def _code_hash(row: UUID, code: str) -> bytes:
    return _keyed("code", f"{row}:{code}")


def _keyed(purpose: str, text: str) -> bytes:
    return salted_hmac(f"checkin.one_time.{purpose}", text, algorithm="sha256").digest()


def _seal() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet(
        [
            Fernet(
                base64.urlsafe_b64encode(
                    salted_hmac(
                        "checkin.one_time.seal", b"", secret=key, algorithm="sha256"
                    ).digest()
                )
            )
            for key in keys
        ]
    )


def _sealed(message: dict[str, str]) -> str:
    at = int(clock.now().timestamp())
    plain = orjson.dumps({**message, "until": at + int(GOOD_FOR.total_seconds())})
    return _seal().encrypt(plain).decode()


def _opened(sealed: str) -> dict[str, Any] | None:
    try:
        message: dict[str, Any] = orjson.loads(_seal().decrypt(sealed.encode()))
    except InvalidToken:
        return None
    return message if message["until"] > clock.now().timestamp() else None
