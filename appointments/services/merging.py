"""Making two charts of one person into one, and parting them again.

Nothing is lost: the duplicate keeps its row, its record number and its words, and points to the
chart that was kept; what went over is remembered in a `PatientMerge`. Whoever adds a table that
refers to patients says in here what becomes of its rows.

Order against everybody else: a merge locks both charts, in the order of their ids, and a new visit
keeps its chart from being merged (`context.plan`, `bulk`). So a booking is either there to be moved
or finds the chart gone. A visit that is being changed is locked by who changes it; the merge waits.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Permission
from appointments.following import visits_rechartered
from appointments.live import calendar_replaced
from appointments.models import BusyTime, Claim, PatientMerge
from appointments.selectors.merging import (
    FIELDS,
    MergePreview,
    compared,
    conflicts_of,
    hide,
    moves_of,
    visits_at_once,
)
from appointments.services.calendar import conflicts_named
from clinics.models import Patient, PatientProxy
from clinics.principal import Principal
from clinics.selectors.patients import clinical_text_of, patients_visible_to
from clinics.services.patients import patients_read
from core import clock, journal, versions
from core.errors import ErrorCode, KairosError, invalid


def merge_preview(*, by: Principal, keep: UUID, duplicate: UUID) -> MergePreview:
    """What merging `duplicate` into `keep` would do; both charts are shown, and that is audited.

    Raises as `patients_merge`, except for the visits in the way, which it lists.
    """
    kept, gone = _charts(by, keep, duplicate, lock=False)
    patients_read([kept, gone], action="patient.compared")
    fields = compared(kept, gone)
    if not clinical_text_of(by, [kept]):
        fields = hide(fields, "notes")
    return MergePreview(kept, gone, fields, moves_of(kept, gone), conflicts_of(kept, gone))


def patients_merge(
    *,
    by: Principal,
    keep: UUID,
    duplicate: UUID,
    reason: str,
    take: Collection[str] | None = None,
    expected_versions: Mapping[UUID, int] | None = None,
) -> PatientMerge:
    """Merge `duplicate` into `keep`: visits, claims, proxies and an account go over.

    `take` names the fields to take from the duplicate; None: those that are empty on the kept
    chart. `expected_versions` are those of the charts as the caller has seen them. Raises NOT_FOUND
    (foreign like unknown), PERMISSION_DENIED, VALIDATION_ERROR, PRECONDITION_FAILED, CONFLICT for a
    chart that is merged or inactive, and PATIENT_CONFLICT while both have a visit at one time.
    """
    reason = _required(reason)
    if take is not None and (unknown := sorted(set(take) - set(FIELDS))):
        raise invalid("take", f"not to be taken: {', '.join(unknown)}")
    with transaction.atomic():
        kept, gone = _charts(by, keep, duplicate, lock=True)
        for chart in (kept, gone):
            versions.require(chart, (expected_versions or {}).get(chart.id))
        _refuse_visits_at_once(kept, gone)
        moved = _move_visits(gone.id, kept.id)
        proxies, dropped = _join_proxies(kept, gone)
        taken = _take_fields(kept, gone, take)
        account = _move_account(kept, gone)
        gone.merged_into = kept
        gone.is_active = False
        versions.save(kept, [*taken, "user"])
        versions.save(gone, ["merged_into", "is_active", "user"])
        merge = PatientMerge.objects.create(
            clinic_id=kept.clinic_id,
            kept=kept,
            duplicate=gone,
            reason=reason,
            merged_by_id=by.user_id,
            appointments=moved,
            taken=taken,
            account=account,
            proxies=proxies,
            proxies_dropped=dropped,
        )
        _record(merge, "patient.merged", {**taken, "appointments": [None, moved]})
    return merge


def merge_undo(*, by: Principal, merge: UUID, reason: str) -> PatientMerge:
    """Part two charts again: what went over goes back, what came later stays where it is.

    Visits booked on the kept chart since then stay with it, and a field, account or proxy that was
    changed since then is left as it is; `not_restored` of the answer says which. Raises NOT_FOUND,
    PERMISSION_DENIED, VALIDATION_ERROR, CONFLICT when it was undone before, or while a later merge
    of the kept chart stands on it.
    """
    reason = _required(reason)
    with transaction.atomic():
        row = PatientMerge.objects.select_for_update(no_key=True).filter(pk=merge).first()
        if row is None or not by.is_staff_in(row.clinic_id):
            raise KairosError(ErrorCode.NOT_FOUND)
        by.require(Permission.PATIENT_WRITE, row.clinic_id)
        charts = _locked(Patient.objects.filter(id__in=[row.kept_id, row.duplicate_id]))
        kept, gone = charts[row.kept_id], charts[row.duplicate_id]
        _refuse_undo(row, kept)
        back = _move_visits(kept.id, gone.id, only=row.appointments)
        left: dict[str, Any] = {
            "appointments": sorted(set(row.appointments) - set(back)),
            "proxies": _part_proxies(row),
            "fields": _restore_fields(row, kept),
            "account": _restore_account(row, kept, gone),
        }
        gone.merged_into = None
        gone.is_active = True
        versions.save(kept, [*row.taken, "user"])
        versions.save(gone, ["merged_into", "is_active", "user"])
        row.undone_at = clock.now()
        row.undone_by_id = by.user_id
        row.undo_reason = reason
        row.not_restored = {name: _plain(value) for name, value in left.items() if value}
        versions.save(row, ["undone_at", "undone_by", "undo_reason", "not_restored"])
        changes = {name: [after, before] for name, (before, after) in row.taken.items()}
        _record(row, "patient.unmerged", {**changes, "appointments": [back, None]})
    return row


def _required(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise invalid("reason", "required")
    return reason


def _charts(by: Principal, keep: UUID, duplicate: UUID, *, lock: bool) -> tuple[Patient, Patient]:
    """Both charts, each fit to be merged. Raises as `patients_merge`."""
    if keep == duplicate:
        raise invalid("duplicate", "the same chart")
    wanted = patients_visible_to(by).filter(id__in=[keep, duplicate])
    found = _locked(wanted) if lock else {chart.id: chart for chart in wanted}
    if keep not in found:
        raise KairosError(ErrorCode.NOT_FOUND)
    kept, gone = found[keep], found.get(duplicate)
    if gone is None or gone.clinic_id != kept.clinic_id:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"duplicate": ["not found"]})
    if not by.may(Permission.PATIENT_WRITE, kept.clinic_id):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    for chart in (kept, gone):
        if chart.merged_into_id is not None:
            said = _("The chart %(mrn)s was merged into another.")
            raise KairosError(ErrorCode.CONFLICT, said % {"mrn": chart.mrn})
        if not chart.is_active:
            said = _("The chart %(mrn)s is not active.")
            raise KairosError(ErrorCode.CONFLICT, said % {"mrn": chart.mrn})
    return kept, gone


def _locked(charts: Any) -> dict[UUID, Patient]:
    """The charts under their locks, taken in one order. Not of the key: what only refers to a
    chart, as the claim of a visit that is being moved, need not wait for a merge."""
    return {chart.id: chart for chart in charts.order_by("id").select_for_update(no_key=True)}


# --- Visits and claims --------------------------------------------------------------------------


def _refuse_visits_at_once(kept: Patient, gone: Patient) -> None:
    BusyTime.objects.filter(
        patient__in=[kept, gone], kind=Claim.HELD, expires_at__lte=clock.now()
    ).delete()
    starts = visits_at_once(kept.id, gone.id)
    if starts:
        raise KairosError(
            ErrorCode.PATIENT_CONFLICT,
            _("Both charts have a visit at the same time: cancel or move one of them first."),
            extra={"starts_at": starts},
        )


def _move_visits(source: UUID, target: UUID, *, only: list[UUID] | None = None) -> list[UUID]:
    """Every visit of one chart becomes the other's, with its claim and its series; their ids.

    Raises PATIENT_CONFLICT where the constraint finds two at one time. Series, then visits, then
    claims: whoever is changing one holds its row, and has made its new claim when the claims are
    looked for.
    """
    values = {"source": source, "target": target, "only": only, "now": clock.now()}
    with conflicts_named(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE appointments_appointmentseries"
            " SET patient_id = %(target)s, version = version + 1, updated_at = %(now)s"
            " WHERE patient_id = %(source)s AND (%(only)s::uuid[] IS NULL OR id IN ("
            "     SELECT series FROM appointments_appointment WHERE id = ANY (%(only)s::uuid[])))",
            values,
        )
        cursor.execute(
            "UPDATE appointments_appointment"
            " SET patient_id = %(target)s, version = version + 1, updated_at = %(now)s"
            " WHERE patient_id = %(source)s"
            " AND (%(only)s::uuid[] IS NULL OR id = ANY (%(only)s::uuid[]))"
            " RETURNING id",
            values,
        )
        moved = sorted(row[0] for row in cursor.fetchall())
        cursor.execute(
            "UPDATE appointments_busytime SET patient_id = %(target)s"
            " WHERE patient_id = %(source)s"
            " AND (%(only)s::uuid[] IS NULL OR appointment_id = ANY (%(only)s::uuid[]))",
            values,
        )
    visits_rechartered(source, target, moved)
    return moved


# --- Fields and account -------------------------------------------------------------------------


def _take_fields(
    kept: Patient, gone: Patient, take: Collection[str] | None
) -> dict[str, list[Any]]:
    """Set the fields on the kept chart; what changed, as [before, after]."""
    changes = {}
    for pair in compared(kept, gone):
        wanted = pair.taken if take is None else pair.name in take
        if wanted and pair.kept != pair.duplicate:
            changes[pair.name] = [_plain(pair.kept), _plain(pair.duplicate)]
            setattr(kept, pair.name, pair.duplicate)
    return changes


def _restore_fields(row: PatientMerge, kept: Patient) -> list[str]:
    """Give the kept chart its own back, where it still has what the merge wrote; the others."""
    left = []
    for name, (before, after) in row.taken.items():
        if _plain(getattr(kept, name)) == after:
            setattr(kept, name, parse_date(before) if name == "birth_date" and before else before)
        else:
            left.append(name)
    return left


def _move_account(kept: Patient, gone: Patient) -> UUID | None:
    if gone.user_id is None or kept.user_id is not None:
        return None
    kept.user_id, gone.user_id = gone.user_id, None
    return kept.user_id


def _restore_account(row: PatientMerge, kept: Patient, gone: Patient) -> bool:
    """Whether an account that went over could not be given back."""
    if row.account is None:
        return False
    if kept.user_id != row.account or gone.user_id is not None:
        return True
    kept.user_id, gone.user_id = None, row.account
    return False


# --- Proxies ------------------------------------------------------------------------------------


def _join_proxies(kept: Patient, gone: Patient) -> tuple[list[UUID], list[dict[str, Any]]]:
    """The duplicate's proxies go over; of somebody who acts for both, the right that lasts longer.

    Returns the ids of those that went over, and the rows that were dropped.
    """
    both = PatientProxy.objects.filter(patient__in=[kept, gone]).select_for_update().order_by("id")
    ours = {proxy.user_id: proxy for proxy in both if proxy.patient_id == kept.id}
    over, dropped = [], []
    for proxy in both:
        if proxy.patient_id != gone.id:
            continue
        known = ours.get(proxy.user_id)
        if known is not None and _lasts(known) >= _lasts(proxy):
            dropped.append(proxy)
            continue
        over.append(proxy)
        if known is not None:
            dropped.append(known)
    PatientProxy.objects.filter(id__in=[proxy.id for proxy in dropped]).delete()
    for proxy in over:
        proxy.patient = kept
        versions.save(proxy, ["patient"])
    return [proxy.id for proxy in over], [_remembered(proxy) for proxy in dropped]


def _part_proxies(row: PatientMerge) -> list[UUID]:
    """Give the proxies back; the users whose right could not be."""
    theirs = PatientProxy.objects.filter(id__in=row.proxies, patient_id=row.kept_id)
    back = list(theirs.select_for_update().order_by("id"))
    taken = set(
        PatientProxy.objects.filter(patient_id=row.duplicate_id).values_list("user_id", flat=True)
    )
    left = [proxy.user_id for proxy in back if proxy.user_id in taken]
    for proxy in back:
        if proxy.user_id not in taken:
            proxy.patient_id = row.duplicate_id
            versions.save(proxy, ["patient"])
    left += set(row.proxies) - {proxy.id for proxy in back}
    return left + [
        UUID(kept["user"]) for kept in row.proxies_dropped if not _proxy_made_again(row, kept)
    ]


def _proxy_made_again(row: PatientMerge, kept: Mapping[str, Any]) -> bool:
    taken = PatientProxy.objects.filter(patient_id=kept["patient"], user_id=kept["user"])
    if taken.exists() or not User.objects.filter(pk=kept["user"]).exists():
        return False
    PatientProxy.objects.create(
        id=UUID(kept["id"]),
        clinic_id=row.clinic_id,
        patient_id=UUID(kept["patient"]),
        user_id=UUID(kept["user"]),
        relation=kept["relation"],
        valid_until=parse_date(kept["valid_until"]) if kept["valid_until"] else None,
        granted_at=datetime.fromisoformat(kept["granted_at"]),
        created_at=datetime.fromisoformat(kept["created_at"]),
        version=kept["version"] + 1,
    )
    return True


def _remembered(proxy: PatientProxy) -> dict[str, Any]:
    return {
        "id": str(proxy.id),
        "patient": str(proxy.patient_id),
        "user": str(proxy.user_id),
        "relation": proxy.relation,
        "valid_until": _plain(proxy.valid_until),
        "granted_at": proxy.granted_at.isoformat(),
        "created_at": proxy.created_at.isoformat(),
        "version": proxy.version,
    }


def _lasts(proxy: PatientProxy) -> date:
    return proxy.valid_until or date.max


# --- Shared -------------------------------------------------------------------------------------


def _refuse_undo(row: PatientMerge, kept: Patient) -> None:
    if row.undone_at is not None:
        raise KairosError(ErrorCode.CONFLICT, _("This merge was undone before."))
    later = PatientMerge.objects.filter(kept_id=row.kept_id, id__gt=row.id, undone_at=None)
    if kept.merged_into_id is not None or later.exists():
        raise KairosError(
            ErrorCode.CONFLICT,
            _("A later merge of the kept chart stands on this one: undo it first."),
        )


def _record(merge: PatientMerge, action: str, changes: Mapping[str, Any]) -> None:
    reason = merge.reason if merge.undone_at is None else merge.undo_reason
    journal.record(
        journal.Act(
            action,
            "appointments.patientmerge",
            merge.id,
            merge.clinic_id,
            (merge.kept_id, merge.duplicate_id),
            {**changes, "reason": [None, reason]},
            topic=action,
            payload={
                "merge": merge.id,
                "kept": merge.kept_id,
                "duplicate": merge.duplicate_id,
                "appointments": len(merge.appointments),
            },
        )
    )
    if merge.appointments:
        calendar_replaced(clinic=merge.clinic_id)


def _plain(value: Any) -> Any:
    """As it stands in JSON."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [str(item) for item in value]
    return value
