"""Puts the demonstration data in, whole or not at all."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from accounts.models import User
from appointments.demo.clinics import CLINICS
from appointments.demo.diary import Planned, diary_filled, patients_assigned
from appointments.demo.doctors import DOCTORS
from appointments.demo.histories import statuses_settled, visit_told
from appointments.demo.people import patients_drawn, proxy_grant
from appointments.demo.places import Stage, stage_set
from appointments.models import AppointmentStatus as S
from appointments.services.bulk import appointments_insert, patients_insert
from clinics.models import Clinic, Patient
from core import clock, locks, tenancy

_TIMEOUT_MS = 60_000
#: Calls of `step` that a load makes.
STEPS = 1 + len(CLINICS) + len(DOCTORS) + 1 + 2 * len(CLINICS)

# What the patients who sign in have in their diary: days from today, and what became of it.
_OWN = ((-18, S.COMPLETED), (-11, S.NO_SHOW), (-4, S.COMPLETED), (3, S.CONFIRMED), (8, S.SCHEDULED))
_OWN_APPROVED = (15, S.PENDING)
_CHILD = ((-9, S.COMPLETED), (6, S.SCHEDULED))


def demo_load(
    *,
    step: Callable[[], object],
    only_if_empty: bool = False,
    also: Callable[[list[Clinic], datetime], object] = lambda _clinics, _now: None,
) -> bool:
    """Load everything in one transaction; False, with nothing done, when it is there already.

    `also` is what floors above add to the clinics, as of the moment of the load.

    A load that is killed leaves nothing behind. Two at once: the second waits, and finds the
    first's work. With `only_if_empty` any clinic at all counts as there already.
    """
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=_TIMEOUT_MS):
        locks.advisory(["demo-load"], timeout_ms=_TIMEOUT_MS)
        present = Clinic.objects.all()
        if not only_if_empty:
            present = present.filter(slug__in=[spec.slug for spec in CLINICS])
        if present.exists():
            return False
        now = clock.now().replace(microsecond=0)
        stage = stage_set(now=now, step=step)
        charts = {slug: _charts(stage, slug, now, step) for slug in stage.clinics}
        plans = diary_filled(stage, now=now)
        for slug, people in charts.items():
            _own_visits(stage, slug, people, plans, now)
        patients_assigned(plans, charts)
        statuses_settled(plans, now=now)
        for slug in stage.clinics:
            _visits(stage, slug, [plan for plan in plans if plan.clinic.spec.slug == slug], now)
            step()
        also([clinic.row for clinic in stage.clinics.values()], now)
    return True


def _account(stage: Stage, slug: str) -> User | None:
    account = stage.clinics[slug].spec.patient_account
    return stage.users[account[0]] if account else None


def _charts(stage: Stage, slug: str, now: datetime, step: Callable[[], object]) -> list[Patient]:
    clinic, account = stage.clinics[slug], _account(stage, slug)
    today = now.astimezone(clinic.zone).date()
    charts = patients_drawn(clinic, today=today, account=account)
    patients_insert(clinic_id=clinic.row.id, patients=charts, action="patient.created")
    if account is not None:
        proxy_grant(clinic, child=charts[1], account=account)
    step()
    return charts


def _own_visits(
    stage: Stage, slug: str, people: list[Patient], plans: list[Planned], now: datetime
) -> None:
    """The signing-in patient's visits, and their child's: with the clinic's first doctor."""
    clinic = stage.clinics[slug]
    if _account(stage, slug) is None:
        return
    first = next(one for one in stage.doctors if one.spec.clinics[0][0] == slug)
    theirs = [plan for plan in plans if plan.doctor is first]
    today = now.astimezone(clinic.zone).date()
    wanted = [(people[0], offset, status) for offset, status in _OWN]
    if clinic.spec.requires_approval:
        wanted.append((people[0], *_OWN_APPROVED))
    wanted += [(people[1], offset, status) for offset, status in _CHILD]
    for patient, offset, status in wanted:
        # The first visit on that day or the next working day.
        found = next(
            plan for plan in theirs if plan.patient is None and (plan.day - today).days >= offset
        )
        found.patient, found.status, found.is_own = patient, status, True
    coming = [plan for plan in theirs if plan.day == today and plan.starts_at > now]
    if len(coming) > 1:
        # Today's second next visit, which is one of the confirmed.
        coming[1].patient, coming[1].is_own = people[0], True


def _visits(stage: Stage, slug: str, plans: list[Planned], now: datetime) -> None:
    clinic = stage.clinics[slug]
    desk: UUID | None = None
    for email, _, _, role in clinic.spec.staff:
        if role.value == "RECEPTIONIST":
            desk = stage.users[email].id
    refused = appointments_insert(
        clinic_id=clinic.row.id,
        visits=[visit_told(plan, now=now, reception=desk) for plan in plans],
        action="appointments.demo_loaded",
    )
    if refused:
        raise AssertionError(f"the diary clashes with itself: {refused[0]}")
