"""Text messages, through the HTTP gateway that the installation names.

The gateway gets `{"to", "text", "sender", "id"}` as JSON with a bearer token, and answers any 2xx
once it has taken the message. `id` is the same at every try: it sends a message it knows only once.
Neither the number nor the text is ever logged.
"""

import re
import threading
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from core import outgoing
from core.errors import ErrorCode, KairosError, invalid

log = structlog.get_logger(__name__)

#: Seconds for one try, and the pauses between tries.
TIMEOUT: Final = 5.0
PAUSES: Final = (0.5, 2.0)
_MAX_TEXT: Final = 1000
_MAX_KEY: Final = 100
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_wait = threading.Event().wait


@dataclass(frozen=True, slots=True)
class Message:
    """A text message that is to go out. The same `key` is the same message."""

    to: str
    text: str
    key: str


def is_configured() -> bool:
    """Whether this installation can send text messages."""
    return bool(settings.SMS_URL)


def send(*, to: str, text: str, key: str) -> None:
    """Hand one message to the gateway; returns when it has taken it.

    `to` is a number as +491701234567. `key` names the message (an event's id, nothing personal):
    the same key again is the same message. Tries three times, some 18 seconds at the worst: call it
    from a job, not from a request. Raises SERVICE_UNAVAILABLE (not set up, or the gateway did not
    take it now: try later) and VALIDATION_ERROR (it never will).
    """
    if not is_configured():
        raise KairosError(
            ErrorCode.SERVICE_UNAVAILABLE, _("Text messages are not set up here: SMS_URL is empty.")
        )
    _check(to, text, key)
    body = orjson.dumps({"to": to, "text": text, "sender": settings.SMS_SENDER, "id": key})
    headers = {
        "Authorization": f"Bearer {settings.SMS_TOKEN}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    reason = ""
    for pause in (0.0, *PAUSES):
        _wait(pause)
        try:
            status = outgoing.post(
                settings.SMS_URL, body=body, headers=headers, seconds=TIMEOUT
            ).status
        except (outgoing.Unreachable, outgoing.Forbidden) as error:
            reason = str(error)
        else:
            if 200 <= status < 300:
                return
            reason = str(status)
            if status in {400, 404, 413, 422}:
                log.warning("text message refused", key=key, status=status)
                raise invalid("to", _("The text message cannot be delivered to this number."))
            if status < 500 and status not in {408, 425, 429}:
                break  # the gateway does not know us, or has moved: trying again changes nothing
        log.info("text message not taken", key=key, reason=reason)
    log.warning("text message not sent", key=key, reason=reason)
    raise KairosError(
        ErrorCode.SERVICE_UNAVAILABLE, _("The text message could not be sent. Try again later.")
    )


def _check(to: str, text: str, key: str) -> None:
    if not _NUMBER.fullmatch(to):
        raise invalid("to", _("Not a phone number with its country code."))
    if not text.strip() or len(text) > _MAX_TEXT:
        raise invalid("text", _("A text message has 1 to 1000 characters."))
    if not key or len(key) > _MAX_KEY or not (key.isascii() and key.isprintable()):
        raise invalid("key", _("A text message needs a key of its own."))
