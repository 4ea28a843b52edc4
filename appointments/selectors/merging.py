"""What merging two charts of one person would do: compared, counted, and what stands against it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, models
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from appointments.models import OPEN, Appointment
from clinics.models import Patient, PatientProxy, Sex
from core import clock

#: Fields that a merge can take from the duplicate. Its record number and outside id stay with it:
#: they are how it is found again.
FIELDS: Final = (
    "given_name",
    "family_name",
    "birth_date",
    "sex",
    "phone",
    "email",
    "region",
    "insurance",
    "language",
    "contact_preferences",
    "notes",
)
_NOTHING: Final[tuple[Any, ...]] = (None, "", {}, Sex.UNKNOWN)


class ConflictKind(models.TextChoices):
    VISITS_AT_ONCE = "VISITS_AT_ONCE", gettext_lazy("Visits at the same time")
    TWO_ACCOUNTS = "TWO_ACCOUNTS", gettext_lazy("Two accounts")


@dataclass(frozen=True, slots=True)
class FieldPair:
    """One field of both charts. `taken`: a merge takes the duplicate's, unless told otherwise."""

    name: str
    kept: Any
    duplicate: Any
    taken: bool


@dataclass(frozen=True, slots=True)
class Moves:
    """How much goes over to the kept chart. `proxies_shared` act for both: they are kept once."""

    visits: int
    open_visits: int
    proxies: int
    proxies_shared: int
    account: bool


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """Something to know before; a blocking one is refused. `starts_at` of a visit in the way."""

    kind: str
    blocking: bool
    detail: str
    starts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MergePreview:
    """Both charts side by side, what would move, and what stands against it."""

    kept: Patient
    duplicate: Patient
    fields: list[FieldPair]
    moves: Moves
    conflicts: list[MergeConflict]

    @property
    def is_possible(self) -> bool:
        return not any(conflict.blocking for conflict in self.conflicts)


def compared(kept: Patient, duplicate: Patient) -> list[FieldPair]:
    """Each field of both; what is empty on the kept chart is taken."""
    pairs = []
    for name in FIELDS:
        ours, theirs = getattr(kept, name), getattr(duplicate, name)
        pairs.append(FieldPair(name, ours, theirs, ours in _NOTHING and theirs not in _NOTHING))
    return pairs


def moves_of(kept: Patient, duplicate: Patient) -> Moves:
    """Counts of what a merge would move."""
    visits = Appointment.objects.filter(patient=duplicate).aggregate(
        every=Count("pk"), still_open=Count("pk", filter=Q(status__in=OPEN))
    )
    users = list(
        PatientProxy.objects.filter(patient__in=[kept, duplicate]).values_list(
            "patient_id", "user_id"
        )
    )
    ours = {user for chart, user in users if chart == kept.id}
    theirs = {user for chart, user in users if chart == duplicate.id}
    return Moves(
        visits=visits["every"],
        open_visits=visits["still_open"],
        proxies=len(theirs - ours),
        proxies_shared=len(theirs & ours),
        account=duplicate.user_id is not None and kept.user_id is None,
    )


def conflicts_of(kept: Patient, duplicate: Patient) -> list[MergeConflict]:
    """What stands against merging the two, or should be known before."""
    found = [
        MergeConflict(
            ConflictKind.VISITS_AT_ONCE,
            blocking=True,
            detail=_("Both charts have a visit at this time: cancel or move one of them first."),
            starts_at=starts_at,
        )
        for starts_at in visits_at_once(kept.id, duplicate.id)
    ]
    if duplicate.user_id is not None and kept.user_id not in {None, duplicate.user_id}:
        said = _("Each chart has an account of its own; the duplicate's will open no chart here.")
        found.append(MergeConflict(ConflictKind.TWO_ACCOUNTS, blocking=False, detail=said))
    return found


def visits_at_once(one: UUID, other: UUID, *, limit: int = 20) -> list[datetime]:
    """When claims on the two patients' time overlap, earliest first; expired holds are none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT greatest(lower(a.visit), lower(b.visit))"
            " FROM appointments_busytime a JOIN appointments_busytime b ON a.visit && b.visit"
            " WHERE a.patient_id = %(one)s AND b.patient_id = %(other)s"
            " AND (a.kind <> 'HELD' OR a.expires_at > %(now)s)"
            " AND (b.kind <> 'HELD' OR b.expires_at > %(now)s)"
            " ORDER BY 1 LIMIT %(limit)s",
            {"one": one, "other": other, "now": clock.now(), "limit": limit},
        )
        return [row[0] for row in cursor.fetchall()]


def hide(pairs: Iterable[FieldPair], *names: str) -> list[FieldPair]:
    """The pairs without what the reader may not read of them."""
    return [
        FieldPair(pair.name, None, None, pair.taken) if pair.name in names else pair
        for pair in pairs
    ]
