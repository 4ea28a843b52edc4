"""The same step for several visits, each for itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from appointments.models import Appointment, Verb
from appointments.services.status import appointment_move
from clinics.principal import Principal
from core.errors import KairosError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of them: the visit as it is now, or the rule that said no."""

    visit: UUID
    made: Appointment | None = None
    refusal: KairosError | None = None


def appointments_move_each(
    *,
    visits: Iterable[tuple[UUID, int | None]],
    verb: Verb,
    by: Principal,
    reason: str = "",
) -> list[Outcome]:
    """Make one move with each visit (and the version at which it was seen), in their order.

    One that is refused holds up no other. Locks are taken in the order of the ids, so that two
    people who choose the same visits do not wait for each other in a circle.
    """
    wanted = dict(visits)
    found: dict[UUID, Outcome] = {}
    for visit in sorted(wanted):
        try:
            with transaction.atomic():
                made = appointment_move(
                    appointment_id=visit,
                    verb=verb,
                    by=by,
                    expected_version=wanted[visit],
                    reason=reason,
                )
            found[visit] = Outcome(visit, made=made)
        except KairosError as refusal:
            found[visit] = Outcome(visit, refusal=refusal)
    return [found[visit] for visit in wanted]
