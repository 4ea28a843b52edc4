"""The recall list in words: who is due, how they were asked so far, what may be done."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.roles import Permission
from appointments.models import Priority
from core import clock
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.forms.recall import AttemptForm
from dashboard.inbox import MOST_COUNTED
from followups.models import ContactOutcome, FollowUpInvitation, FollowUpType, PlanStatus
from followups.selectors.plans import plans_visible_to
from followups.selectors.recall import Place, RecallRow

_URGENT: Final = (Priority.URGENT, Priority.HIGH)


@dataclass(frozen=True, slots=True)
class Row:
    """One plan of the list. `asked` are sentences about the attempts, the last one first."""

    id: UUID
    version: int
    patient_id: UUID
    name: str
    mrn: str
    phone: str
    due: date
    due_said: str
    is_overdue: bool
    kind: str
    service: str
    doctor: str
    urgency: str
    asked: tuple[str, ...]
    note: str
    is_escalated: bool
    invited: str
    waits: str
    may_act: bool
    form: AttemptForm | None
    open: bool = False


def rows_of(
    desk: Desk, found: Iterable[RecallRow], *, opened: AttemptForm | None = None, plan: UUID | None
) -> list[Row]:
    """The rows in words; `opened` is the form of `plan`, as it was sent."""
    drawn = _drawer(desk)
    return [drawn(row, opened if row.id == plan else None) for row in found]


def _drawer(desk: Desk) -> Callable[[RecallRow, AttemptForm | None], Row]:
    zone = ZoneInfo(desk.clinic.timezone)
    today = timezone.localdate(clock.now(), timezone=zone)
    kinds = {one.value: str(one.label) for one in FollowUpType}
    urgencies = {one.value: str(one.label) for one in _URGENT}
    codes = {one.value: str(one.label) for one in ErrorCode}

    def drawn(row: RecallRow, opened: AttemptForm | None) -> Row:
        may_act = desk.may_for(Permission.FOLLOWUP_SCHEDULE, row.doctor_id)
        return Row(
            id=row.id,
            version=row.version,
            patient_id=row.patient_id,
            name=row.patient,
            mrn=row.mrn,
            phone=row.phone,
            due=row.scheduled_for,
            due_said=days_said(row.days_overdue),
            is_overdue=row.is_overdue,
            kind=kinds[row.follow_up_type],
            service=row.service or "",
            doctor=row.doctor,
            urgency=urgencies.get(row.priority, ""),
            asked=tuple(_asked(row, zone, today)),
            note=row.last_note or "",
            is_escalated=row.escalated_at is not None,
            invited=_invited(row, zone),
            waits=codes.get(row.waiting_code, ""),
            may_act=may_act,
            form=(opened or form_of(row.id, row.version)) if may_act else None,
            open=opened is not None,
        )

    return drawn


def form_of(plan: UUID, version: int) -> AttemptForm:
    """The empty form of an attempt; several stand on one page."""
    return AttemptForm(initial={"version": version}, auto_id=f"id_{plan}_%s")


def days_said(overdue: int) -> str:
    """How a plan's date lies to today; days still to come are negative."""
    if overdue > 0:
        return ngettext("%(n)d day overdue", "%(n)d days overdue", overdue) % {"n": overdue}
    if overdue == 0:
        return _("due today")
    return ngettext("in %(n)d day", "in %(n)d days", -overdue) % {"n": -overdue}


def _asked(row: RecallRow, zone: ZoneInfo, today: date) -> Iterable[str]:
    if row.last_outcome and row.last_at is not None:
        yield _("%(outcome)s, %(day)s") % {
            "outcome": ContactOutcome(row.last_outcome).label,
            "day": _day(row.last_at, zone, today),
        }
    else:
        yield _("Not asked yet")
    if row.attempts:
        yield ngettext(
            "%(n)d attempt without an answer", "%(n)d attempts without an answer", row.attempts
        ) % {"n": row.attempts}
    if row.contact_on is not None and row.contact_on >= today:
        yield _("ask again on %(day)s") % {"day": date_format(row.contact_on, "DATE_FORMAT")}


def _invited(row: RecallRow, zone: ZoneInfo) -> str:
    if row.invitation is None or row.invitation_expires_at is None:
        return ""
    until = date_format(row.invitation_expires_at.astimezone(zone), "DATE_FORMAT")
    if row.invitation_sent_at is None:
        return _("invited by a link, good until %(day)s") % {"day": until}
    return _("invited by text message, good until %(day)s") % {"day": until}


def _day(moment: datetime, zone: ZoneInfo, today: date) -> str:
    day = moment.astimezone(zone).date()
    if day == today:
        return _("today")
    return date_format(day, "DATE_FORMAT")


def place_said(place: Place) -> str:
    """Where to read on, for an address."""
    rank, day, plan = place
    return f"{rank}_{day.isoformat()}_{plan}"


def place_in(text: str) -> Place:
    """The place that an address names. Raises VALIDATION_ERROR."""
    try:
        rank, day, plan = text.split("_")
        return int(rank), date.fromisoformat(day), UUID(plan)
    except ValueError:
        raise KairosError(ErrorCode.VALIDATION_ERROR) from None


@dataclass(frozen=True, slots=True)
class Invited:
    """What became of inviting one patient. `link` is empty for who was not invited."""

    plan_id: UUID
    patient_id: UUID
    name: str
    phone: str
    by_sms: bool
    said: str
    link: str


def invited_said(
    desk: Desk, told: Iterable[Mapping[str, Any]], link_of: Callable[[FollowUpInvitation], str]
) -> list[Invited]:
    """The outcomes in words, as they were stored; of plans that the person still sees."""
    told = list(told)
    plans = {
        plan.id: plan
        for plan in plans_visible_to(desk.principal)
        .filter(clinic=desk.clinic, pk__in=[UUID(one["plan"]) for one in told])
        .select_related("patient")
    }
    asked = [UUID(one["invitation"]) for one in told if one["invitation"]]
    invitations = FollowUpInvitation.objects.in_bulk(asked)
    rows = []
    for one in told:
        plan = plans.get(UUID(one["plan"]))
        if plan is None:
            continue
        invitation = invitations.get(UUID(one["invitation"])) if one["invitation"] else None
        rows.append(
            Invited(
                plan_id=plan.id,
                patient_id=plan.patient_id,
                name=plan.patient.full_name,
                phone=plan.patient.phone,
                by_sms=one["by_sms"],
                said=_outcome(one),
                link=link_of(invitation) if invitation is not None else "",
            )
        )
    return rows


def _outcome(one: Mapping[str, Any]) -> str:
    if one["code"] == ErrorCode.CONFLICT:
        return _("Was invited before; this is the same link.")
    if one["code"] == ErrorCode.SCHEDULING_CONFLICT:
        return _("Not invited: no time is free. Open hours, or book another doctor.")
    if one["code"]:
        return _("Not invited: %(why)s") % {"why": ErrorCode(one["code"]).label}
    if one["by_sms"]:
        return _("Goes out as a text message.")
    return _("Hand out the link, or print it.")


def overdue_count(desk: Desk) -> str:
    """How many overdue plans this person may chase now, for the top bar: empty for none."""
    if not desk.may(Permission.FOLLOWUP_SCHEDULE):
        return ""
    today = timezone.localdate(clock.now(), timezone=ZoneInfo(desk.clinic.timezone))
    found = plans_visible_to(desk.principal).filter(
        Q(contact_on=None) | Q(contact_on__lte=today),
        clinic=desk.clinic,
        status=PlanStatus.OVERDUE,
        declined_at=None,
    )
    number = found.order_by()[: MOST_COUNTED + 1].count()
    if number > MOST_COUNTED:
        return f"{MOST_COUNTED}+"
    return str(number) if number else ""
