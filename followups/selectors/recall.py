"""The recall list: whose follow-up is due or overdue, and how they have been asked so far.

A plan that waits for a visit is on its clinic's list from `recall_lead_days` before its date, by
the clinic's local day. It is off the list for a while when the patient asked to be called later
(`contact_on`), and until somebody acts when the patient declined (`declined_at`): a further
attempt, an invitation or a change of the plan brings it back. The doctor is told of a refusal at
once (`followups.services.contact`), since what becomes of the plan is theirs to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import QuerySet

from accounts.roles import Permission
from clinics.models import Clinic
from clinics.principal import Principal
from clinics.selectors.patients import patients_search
from core import clock
from core.errors import ErrorCode, KairosError, invalid
from core.rows import load_instants_fast
from followups.models import CarePolicy, ContactAttempt, FollowUpType, PlanStatus

MAX_LIMIT: Final = 200
#: Patients looked through for `q`.
_MOST_FOUND: Final = 200


class Due(StrEnum):
    """Which plans are asked for, by their date."""

    NOW = "now"  # within the clinic's lead time, or past
    OVERDUE = "overdue"  # past
    ALL = "all"  # however far ahead


@dataclass(frozen=True, slots=True)
class RecallRow:
    """One plan of the list. `days_overdue` is negative for days still to come.

    `may_text`: the chart has a phone and wants text messages. `last_*` are of the latest attempt to
    reach the patient; `invitation` is the one still open, `invitation_sent_at` None when its link
    was not sent (yet) and has to be handed out.
    """

    id: UUID
    version: int
    clinic_id: UUID
    patient_id: UUID
    doctor_id: UUID
    service_id: UUID | None
    location_id: UUID | None
    appointment_id: UUID | None
    follow_up_type: str
    status: str
    priority: str
    rank: int
    mode: str
    scheduled_for: date
    waiting_code: str
    attempts: int
    contacted_at: datetime | None
    contact_on: date | None
    escalated_at: datetime | None
    declined_at: datetime | None
    given_name: str
    family_name: str
    mrn: str
    phone: str
    may_text: bool
    doctor: str
    service: str | None
    last_at: datetime | None
    last_channel: str | None
    last_outcome: str | None
    last_note: str | None
    invitation: UUID | None
    invitation_expires_at: datetime | None
    invitation_sent_at: datetime | None
    days_overdue: int

    @property
    def patient(self) -> str:
        """The patient's full name."""
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def is_overdue(self) -> bool:
        return self.days_overdue > 0


#: Where a page ended: the rank, date and id of its last row.
Place = tuple[int, date, UUID]


@dataclass(frozen=True, slots=True)
class RecallPage:
    """Some of the list. `next` is where to read on, None at the end; `today` the local day."""

    rows: list[RecallRow]
    next: Place | None
    today: date


# The rank, date and id are compared as one value, which is where the index is entered; the page is
# cut before anything is joined to it. `status` is written out, as the index has it.
_SQL = """
WITH page AS MATERIALIZED (
    SELECT p.* FROM followups_followupplan p
    WHERE p.clinic_id = %(clinic)s AND p.status IN ('scheduled', 'overdue') {conditions}
    ORDER BY p.rank, p.scheduled_for, p.id
    LIMIT %(limit)s
)
SELECT p.id, p.version, p.clinic_id, p.patient_id, p.doctor_id, p.service_id, p.location_id,
       p.appointment_id, p.follow_up_type, p.status, p.priority, p.rank, p.mode, p.scheduled_for,
       p.waiting_code, p.attempts, p.contacted_at, p.contact_on, p.escalated_at, p.declined_at,
       c.given_name, c.family_name, c.mrn, c.phone,
       c.phone <> '' AND COALESCE(c.contact_preferences -> 'sms' = 'true'::jsonb, false),
       d.display_name, s.name, last.at, last.channel, last.outcome, last.note,
       i.id, i.expires_at, i.sent_at, %(today)s::date - p.scheduled_for
FROM page p
JOIN clinics_patient c ON c.id = p.patient_id
JOIN clinics_doctor d ON d.id = p.doctor_id
LEFT JOIN clinics_service s ON s.id = p.service_id
LEFT JOIN LATERAL (
    SELECT a.at, a.channel, a.outcome, a.note FROM followups_contactattempt a
    WHERE a.plan_id = p.id ORDER BY a.id DESC LIMIT 1
) last ON true
LEFT JOIN followups_followupinvitation i
    ON i.plan_id = p.id AND i.status = 'OPEN' AND i.expires_at > %(now)s
ORDER BY p.rank, p.scheduled_for, p.id
"""


def recall_list(
    *,
    by: Principal,
    clinic_id: UUID,
    doctor: UUID | None = None,
    follow_up_type: str | None = None,
    status: str | None = None,
    due: Due = Due.NOW,
    escalated: bool | None = None,
    contacted: bool | None = None,
    invited: bool | None = None,
    hidden: bool = False,
    q: str = "",
    after: Place | None = None,
    limit: int = 50,
) -> RecallPage:
    """A page of the clinic's recall list: the most urgent first, then who waits longest.

    `q` finds by patient, as the search for patients does. `contacted` False: nobody has asked them
    yet. `hidden` also shows who asked to be called later and who declined. Clinicians who may read
    their own plans alone get theirs. Two statements, however many rows (`q` adds two).

    Raises NOT_FOUND for a clinic where the caller does not work, PERMISSION_DENIED, and
    VALIDATION_ERROR for a filter that is none.
    """
    if not by.is_staff_in(clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"clinic": ["not found"]})
    own = not by.may(Permission.FOLLOWUP_READ, clinic_id)
    if own and not by.may_own(Permission.FOLLOWUP_READ, clinic_id):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    _check(follow_up_type, status, limit)
    today, lead = today_and_lead(clinic_id)
    values: dict[str, Any] = {
        "clinic": clinic_id,
        "today": today,
        "now": clock.now(),
        "limit": limit + 1,
    }
    conditions: list[str] = []

    def only(condition: str, **more: Any) -> None:
        conditions.append(f"AND {condition}")
        values.update(more)

    if own:
        only("p.doctor_id = %(own)s", own=by.doctor_id)
    if doctor is not None:
        only("p.doctor_id = %(doctor)s", doctor=doctor)
    if follow_up_type is not None:
        only("p.follow_up_type = %(type)s", type=follow_up_type)
    if status is not None:
        only("p.status = %(status)s", status=status)
    if due != Due.ALL:
        last = today - timedelta(days=1) if due == Due.OVERDUE else today + timedelta(days=lead)
        only("p.scheduled_for <= %(last)s", last=last)
    if escalated is not None:
        only(f"p.escalated_at IS {'NOT ' if escalated else ''}NULL")
    if contacted is not None:
        only(f"p.contacted_at IS {'NOT ' if contacted else ''}NULL")
    if invited is not None:
        only(
            f"{'' if invited else 'NOT '}EXISTS (SELECT FROM followups_followupinvitation o"
            " WHERE o.plan_id = p.id AND o.status = 'OPEN' AND o.expires_at > %(now)s)"
        )
    if not hidden:
        only("(p.contact_on IS NULL OR p.contact_on <= %(today)s) AND p.declined_at IS NULL")
    if q.strip():
        only("p.patient_id = ANY (%(patients)s::uuid[])", patients=_patients(clinic_id, q))
    if after is not None:
        only(
            "(p.rank, p.scheduled_for, p.id) > (%(rank)s, %(day)s, %(id)s)",
            rank=after[0],
            day=after[1],
            id=after[2],
        )
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(_SQL.format(conditions=" ".join(conditions)), values)
        rows = [_row(row) for row in cursor.fetchall()]
    shown = rows[:limit]
    more = shown[-1] if len(rows) > limit else None
    return RecallPage(
        shown, (more.rank, more.scheduled_for, more.id) if more is not None else None, today
    )


def today_and_lead(clinic_id: UUID) -> tuple[date, int]:
    """The clinic's local day, and for how many days ahead plans are on its list. NOT_FOUND."""
    found = (
        Clinic.objects.filter(pk=clinic_id)
        .values_list("timezone", "care_policy__recall_lead_days")
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"clinic": ["not found"]})
    zone, lead = found
    return local_day(zone), CarePolicy().recall_lead_days if lead is None else lead


def local_day(zone: str) -> date:
    """Today in that time zone."""
    return clock.now().astimezone(ZoneInfo(zone)).date()


def contact_attempts(plan_id: UUID) -> QuerySet[ContactAttempt]:
    """How the patient of a plan was asked, latest first."""
    return ContactAttempt.objects.filter(plan_id=plan_id).order_by("-id")


def _row(values: Sequence[Any]) -> RecallRow:
    return RecallRow(*values)


def _patients(clinic_id: UUID, text: str) -> list[UUID]:
    return [found.id for found in patients_search([clinic_id], text, limit=_MOST_FOUND)]


def _check(follow_up_type: str | None, status: str | None, limit: int) -> None:
    if follow_up_type is not None and follow_up_type not in FollowUpType.values:
        raise invalid("type", f"any of {', '.join(FollowUpType.values)}")
    if status is not None and status not in {PlanStatus.SCHEDULED, PlanStatus.OVERDUE}:
        raise invalid("status", "scheduled or overdue: others do not wait for a visit")
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid("limit", f"a whole number from 1 to {MAX_LIMIT}")
