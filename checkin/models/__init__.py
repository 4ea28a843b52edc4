"""The tables of arrival: where people check in, that they did, and the queue they wait in."""

from checkin.models.arrivals import (
    CheckIn,
    CheckInAttempt,
    CheckInMethod,
    Outcome,
    ScanReceipt,
    SourceKind,
)
from checkin.models.places import (
    CheckInDevice,
    CheckInLocation,
    DeviceKind,
    GeofencePolicy,
    PointMode,
)
from checkin.models.proofs import AlertKind, CheckInAlert, OneTimeCode, PushKind, PushSubscription
from checkin.models.queue import PRESENT, QueueEntry, QueueState, TokenCounter

__all__ = [
    "PRESENT",
    "AlertKind",
    "CheckIn",
    "CheckInAlert",
    "CheckInAttempt",
    "CheckInDevice",
    "CheckInLocation",
    "CheckInMethod",
    "DeviceKind",
    "GeofencePolicy",
    "OneTimeCode",
    "Outcome",
    "PointMode",
    "PushKind",
    "PushSubscription",
    "QueueEntry",
    "QueueState",
    "ScanReceipt",
    "SourceKind",
    "TokenCounter",
]
