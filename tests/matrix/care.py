"""The rows of continuing care: plans, recall, chains, series, pairs, bundles, the waitlist."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any
from uuid import UUID, uuid4

from appointments.models import AppointmentSeries
from clinics.models import Doctor
from core import clock, tenancy
from core.signed import sign
from followups.models import FollowUpPlan, WaitlistEntry, WaitlistOffer, WaitlistOpening
from tests.casts import Cast
from tests.matrix.calendar import (
    BOOKERS,
    MANAGERS_OF_VISITS,
    READERS,
    TREATERS,
    monday,
    of_visit,
)
from tests.matrix.table import ADMIN, PATIENT, SIGNED_IN, SUPER, Row

PLANNERS = frozenset({ADMIN, "doctor_user", SUPER})
CHASERS = PLANNERS | {"receptionist"}
CARE_READERS = CHASERS | {"nurse", "support"}
#: They hold the right over their own, and are no doctors of the cast: nothing there is theirs.
_OTHERS = (("therapist", 404), ("counselor", 404))
_HIDDEN = (*_OTHERS, (PATIENT, 404))
_CLINICIANS = frozenset({"therapist", "counselor"})


def _plan(cast: Any) -> UUID:
    """A plan of the cast's patient that waits."""
    if not isinstance(cast, Cast):
        return uuid4()
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.create(
            clinic=cast.clinic,
            patient=cast.patient,
            doctor=cast.doctor,
            service=cast.service,
            location=cast.location,
            scheduled_for=monday().date(),
        ).id


def _of_plan(path: str = "") -> Callable[[Any], str]:
    return lambda cast: f"follow-up-plans/{_plan(cast)}{path}"


def _new_plan(cast: Any) -> dict[str, Any]:
    return {
        "patient": cast.patient.id,
        "doctor": cast.doctor.id,
        "service": cast.service.id,
        "location": cast.location.id,
        "scheduled_for": monday().date(),
    }


def _recurring(cast: Any) -> dict[str, Any]:
    return {
        "patient": cast.patient.id,
        "doctor": cast.doctor.id,
        "service": cast.service.id,
        "location": cast.location.id,
        "type": "IN_PERSON",
        "rrule": "FREQ=WEEKLY;COUNT=2",
        "start_date": monday().date(),
        "local_time": "10:00",
    }


def _series(cast: Any) -> UUID:
    if not isinstance(cast, Cast):
        return uuid4()
    with tenancy.scope(tenancy.SYSTEM):
        return AppointmentSeries.objects.create(
            clinic=cast.clinic,
            patient=cast.patient,
            doctor=cast.doctor,
            service=cast.service,
            location=cast.location,
            type="IN_PERSON",
            rrule="FREQ=WEEKLY;COUNT=2",
            local_time=time(10),
            timezone="Europe/Berlin",
            duration_minutes=30,
            start_date=monday().date(),
            end_date=monday().date() + timedelta(days=7),
            booked_until=monday().date() + timedelta(days=7),
        ).id


def _of_series(path: str = "") -> Callable[[Any], str]:
    return lambda cast: f"appointments/series/{_series(cast)}{path}"


def _pair(cast: Any) -> dict[str, Any]:
    """Two sessions of the cast's doctor, who is made a psychologist."""
    if isinstance(cast, Cast):
        with tenancy.scope(tenancy.SYSTEM):
            Doctor.objects.filter(pk=cast.doctor.pk).update(profession="PSYCHOLOGIST")
    return {
        "patient": cast.patient.id,
        "doctor": cast.doctor.id,
        "location": cast.location.id,
        "service": cast.service.id,
        "first": {"starts_at": monday().isoformat()},
        "second": {"starts_at": (monday() + timedelta(days=7)).isoformat()},
    }


def _bundle(cast: Any) -> dict[str, Any]:
    visit = {
        "service": cast.service.id,
        "doctor": cast.doctor.id,
        "location": cast.location.id,
        "type": "IN_PERSON",
    }
    starts = (monday(10), monday(11))
    return {
        "patient": cast.patient.id,
        "visits": [visit | {"starts_at": at.isoformat()} for at in starts],
    }


def _bundle_wanted(cast: Any) -> dict[str, Any]:
    item = {
        "service": cast.service.id,
        "doctor": cast.doctor.id,
        "location": cast.location.id,
        "type": "IN_PERSON",
    }
    return {
        "patient": cast.patient.id,
        "items": [item, item],
        "from": monday().date(),
        "to": monday().date(),
    }


def _wish(cast: Any) -> dict[str, Any]:
    return {
        "patient": cast.patient.id,
        "service": cast.service.id,
        "doctors": [cast.doctor.id],
        "earliest": clock.now().date() + timedelta(days=1),
        "latest": monday().date() + timedelta(days=7),
    }


def _entry(cast: Any) -> UUID:
    if not isinstance(cast, Cast):
        return uuid4()
    with tenancy.scope(tenancy.SYSTEM):
        return WaitlistEntry.objects.create(
            clinic=cast.clinic,
            patient=cast.patient,
            service=cast.service,
            doctors=[cast.doctor.id],
            earliest=clock.now().date(),
            latest=monday().date() + timedelta(days=7),
        ).id


def _of_entry(path: str = "") -> Callable[[Any], str]:
    return lambda cast: f"waitlist-entries/{_entry(cast)}{path}"


def _made_offer(cast: Any) -> dict[str, Any]:
    """Somebody who waits, and an offer that they have."""
    entry = _entry(cast)
    if not isinstance(cast, Cast):
        return {"offer": uuid4()}
    times = {"starts_at": monday(), "ends_at": monday(minute=30)}
    with tenancy.scope(tenancy.SYSTEM):
        opening = WaitlistOpening.objects.create(
            clinic=cast.clinic,
            doctor=cast.doctor,
            location=cast.location,
            timezone="Europe/Berlin",
            cause="BY_HAND",
            **times,
        )
        offer = WaitlistOffer.objects.create(
            clinic=cast.clinic,
            opening=opening,
            entry_id=entry,
            batch=1,
            place=1,
            expires_at=monday(),
            **times,
        )
    return {"offer": offer.id}


def _who_was_offered(cast: Any) -> str:
    """The entry of `_made_offer`: a body is made before its path."""
    with tenancy.scope(tenancy.SYSTEM):
        entry = WaitlistEntry.objects.filter(clinic_id=cast.clinic.id).order_by("id").last()
    return f"waitlist-entries/{entry.id if entry else uuid4()}/accept"


def _offered(cast: Any) -> dict[str, Any]:
    return {
        "doctor": cast.doctor.id,
        "location": cast.location.id,
        "starts_at": monday().isoformat(),
    }


def _nothing(cast: Any) -> dict[str, Any]:
    return {}


def _reason(cast: Any) -> dict[str, Any]:
    return {"reason": "because"}


def _priority(cast: Any) -> dict[str, Any]:
    return {"priority": "HIGH"}


def _note(cast: Any) -> dict[str, Any]:
    return {"note": "after work"}


def _whole(cast: Any) -> dict[str, Any]:
    return {"scope": "all", "reason": "because"}


def _notes_of_all(cast: Any) -> dict[str, Any]:
    return {"scope": "all", "notes": "Bring the letter"}


def _attempt(cast: Any) -> dict[str, Any]:
    return {"channel": "PHONE", "outcome": "NO_ANSWER"}


def _chosen(cast: Any) -> dict[str, Any]:
    return {"starts_at": monday().isoformat(), "doctor": str(uuid4()), "location": str(uuid4())}


def _signed(kind: str, step: str = "", body: Callable[[Any], dict[str, Any]] = _nothing) -> Row:
    """Nobody's link is right here; what matters is that anyone may ask."""
    return Row(
        lambda cast: f"{kind}/{sign('nobody', uuid4(), uuid4())}{step}",
        ok=404,
        body=body if step else None,
        public=True,
    )


CARE: dict[tuple[str, str], Row] = {
    ("appointment-complete", "post"): Row(
        of_visit("IN_PROGRESS", "/complete"), TREATERS, body=_nothing
    ),
    ("appointment-follow-up", "post"): Row(
        of_visit("COMPLETED", "/follow-up"),
        PLANNERS,
        201,
        lambda cast: {"scheduled_for": monday().date() + timedelta(days=14)},
    ),
    ("appointment-follow-ups", "get"): Row(
        of_visit("COMPLETED", "/follow-ups"), CARE_READERS | _CLINICIANS | {PATIENT}
    ),
    ("appointment-chain", "get"): Row(of_visit("COMPLETED", "/chain"), READERS),
    ("patient-follow-up-plans", "get"): Row(
        lambda cast: f"patients/{cast.patient.id}/follow-up-plans",
        CARE_READERS | {PATIENT, "therapist", "counselor"},
    ),
    ("follow-up-plan-list", "get"): Row(
        lambda cast: f"follow-up-plans?clinic={cast.clinic.id}",
        CARE_READERS | {"therapist", "counselor"},
        also_refused=((PATIENT, 404),),
    ),
    ("follow-up-plan-list", "post"): Row(lambda cast: "follow-up-plans", PLANNERS, 201, _new_plan),
    ("follow-up-plan-detail", "get"): Row(
        _of_plan(), CARE_READERS | {PATIENT}, also_refused=_OTHERS
    ),
    ("follow-up-plan-detail", "put"): Row(
        _of_plan(), PLANNERS, body=_priority, also_refused=_OTHERS
    ),
    ("follow-up-plan-detail", "patch"): Row(
        _of_plan(), PLANNERS, body=_priority, also_refused=_OTHERS
    ),
    ("follow-up-plan-detail", "delete"): Row(
        _of_plan(), PLANNERS, body=_reason, also_refused=_OTHERS
    ),
    ("follow-up-plan-schedule", "post"): Row(
        _of_plan("/schedule"), CHASERS | {PATIENT}, body=_nothing, also_refused=_OTHERS
    ),
    ("recall-invite", "post"): Row(
        lambda cast: "follow-up-plans/invitations",
        CHASERS | {"therapist", "counselor"},
        body=lambda cast: {"plans": [_plan(cast)]},
        elsewhere=200,
    ),
    ("contact-attempts", "get"): Row(_of_plan("/contact-attempts"), CHASERS, also_refused=_OTHERS),
    ("contact-attempts", "post"): Row(
        _of_plan("/contact-attempts"), CHASERS, 201, _attempt, also_refused=_OTHERS
    ),
    ("follow-up-invitation", "get"): _signed("follow-up-invitations"),
    ("follow-up-invitation-accept", "post"): _signed("follow-up-invitations", "/accept", _chosen),
    ("follow-up-invitation-decline", "post"): _signed("follow-up-invitations", "/decline"),
    ("recurring", "post"): Row(
        lambda cast: "appointments/recurring", MANAGERS_OF_VISITS, 201, _recurring
    ),
    ("recurring-preview", "post"): Row(
        lambda cast: "appointments/recurring/preview", MANAGERS_OF_VISITS, 200, _recurring
    ),
    ("series", "get"): Row(_of_series(), READERS),
    ("series", "put"): Row(_of_series(), MANAGERS_OF_VISITS, body=_notes_of_all),
    ("series", "patch"): Row(_of_series(), MANAGERS_OF_VISITS, body=_notes_of_all),
    ("series", "delete"): Row(_of_series(), MANAGERS_OF_VISITS, body=_whole),
    ("series-preview", "post"): Row(_of_series("/preview"), MANAGERS_OF_VISITS, body=_notes_of_all),
    ("assessment-pairs", "get"): Row(
        lambda cast: f"assessments/slot-pairs?clinic={cast.clinic.id}&duration=30",
        SIGNED_IN,
        public=True,
    ),
    ("assessments", "post"): Row(lambda cast: "assessments", BOOKERS, 201, _pair),
    ("bundles", "post"): Row(lambda cast: "appointments/bundles", BOOKERS, 201, _bundle),
    ("bundles-search", "post"): Row(
        lambda cast: "appointments/bundles/search", BOOKERS, body=_bundle_wanted
    ),
    ("waitlist-entry-list", "get"): Row(
        lambda cast: f"waitlist-entries?clinic={cast.clinic.id}",
        BOOKERS | _CLINICIANS,
        elsewhere=200,
    ),
    ("waitlist-entry-list", "post"): Row(lambda cast: "waitlist-entries", BOOKERS, 201, _wish),
    ("waitlist-entry-detail", "get"): Row(_of_entry(), BOOKERS, also_refused=_OTHERS),
    ("waitlist-entry-detail", "put"): Row(_of_entry(), BOOKERS, body=_note, also_refused=_OTHERS),
    ("waitlist-entry-detail", "patch"): Row(_of_entry(), BOOKERS, body=_note, also_refused=_OTHERS),
    ("waitlist-entry-detail", "delete"): Row(_of_entry(), BOOKERS, also_refused=_OTHERS),
    ("waitlist-entry-offer", "post"): Row(
        _of_entry("/offers"), MANAGERS_OF_VISITS, 201, _offered, also_refused=_OTHERS
    ),
    ("waitlist-entry-accept", "post"): Row(
        _who_was_offered, MANAGERS_OF_VISITS, body=_made_offer, also_refused=_HIDDEN
    ),
    ("waitlist-ledger", "get"): Row(
        lambda cast: f"waitlist-offers?clinic={cast.clinic.id}",
        MANAGERS_OF_VISITS | _CLINICIANS,
        elsewhere=200,
    ),
    ("waitlist-offer", "get"): _signed("waitlist-offers"),
    ("waitlist-offer-accept", "post"): _signed("waitlist-offers", "/accept"),
    ("waitlist-offer-decline", "post"): _signed("waitlist-offers", "/decline"),
}
