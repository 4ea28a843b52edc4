"""Web Push: to the push service that the patient's browser named."""

import orjson
from django.conf import settings

from checkin.push import vapid
from checkin.push.encryption import encrypt
from checkin.push.interface import Address, Message, Receipt, Result, retry_after
from core import outgoing


class WebPushSender:
    """Encrypts for the browser, signs for its push service. The address is never trusted."""

    def is_configured(self) -> bool:
        """Whether there is a key pair to subscribe with."""
        return bool(settings.VAPID_PRIVATE_KEY)

    def send(self, address: Address, message: Message) -> Receipt:
        """Hand over one message; an address that we may not call counts as gone."""
        try:
            body = encrypt(
                orjson.dumps(message.shown()),
                receiver=vapid.from_base64url(address.p256dh),
                auth=vapid.from_base64url(address.auth),
            )
        except ValueError:
            return Receipt(Result.GONE, reason="keys")
        headers = {
            "Authorization": vapid.authorization(
                address.endpoint,
                private=settings.VAPID_PRIVATE_KEY,
                subject=settings.VAPID_SUBJECT,
            ),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(message.seconds),
            "Urgency": "high",
            "Topic": message.topic,
        }
        try:
            reply = outgoing.post(
                address.endpoint,
                body=body,
                headers=headers,
                public=True,
                hosts=settings.PUSH_HOSTS,
            )
        except outgoing.Forbidden as error:
            return Receipt(Result.GONE, reason=str(error))
        except outgoing.Unreachable as error:
            return Receipt(Result.LATER, reason=str(error))
        return _judged(reply)


def _judged(reply: outgoing.Reply) -> Receipt:
    reason = str(reply.status)
    if 200 <= reply.status < 300:
        return Receipt(Result.SENT, reason=reason)
    if reply.status in {404, 410}:
        return Receipt(Result.GONE, reason=reason)
    if reply.status in {408, 425, 429} or reply.status >= 500:
        return Receipt(Result.LATER, retry_after(reply.headers.get("retry-after")), reason)
    return Receipt(Result.REFUSED, reason=reason)
