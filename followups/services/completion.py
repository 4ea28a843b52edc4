"""Completing a visit, and planning what follows it in the same act."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from accounts.roles import Permission
from appointments.models import Appointment, Verb
from appointments.selectors.slots import Slot
from appointments.services.status import appointment_move
from clinics.principal import Principal
from core.errors import ErrorCode, KairosError
from followups.models import FollowUpPlan
from followups.services.plan_row import chart_keep, chart_of_visit
from followups.services.planning import basis_of, plan_make
from followups.services.wishes import FollowUpWish

#: What a field of the wish is called where a visit is completed; the others: `follow_up_` + name.
_CALLED: Final = {
    "scheduled_for": "follow_up_date",
    "follow_up_type": "follow_up_type",
    "type": "follow_up_mode",
}


@dataclass(frozen=True, slots=True)
class Completed:
    """A completed visit; the plan made with it, its visit, or why that waits, and other times."""

    appointment: Appointment
    plan: FollowUpPlan | None = None
    follow_up: Appointment | None = None
    code: ErrorCode | None = None
    alternatives: Sequence[Slot] = field(default_factory=tuple)


def appointment_complete(
    *,
    by: Principal,
    appointment_id: UUID,
    notes: str | None = None,
    follow_up: FollowUpWish | None = None,
    expected_version: int | None = None,
) -> Completed:
    """Complete a visit; with `follow_up` also plan what comes next, and book it if it can be.

    Who may complete the visit may plan its follow-up with the same doctor; with another it takes
    the right to write that doctor's plans. What is wrong with the wish refuses everything, and the
    fields of the refusal are called `follow_up_date`, `follow_up_type` and so on; a doctor who is
    not free refuses nothing. Raises as `appointment_move` and `plan_create`.
    """
    if follow_up is not None:
        chart_keep(lambda: chart_of_visit(appointment_id))
    visit = appointment_move(
        appointment_id=appointment_id,
        verb=Verb.COMPLETE,
        by=by,
        expected_version=expected_version,
        notes=notes,
    )
    if follow_up is None:
        return Completed(visit)
    if follow_up.doctor not in {None, visit.doctor_id}:
        by.require(Permission.FOLLOWUP_WRITE, visit.clinic_id, doctor_id=follow_up.doctor)
    try:
        made = plan_make(by=by, basis=basis_of(visit), wish=follow_up)
    except KairosError as refusal:
        raise _renamed(refusal) from refusal
    return Completed(visit, made.plan, made.appointment, made.code, made.alternatives)


def _renamed(refusal: KairosError) -> KairosError:
    refusal.errors = refusal.errors and {
        _CALLED.get(name, f"follow_up_{name}"): said for name, said in refusal.errors.items()
    }
    return refusal
