"""Telling patients who may be elsewhere that their turn comes: once when near, once each call.

A change of the queue is an outbox event. Its listener decides who is told what, notes it on the
subscription in the same transaction and hands the sending to Celery, one task a device. The task
reads the queue again: who has been called since is not told that their turn comes soon. A message
holds the token and the room, never a name, a doctor or a place.
"""

import base64
import hashlib
import re
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.language import is_known
from appointments.models import Appointment
from checkin.models import PushKind, PushSubscription, QueueEntry, QueueState
from checkin.push import vapid
from checkin.push.fcm import FcmSender
from checkin.push.interface import Address, Message, Receipt, Result, Sender
from checkin.push.web import WebPushSender
from checkin.selectors.queue import Place, place_of, queue_of
from core import clock, outbox, outgoing, tenancy
from core.errors import invalid

log = structlog.get_logger(__name__)

#: Told when so many, or fewer, are still before them.
NEAR: Final = 2
#: A message that is older helps nobody.
LIFETIME: Final = timedelta(minutes=10)
#: Devices told of one visit; with one more, the oldest is forgotten.
MAX_DEVICES: Final = 5
_FIRST_PAUSE: Final = 5
_FCM_TOKEN = re.compile(r"[A-Za-z0-9_:-]{20,1000}")
_NEAR_MARK: Final = "near"

_SENDERS: Final[dict[str, Sender]] = {PushKind.WEB: WebPushSender(), PushKind.FCM: FcmSender()}


def push_public_key() -> str:
    """The key that browsers subscribe with, in base64url; "" when Web Push is not set up."""
    private = settings.VAPID_PRIVATE_KEY
    return vapid.public_key(private) if private else ""


def subscription_add(
    *,
    appointment: Appointment,
    endpoint: str,
    p256dh: str = "",
    auth: str = "",
    language: str = "",
    kind: str = PushKind.WEB,
) -> PushSubscription:
    """Tell a device of the visit's turn, until the end of the visit's day.

    The caller has made sure that whoever asks is the visit's patient or acts for them. The same
    device again takes over its new keys and language, and is not told a second time of what it
    knows. Raises VALIDATION_ERROR; nothing is looked up or called.
    """
    if kind not in _SENDERS or not _SENDERS[kind].is_configured():
        raise invalid("kind", _("Messages of this kind are not set up here."))
    if kind == PushKind.WEB:
        _check_web(endpoint, p256dh, auth)
    elif p256dh or auth or not _FCM_TOKEN.fullmatch(endpoint):
        raise invalid("endpoint", _("Not the address of a device."))
    found, _made = PushSubscription.objects.update_or_create(
        appointment_id=appointment.id,
        endpoint=endpoint,
        defaults={
            "clinic_id": appointment.clinic_id,
            "kind": kind,
            "p256dh": p256dh,
            "auth": auth,
            "language": language if is_known(language) else "",
            "expires_at": _end_of_day(appointment),
        },
    )
    # A UUIDv7 is as old as it is small.
    newest = PushSubscription.objects.filter(appointment_id=appointment.id).order_by("-id")
    surplus = list(newest.values_list("id", flat=True)[MAX_DEVICES:])
    if surplus:
        PushSubscription.objects.filter(id__in=surplus).exclude(id=found.id).delete()
    return found


def subscription_remove(*, appointment: Appointment, endpoint: str) -> None:
    """Tell the device no more of this visit; no matter whether it was told before."""
    PushSubscription.objects.filter(appointment_id=appointment.id, endpoint=endpoint).delete()


def push_prune() -> int:
    """Forget subscriptions whose day is over; returns how many."""
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        return PushSubscription.objects.filter(expires_at__lte=clock.now()).delete()[0]


@outbox.listens("queue.changed", "queue.called")
def queue_told(event: outbox.Event) -> None:
    """Decide who is told after a change of a queue, and hand the sending to Celery.

    Raises when the broker cannot be reached: nothing is noted then, and the outbox tries again.
    """
    from checkin.tasks import push_send  # noqa: PLC0415 - the task imports this module

    if event.clinic_id is None:
        return
    told = _to_be_told(UUID(str(event.payload["location"])))
    if not told:
        return
    PushSubscription.objects.bulk_update(told, ["told"])
    since = clock.now().isoformat()
    for subscription in told:
        push_send.apply_async(
            kwargs={
                "clinic": str(event.clinic_id),
                "subscription": str(subscription.id),
                "what": subscription.told,
                "since": since,
            },
            retry=False,
            ignore_result=True,
        )


def push_deliver(
    *, clinic: UUID, subscription: UUID, what: str, since: datetime, tries: int = 0
) -> int | None:
    """Send one message, if it is still true; in how many seconds to try again, or None.

    `what` is "near" or "called:<n>", decided at `since`; `tries` how often it failed. A device
    that is gone is forgotten. No transaction is open while the push service is asked.
    """
    left = LIFETIME - (clock.now() - since)
    if left <= timedelta(0):
        return None
    with tenancy.scope([clinic]):
        found = PushSubscription.objects.filter(pk=subscription, expires_at__gt=clock.now()).first()
        place = _place(found) if found is not None else None
    if found is None or place is None or not _is_true(what, place):
        return None
    sender = _SENDERS[found.kind]
    if not sender.is_configured():
        return None
    message = _message(place, found, seconds=int(left.total_seconds()))
    receipt = sender.send(Address(found.endpoint, found.p256dh, found.auth), message)
    return _after(receipt, found, clinic=clinic, tries=tries, left=left)


def _after(
    receipt: Receipt, found: PushSubscription, *, clinic: UUID, tries: int, left: timedelta
) -> int | None:
    if receipt.result is Result.GONE:
        with tenancy.scope([clinic]):
            PushSubscription.objects.filter(pk=found.pk, endpoint=found.endpoint).delete()
        log.info("push address forgotten", subscription=str(found.pk), reason=receipt.reason)
    elif receipt.result is Result.REFUSED:
        log.warning("push refused", subscription=str(found.pk), reason=receipt.reason)
    elif receipt.result is Result.LATER:
        pause = max(_FIRST_PAUSE * 3**tries, receipt.retry_after or 0)
        if timedelta(seconds=pause) < left:
            return pause
        log.warning("push given up", subscription=str(found.pk), reason=receipt.reason)
    return None


def _to_be_told(location: UUID) -> list[PushSubscription]:
    """The devices, locked, that have not heard what is true now; `told` says what it is."""
    in_queue = QueueEntry.objects.filter(
        location_id=location,
        state__in=[QueueState.WAITING, QueueState.CALLED],
        appointment_id__isnull=False,
    )
    devices = list(
        PushSubscription.objects.select_for_update()
        .filter(appointment_id__in=in_queue.values("appointment_id"), expires_at__gt=clock.now())
        .order_by("id")
    )
    if not devices:
        return []
    places = {place.appointment_id: place for place in queue_of(location)}
    told = []
    for device in devices:
        place = places.get(device.appointment_id)
        what = "" if place is None else _news(place)
        # Who was called and put back into the queue knows that the turn is near.
        if what and what != device.told and not (what == _NEAR_MARK and device.told):
            device.told = what
            told.append(device)
    return told


def _news(place: Place) -> str:
    """What is to be known of a place in the queue, as `PushSubscription.told` says it."""
    if place.state == QueueState.CALLED and place.called_at is not None:
        fresh = clock.now() - place.called_at < LIFETIME
        return f"called:{place.calls}" if fresh else ""
    if place.state == QueueState.WAITING and place.ahead is not None:
        return _NEAR_MARK if place.ahead.total <= NEAR else ""
    return ""


def _is_true(what: str, place: Place) -> bool:
    if what == _NEAR_MARK:
        return place.state == QueueState.WAITING
    return place.state == QueueState.CALLED and what == f"called:{place.calls}"


def _place(subscription: PushSubscription) -> Place | None:
    entry = (
        QueueEntry.objects.filter(appointment_id=subscription.appointment_id)
        .values_list("id", "location_id")
        .first()
    )
    return None if entry is None else place_of(entry[0], location=entry[1])


def _message(place: Place, subscription: PushSubscription, *, seconds: int) -> Message:
    language = subscription.language or settings.LANGUAGE_CODE
    digest = hashlib.sha256(b"push topic" + subscription.appointment_id.bytes).digest()
    with translation.override(language):
        return Message(
            title=_("Token %(token)s") % {"token": place.token},
            body=_body(place),
            topic=base64.urlsafe_b64encode(digest[:24]).decode(),
            language=language,
            direction="rtl" if translation.get_language_bidi() else "ltr",
            seconds=max(seconds, 1),
        )


def _body(place: Place) -> str:
    if place.state == QueueState.CALLED:
        if place.room:
            return _("Please come in: %(room)s.") % {"room": place.room}
        return _("Please come in.")
    before = place.ahead.total if place.ahead is not None else 0
    if before == 0:
        return _("You are next. Please come to the waiting room.")
    return ngettext(
        "One person is before you. Please come to the waiting room.",
        "%(count)d people are before you. Please come to the waiting room.",
        before,
    ) % {"count": before}


def _check_web(endpoint: str, p256dh: str, auth: str) -> None:
    wrong = _("Not the address of a push service.")
    if len(endpoint) > 1000:
        raise invalid("endpoint", wrong)
    try:
        outgoing.check_public_url(endpoint, hosts=settings.PUSH_HOSTS)
    except outgoing.Forbidden:
        raise invalid("endpoint", wrong) from None
    try:
        if len(p256dh) > 120:
            raise ValueError
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), vapid.from_base64url(p256dh))
        if len(vapid.from_base64url(p256dh)) != 65:
            raise ValueError
    except ValueError:
        raise invalid("p256dh", _("Not the public key of a browser.")) from None
    try:
        if len(auth) > 60 or len(vapid.from_base64url(auth)) != 16:
            raise ValueError
    except ValueError:
        raise invalid("auth", _("Not the secret of a browser.")) from None


def _end_of_day(appointment: Appointment) -> datetime:
    """The midnight after the visit's local day, or after today when that is later."""
    zone = ZoneInfo(appointment.timezone)
    day = max(appointment.starts_at.astimezone(zone).date(), clock.now().astimezone(zone).date())
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
