"""What the calendar announces: whose time changed, and when. Never whom it concerns.

A change goes to the clinic's group and to the doctor's: a doctor who works in two clinics stands on
both boards, and the other clinic learns the doctor and the time, as it does from the free slots.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from core import live

Span = tuple[datetime, datetime]


def clinic_group(clinic: UUID) -> str:
    """Who shows the clinic's calendar listens to this."""
    return f"calendar.clinic.{clinic.hex}"


def doctor_group(doctor: UUID) -> str:
    """Who shows the doctor's calendar, in whichever clinic, listens to this."""
    return f"calendar.doctor.{doctor.hex}"


def calendar_changed(*, clinic: UUID, doctor: UUID, spans: Iterable[Span]) -> None:
    """Announce, once committed, that these times of the doctor are to be read again."""
    for span in spans:
        change = _change(clinic, doctor, span)
        live.announce(clinic_group(clinic), change)
        live.announce(doctor_group(doctor), change)


def calendar_replaced(*, clinic: UUID, claimed: Iterable[tuple[UUID, Span]] = ()) -> None:
    """Announce, once committed, that the clinic's whole calendar is to be read again.

    `claimed` are doctors with the time that was taken or freed on the way: one span a doctor, from
    the first to the last of it, is told to the other clinics in which they work.
    """
    live.announce(clinic_group(clinic))
    spans: dict[UUID, Span] = {}
    for doctor, (start, end) in claimed:
        first, last = spans.get(doctor, (start, end))
        spans[doctor] = (min(first, start), max(last, end))
    for doctor, span in spans.items():
        live.announce(doctor_group(doctor), _change(clinic, doctor, span))


def visit_changed(*, clinic: UUID, doctor: UUID, span: Span, changes: dict[str, Any]) -> None:
    """Announce, once committed, a visit's own time, and where `changes` says that it was before."""
    was = changes.get("doctor", [None])[0] or doctor
    before = (
        changes.get("starts_at", [None])[0] or span[0],
        changes.get("ends_at", [None])[0] or span[1],
    )
    calendar_changed(clinic=clinic, doctor=doctor, spans=[span])
    if (was, before) != (doctor, span):
        calendar_changed(clinic=clinic, doctor=was, spans=[before])


def _change(clinic: UUID, doctor: UUID, span: Span) -> dict[str, Any]:
    """As it is told; `clinic`, where it happened, stays inside the house."""
    return {
        "clinic": str(clinic),
        "doctor": str(doctor),
        "from": math.floor(span[0].timestamp()),
        "to": math.ceil(span[1].timestamp()),
    }
