"""A chain of visits as a timeline, and what else goes on for a patient beyond single visits."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, Max

from accounts.roles import Permission
from appointments.models import AppointmentSeries, AppointmentStatus, SeriesStatus
from appointments.selectors.appointments import appointments_visible_to, shows_clinical_text
from appointments.selectors.chains import ChainNode, chain_page
from appointments.selectors.series import series_visible_to
from clinics.models import Doctor, Patient, Service
from dashboard.access import Desk
from dashboard.series import local, rule_said
from followups.models import WAITING, FollowUpPlan, WaitlistEntry, WaitlistStatus
from followups.selectors.plans import plans_of_patient
from followups.selectors.waitlist import entries_visible_to

PER_PAGE: Final = 30
#: In a patient's card.
SHORT: Final = 8
_MOST: Final = 5
#: Branches beyond this are not set further in.
_DEEPEST: Final = 5


@dataclass(frozen=True, slots=True)
class Node:
    """One visit of a timeline. `level` is how far it is set in: the first that follows a visit
    goes on from it, others branch off. `after` is the start of the visit that it follows, when that
    does not stand right above it."""

    visit: Any
    local: datetime
    doctor: str
    service: str
    why: str
    state: str
    level: int
    branches: bool
    after: datetime | None
    is_here: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """Some of a chain. `next` is where to read on, empty at the end."""

    nodes: Sequence[Node]
    next: str
    first: UUID | None


def timeline(
    desk: Desk, visit: UUID, *, after: str | None = None, limit: int | None = None
) -> Timeline:
    """The chain that a visit belongs to, in three statements.

    Raises APPOINTMENT_NOT_FOUND, VALIDATION_ERROR.
    """
    found = chain_page(
        by=desk.principal, appointment_id=visit, after=after, limit=limit or PER_PAGE
    )
    rows = [node.row for node in found.nodes]
    doctors = _names(Doctor, "display_name", (row.doctor_id for row in rows))
    services = _names(Service, "name", (row.service_id for row in rows))
    starts = {row.id: local(row.starts_at, ZoneInfo(row.timezone)) for row in rows}
    nodes, above = [], None
    for node, level, branches in _laid_out(found.nodes):
        row = node.row
        clinical = shows_clinical_text(desk.principal, row)
        nodes.append(
            Node(
                visit=row,
                local=starts[row.id],
                doctor=doctors.get(row.doctor_id, ""),
                service=services.get(row.service_id, ""),
                why=row.follow_up_reason if clinical else "",
                state=str(AppointmentStatus(row.status).label),
                level=min(level, _DEEPEST),
                branches=branches,
                after=starts.get(node.parent) if node.parent not in {None, above} else None,
                is_here=row.id == visit,
            )
        )
        above = row.id
    first = found.nodes[0].row.id if found.nodes else None
    return Timeline(nodes, found.next or "", first)


def _laid_out(nodes: Sequence[ChainNode]) -> Iterable[tuple[ChainNode, int, bool]]:
    """The nodes of a page in the order of their branches, with how far each is set in."""
    below: dict[UUID | None, list[ChainNode]] = defaultdict(list)
    here = {node.row.id for node in nodes}
    for node in nodes:
        below[node.parent if node.parent in here else None].append(node)
    # Branches stand before what goes on: a chain without any is a straight line.
    waiting = [(node, 0, False) for node in reversed(below[None])]
    while waiting:
        node, level, branches = waiting.pop()
        yield node, level, branches
        first, others = below[node.row.id][:1], below[node.row.id][1:]
        waiting.extend((one, level, False) for one in first)
        waiting.extend((one, level + 1, True) for one in reversed(others))


def _names(model: Any, name: str, ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    return dict(model.objects.filter(pk__in=wanted).values_list("pk", name))


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of a patient: its first visit, how many there are, and the last one's start."""

    root: UUID
    visits: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Repeating:
    """A series that goes on, in words."""

    series: AppointmentSeries
    rule: str


@dataclass(frozen=True, slots=True)
class Care:
    """What goes on for a patient: the newest chain, others, series, follow-ups, the waitlist."""

    timeline: Timeline | None
    chains: Sequence[Chain]
    series: Sequence[Repeating]
    plans: Sequence[FollowUpPlan]
    waits: Sequence[WaitlistEntry]


def care_of(desk: Desk, patient: Patient) -> Care:
    """In four statements, and three more for the newest chain."""
    by = desk.principal
    chains = _chains(desk, patient)
    series = (
        series_visible_to(by)
        .filter(patient=patient, status=SeriesStatus.ACTIVE)
        .select_related("doctor")
        .order_by("-id")[:_MOST]
    )
    plans: Sequence[FollowUpPlan] = ()
    if desk.may(Permission.FOLLOWUP_READ):
        plans = list(
            plans_of_patient(by, patient.id)
            .filter(status__in=WAITING)
            .select_related("doctor")
            .order_by("scheduled_for", "id")[:_MOST]
        )
    waits: Sequence[WaitlistEntry] = ()
    if desk.may_book:
        waits = list(
            entries_visible_to(by)
            .filter(patient=patient, status=WaitlistStatus.WAITING)
            .select_related("service")
            .order_by("id")[:_MOST]
        )
    newest = timeline(desk, chains[0].root, limit=SHORT) if chains else None
    return Care(
        newest,
        chains[1:],
        [Repeating(one, rule_said(one.rrule)) for one in series],
        plans,
        waits,
    )


def _chains(desk: Desk, patient: Patient) -> list[Chain]:
    """Chains whose first visit the person sees, those with the latest visit first."""
    seen = appointments_visible_to(desk.principal).filter(patient=patient)
    rows = (
        seen.filter(original_appointment__in=seen.order_by().values("pk"))
        .order_by()
        .values("original_appointment_id")
        .annotate(number=Count("pk"), last=Max("starts_at"))
        .order_by("-last")[:_MOST]
    )
    return [Chain(row["original_appointment_id"], row["number"] + 1, row["last"]) for row in rows]
