"""A row in every table of continuing care, each of its words containing the clinic's."""

from datetime import time, timedelta
from typing import Any

from appointments.models import Appointment, AppointmentSeries, SeriesSkip
from core import ids
from followups.models import (
    CarePolicy,
    ContactAttempt,
    FollowUpInvitation,
    FollowUpPlan,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
)
from tests.appointments.moments import NOW, berlin
from tests.casts import Cast

ZONE = "Europe/Berlin"
TODAY = NOW.date()


def series_made(cast: Cast, word: str, **fields: Any) -> AppointmentSeries:
    """Three Mondays, the second of which could not be had."""
    made = AppointmentSeries.objects.create(
        **{
            "clinic": cast.clinic,
            "patient": cast.patient,
            "doctor": cast.doctor,
            "location": cast.location,
            "service": cast.service,
            "type": "IN_PERSON",
            "rrule": "FREQ=WEEKLY;COUNT=3",
            "local_time": time(9, 30),
            "timezone": ZONE,
            "duration_minutes": 30,
            "start_date": TODAY,
            "end_date": TODAY + timedelta(days=14),
            "booked_until": TODAY + timedelta(days=14),
            "created_by": cast.receptionist,
            "reason": f"seriesreason {word}",
            "notes": f"seriesnotes {word}",
        }
        | fields
    )
    SeriesSkip.objects.create(
        id=ids.uuid7(),
        clinic=made.clinic,
        series=made,
        sequence=2,
        starts_at=berlin(7, 9, 30),
        code="DOCTOR_ON_LEAVE",
    )
    return made


def plan_made(cast: Cast, word: str, **fields: Any) -> FollowUpPlan:
    """A plan that waits for its visit."""
    return FollowUpPlan.objects.create(
        **{
            "clinic": cast.clinic,
            "patient": cast.patient,
            "doctor": cast.doctor,
            "location": cast.location,
            "service": cast.service,
            "scheduled_for": TODAY + timedelta(days=30),
            "created_by": cast.doctor_user,
            "instructions": f"planinstructions {word}",
            "medications": [f"planmedication {word}"],
            "waiting_code": "DOCTOR_ON_LEAVE",
        }
        | fields
    )


def attempt_made(plan: FollowUpPlan, word: str, **fields: Any) -> ContactAttempt:
    return ContactAttempt.objects.create(
        **{
            "clinic_id": plan.clinic_id,
            "plan": plan,
            "channel": "PHONE",
            "outcome": "NO_ANSWER",
            "note": f"Rang twice {word}",
            "at": NOW,
        }
        | fields
    )


def invitation_made(plan: FollowUpPlan, **fields: Any) -> FollowUpInvitation:
    """An invitation to choose between two times."""
    offered = {
        "doctor": str(plan.doctor_id),
        "location": str(plan.location_id),
        "timezone": ZONE,
    }
    return FollowUpInvitation.objects.create(
        **{
            "clinic_id": plan.clinic_id,
            "plan": plan,
            "times": [
                {
                    **offered,
                    "starts_at": berlin(35, hour).isoformat(),
                    "ends_at": berlin(35, hour, 30).isoformat(),
                }
                for hour in (9, 10)
            ],
            "expires_at": NOW + timedelta(days=14),
        }
        | fields
    )


def waiting_made(cast: Cast, word: str, **fields: Any) -> WaitlistEntry:
    return WaitlistEntry.objects.create(
        **{
            "clinic": cast.clinic,
            "patient": cast.patient,
            "service": cast.service,
            "location": cast.location,
            "doctors": [cast.doctor.pk],
            "weekdays": [1, 2],
            "time_from": time(9),
            "earliest": TODAY,
            "latest": TODAY + timedelta(days=20),
            "note": f"Any time {word}",
            "created_by": cast.receptionist,
        }
        | fields
    )


def opening_made(cast: Cast, **fields: Any) -> WaitlistOpening:
    return WaitlistOpening.objects.create(
        **{
            "clinic": cast.clinic,
            "doctor": cast.doctor,
            "location": cast.location,
            "starts_at": berlin(1, 9),
            "ends_at": berlin(1, 9, 30),
            "timezone": ZONE,
            "cause": "CANCELLED",
        }
        | fields
    )


def offer_made(opening: WaitlistOpening, entry: WaitlistEntry, **fields: Any) -> WaitlistOffer:
    return WaitlistOffer.objects.create(
        **{
            "clinic_id": opening.clinic_id,
            "opening": opening,
            "entry": entry,
            "batch": 1,
            "place": 1,
            "starts_at": opening.starts_at,
            "ends_at": opening.ends_at,
            "expires_at": NOW + timedelta(minutes=30),
        }
        | fields
    )


def care_made(cast: Cast, word: str, visit: Appointment) -> dict[str, Any]:
    """One of each, by its name in a world."""
    plan = plan_made(cast, word, appointment=visit)
    waiting, opening = waiting_made(cast, word), opening_made(cast)
    return {
        "series": series_made(cast, word),
        "plan": plan,
        "asked": attempt_made(plan, word, by=cast.receptionist),
        "invitation": invitation_made(plan),
        "waiting": waiting,
        "opening": opening,
        "offer": offer_made(opening, waiting),
        "rules": CarePolicy.objects.create(clinic=cast.clinic, offer_delay_minutes=20),
    }
