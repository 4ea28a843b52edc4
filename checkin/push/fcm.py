"""Firebase Cloud Messaging, HTTP v1: to an app's registration token.

Every address comes from the installation: the token's from the credentials file, the sending one
from `FCM_URL`.
"""

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import orjson
from django.conf import settings

from checkin.push.interface import Address, Message, Receipt, Result, retry_after
from core import clock, outgoing

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION: Final = timedelta(minutes=10)
_MARGIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Access:
    token: str
    until: datetime


class _Refused(Exception):
    """The authority gave no token; `receipt` says what that means for the message."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.reason)
        self.receipt = receipt


class FcmSender:
    """Sends with the rights of the service account in `FCM_CREDENTIALS_FILE`."""

    def is_configured(self) -> bool:
        """Whether there are credentials."""
        return bool(settings.FCM_CREDENTIALS)

    def send(self, address: Address, message: Message) -> Receipt:
        """Hand over one message."""
        try:
            access = _tokens.get()
            reply = outgoing.post(
                settings.FCM_URL,
                body=orjson.dumps(_document(address, message)),
                headers={
                    "Authorization": f"Bearer {access}",
                    "Content-Type": "application/json; charset=utf-8",
                },
            )
        except _Refused as refusal:
            return refusal.receipt
        except outgoing.Forbidden as error:
            return Receipt(Result.REFUSED, reason=str(error))
        except outgoing.Unreachable as error:
            return Receipt(Result.LATER, reason=str(error))
        return _judged(reply)


def _document(address: Address, message: Message) -> dict[str, Any]:
    until = int(clock.now().timestamp()) + message.seconds
    return {
        "message": {
            "token": address.endpoint,
            "notification": {"title": message.title, "body": message.body},
            "android": {
                "priority": "HIGH",
                "ttl": f"{message.seconds}s",
                "collapse_key": message.topic,
                "notification": {"tag": message.topic},
            },
            "apns": {
                "headers": {
                    "apns-priority": "10",
                    "apns-expiration": str(until),
                    "apns-collapse-id": message.topic,
                }
            },
        }
    }


def _judged(reply: outgoing.Reply) -> Receipt:
    reason = str(reply.status)
    if 200 <= reply.status < 300:
        return Receipt(Result.SENT, reason=reason)
    if reply.status in {404, 410}:
        return Receipt(Result.GONE, reason=reason)
    if reply.status == 401:  # the token was taken back early: the next try asks for another
        _tokens.forget()
        return Receipt(Result.LATER, reason=reason)
    if reply.status in {408, 429} or reply.status >= 500:
        return Receipt(Result.LATER, retry_after(reply.headers.get("retry-after")), reason)
    return Receipt(Result.REFUSED, reason=reason)


class _Tokens:
    """The access token of this process, asked for anew a minute before it ends."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._by_account: dict[bytes, _Access] = {}

    def get(self) -> str:
        """Raises _Refused, Unreachable and Forbidden."""
        credentials: str = settings.FCM_CREDENTIALS
        account = hashlib.sha256(credentials.encode()).digest()
        with self._turn:
            kept = self._by_account.get(account)
            if kept is None or kept.until <= clock.now():
                kept = _exchange(orjson.loads(credentials))
                self._by_account = {account: kept}
        return kept.token

    def forget(self) -> None:
        with self._turn:
            self._by_account = {}


_tokens = _Tokens()


def _exchange(account: dict[str, Any]) -> _Access:
    now = clock.now()
    claims = {
        "iss": account["client_email"],
        "scope": settings.FCM_SCOPE,
        "aud": account["token_uri"],
        "iat": int(now.timestamp()),
        "exp": int((now + _ASSERTION).timestamp()),
    }
    try:
        assertion = jwt.encode(
            claims,
            account["private_key"],
            algorithm="RS256",
            headers={"kid": str(account.get("private_key_id", ""))},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _Refused(Receipt(Result.REFUSED, reason="private key")) from None
    reply = outgoing.post(
        account["token_uri"],
        body=urlencode({"grant_type": _GRANT, "assertion": assertion}).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    if reply.status != 200:
        again = reply.status == 429 or reply.status >= 500
        raise _Refused(
            Receipt(Result.LATER if again else Result.REFUSED, reason=f"token {reply.status}")
        )
    try:
        given = orjson.loads(reply.body)
        life = timedelta(seconds=int(given.get("expires_in", 0)))
        return _Access(str(given["access_token"]), now + life - _MARGIN)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _Refused(Receipt(Result.LATER, reason="token unreadable")) from None
