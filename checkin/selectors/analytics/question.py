"""What a report is asked: whose figures, of which days, and how far the asker's rights reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import Permission
from clinics.principal import Principal
from core.errors import ErrorCode, KairosError, invalid

#: Days in one report, the first and the last counted.
LONGEST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Question:
    """One clinic's days from `first` to `last`, both counted, as each location's calendar has them.

    `doctors` limits it to these; None: to nobody, and who waits for whoever is free counts too.
    """

    clinic: UUID
    first: date
    last: date
    location: UUID | None = None
    doctors: tuple[UUID, ...] | None = None

    def params(self) -> dict[str, Any]:
        """For the statements of the reports."""
        return {
            "clinic": self.clinic,
            "first": self.first,
            "last": self.last,
            "location": self.location,
            "doctors": None if self.doctors is None else list(self.doctors),
        }


def reach_of(by: Principal, clinic: UUID, needs: Iterable[Permission]) -> bool:
    """Whether any of `needs` reaches the whole clinic; False: only what is their own.

    Raises NOT_FOUND where the principal does not work, PERMISSION_DENIED without any of `needs`.
    """
    if not by.is_staff_in(clinic):
        raise KairosError(ErrorCode.NOT_FOUND)
    wanted = tuple(needs)
    if any(by.may(permission, clinic) for permission in wanted):
        return True
    if any(by.may_own(permission, clinic) for permission in wanted):
        return False
    raise KairosError(ErrorCode.PERMISSION_DENIED)


def question_of(
    *,
    by: Principal,
    needs: Iterable[Permission],
    clinic: UUID,
    first: date,
    last: date,
    location: UUID | None = None,
    doctor: UUID | None = None,
) -> Question:
    """The question, held to the asker's rights: who reaches only their own gets their own figures.

    Any one of `needs` is enough. Raises NOT_FOUND where the principal does not work,
    PERMISSION_DENIED without the right or for another doctor's figures, VALIDATION_ERROR for days
    that are out of order or more than `LONGEST_DAYS`.
    """
    doctors: tuple[UUID, ...] | None = None if doctor is None else (doctor,)
    if not reach_of(by, clinic, needs):
        own: tuple[UUID, ...] = () if by.doctor_id is None else (by.doctor_id,)
        if doctors not in {None, own}:
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        doctors = own
    if last < first:
        raise invalid("to", _("The last day is before the first."))
    if last - first >= timedelta(days=LONGEST_DAYS):
        raise invalid("to", _("Ask for %(days)d days at the most.") % {"days": LONGEST_DAYS})
    if first.year < 2000 or last.year > 2200:
        raise invalid("from", _("Choose days nearer to the present."))
    return Question(clinic, first, last, location, doctors)
