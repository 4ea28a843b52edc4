"""The recall list: who is to be asked back, what became of asking, booking and inviting them."""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.roles import Permission
from clinics.selectors.directory import doctors_working_at
from core import journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done
from dashboard.forms.recall import ESCALATED, OVERDUE, AttemptForm, RecallFilter
from dashboard.once import told_before, told_once
from dashboard.recall import invited_said, place_in, place_said, rows_of
from dashboard.views.booking.patient_part import uuid_in
from dashboard.views.recall_plan import link_of, the_plan
from followups.models import FollowUpPlan
from followups.selectors.recall import Due, RecallPage, recall_list
from followups.services.contact import contact_record
from followups.services.invitations import invitations_send

PER_PAGE: Final = 30
_INVITE: Final = "desk-recall-invite"


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of an address, as they were understood."""

    form: RecallFilter
    filters: dict[str, Any]
    after: str

    @property
    def query(self) -> str:
        """The filters as a query, the place in the list included."""
        kept = {name: self.form.data.get(name, "") for name in ("doctor", "kind", "only")}
        kept["after"] = self.after
        return urlencode({name: value for name, value in kept.items() if value})

    @property
    def is_narrowed(self) -> bool:
        return bool(self.filters)


def asked_of(request: DeskRequest) -> Asked:
    """Read the filters. Raises NOT_FOUND for what cannot be asked for."""
    form = RecallFilter(request.GET, doctors=doctors_working_at(request.desk.clinic.id))
    if not form.is_valid():
        raise KairosError(ErrorCode.NOT_FOUND)
    given = form.cleaned_data
    filters: dict[str, Any] = {
        "doctor": given["doctor"],
        "follow_up_type": given["kind"] or None,
        "due": Due.OVERDUE if given["only"] == OVERDUE else None,
        "escalated": True if given["only"] == ESCALATED else None,
    }
    kept = {name: value for name, value in filters.items() if value is not None}
    return Asked(form, kept, request.GET.get("after", ""))


@desk_page(Permission.FOLLOWUP_READ)
def recall(request: DeskRequest) -> HttpResponse:
    """Plans that wait for a visit and are due, the most urgent first."""
    return _page(request, asked_of(request))


@desk_page(Permission.FOLLOWUP_SCHEDULE)
def attempt(request: DeskRequest, plan_id: UUID) -> HttpResponse:
    """Note that the patient was asked, and how it went."""
    asked = asked_of(request)
    if request.method != "POST":
        return redirect(f"{_address(request, asked)}#plan-{plan_id}")
    plan = the_plan(request, plan_id)
    form = AttemptForm(request.POST, auto_id=f"id_{plan_id}_%s")
    if not form.is_valid():
        return _page(request, asked, opened=form, plan=plan_id, status=400)
    given = form.cleaned_data
    made, refusal = attempted(
        lambda: contact_record(
            by=request.desk.principal,
            plan_id=plan_id,
            channel=given["channel"],
            outcome=given["outcome"],
            note=given["note"],
            again_on=given["again_on"],
            expected_version=given["version"],
        )
    )
    if made is None:
        assert refusal is not None  # noqa: S101 - one of the two is there
        form = _reopened(form, refusal, plan)
        return _page(request, asked, opened=form, plan=plan_id, status=refusal.status)
    said = _("Noted: %(name)s, %(outcome)s.") % {
        "name": plan.patient.full_name,
        "outcome": made.get_outcome_display(),
    }
    return done(request, said, to="" if request.htmx else _address(request, asked))


def _reopened(form: AttemptForm, refusal: KairosError, plan: FollowUpPlan) -> AttemptForm:
    """The refused form beside the plan as it is now: sent again, it means that one."""
    now = FollowUpPlan.objects.values_list("version", flat=True).get(pk=plan.pk)
    refusal_show(form, refusal)
    form.data = {**form.data.dict(), "version": str(now)}  # type: ignore[attr-defined]  # a QueryDict
    return form


def _page(
    request: DeskRequest,
    asked: Asked,
    *,
    opened: AttemptForm | None = None,
    plan: UUID | None = None,
    status: int = 200,
) -> HttpResponse:
    """The list; into an open page the list alone."""
    desk = request.desk
    found = _read(request, asked)
    rows = rows_of(desk, found.rows, opened=opened, plan=plan)
    gone = opened is not None and not any(row.open for row in rows)
    context = {
        "desk": desk,
        "section": "recall",
        "asked": asked,
        "rows": rows,
        "next": _further(asked, found),
        "may_invite": any(row.may_act for row in rows),
        "once": uuid4(),
        "trouble": _why(opened) if gone else "",
    }
    if request.htmx:
        return TemplateResponse(request, "dashboard/recall_list.html", context, status=status)
    return TemplateResponse(request, "dashboard/recall.html", context, status=status)


def _read(request: DeskRequest, asked: Asked) -> RecallPage:
    desk = request.desk
    found = recall_list(
        by=desk.principal,
        clinic_id=desk.clinic.id,
        after=place_in(asked.after) if asked.after else None,
        limit=PER_PAGE,
        **asked.filters,
    )
    if found.rows:
        journal.record(
            journal.Act(
                "followup.listed",
                "followups.followupplan",
                clinic_id=desk.clinic.id,
                subjects=sorted({row.patient_id for row in found.rows}),
            )
        )
    return found


def _why(form: AttemptForm | None) -> str:
    """What stands in the errors of a form whose row is not on the page any more."""
    if form is None:
        return ""
    return " ".join(str(one) for many in form.errors.values() for one in many)


def _further(asked: Asked, found: RecallPage) -> str:
    if found.next is None:
        return ""
    kept = {name: asked.form.data.get(name, "") for name in ("doctor", "kind", "only")}
    kept["after"] = place_said(found.next)
    return urlencode({name: value for name, value in kept.items() if value})


def _address(request: DeskRequest, asked: Asked | None = None) -> str:
    found = reverse("desk-recall", kwargs={"slug": request.desk.clinic.slug})
    return f"{found}?{asked.query}" if asked is not None and asked.query else found


# --- Inviting several ----------------------------------------------------------------------------


@desk_page(Permission.FOLLOWUP_SCHEDULE)
def invite(request: DeskRequest) -> HttpResponse:
    """Invite the patients of the chosen plans to pick a time; the same form sent twice, once."""
    desk, asked = request.desk, asked_of(request)
    if request.method != "POST":
        return redirect(_address(request, asked))
    chosen = [uuid_in(text) for text in request.POST.getlist("plan")[:PER_PAGE]]
    plans = [one for one in chosen if one is not None]
    if not plans:
        messages.info(request, _("Tick whom you want to invite."))
        return redirect(_address(request, asked))
    once = uuid_in(request.POST.get("once")) or uuid4()

    def act() -> str:
        outcomes = invitations_send(by=desk.principal, plans=plans)
        return json.dumps(
            [
                {
                    "plan": str(one.plan),
                    "code": one.code.value if one.code is not None else "",
                    "by_sms": one.by_sms,
                    "invitation": str(one.invitation.id) if one.invitation is not None else "",
                }
                for one in outcomes
            ]
        )

    asks = sorted(plans)
    _told, refusal = attempted(lambda: told_once(desk, _INVITE, once, asks, act))
    if refusal is not None and refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH:
        once = uuid4()  # a page that was gone back to, with others ticked
        told_once(desk, _INVITE, once, asks, act)
    elif refusal is not None:
        raise refusal
    here = reverse("desk-recall-invited", kwargs={"slug": desk.clinic.slug, "once": once})
    return redirect(f"{here}?{asked.query}" if asked.query else here)


@desk_page(Permission.FOLLOWUP_SCHEDULE)
def invited(request: DeskRequest, once: UUID) -> HttpResponse:
    """What became of inviting: who gets a message, and whose link is to be handed out."""
    desk, asked = request.desk, asked_of(request)
    told = told_before(desk, _INVITE, once)
    if told is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    rows = invited_said(desk, json.loads(told), lambda one: link_of(request, one))
    journal.record(
        journal.Act(
            "followup.invitations_shown",
            "followups.followupplan",
            clinic_id=desk.clinic.id,
            subjects=sorted({row.patient_id for row in rows}),
        )
    )
    context = {
        "desk": desk,
        "section": "recall",
        "rows": rows,
        "by_hand": sum(1 for row in rows if row.link and not row.by_sms),
        "back": _address(request, asked),
    }
    return TemplateResponse(request, "dashboard/recall_invited.html", context)


urlpatterns: list[URLPattern] = [
    path("recall", recall, name="desk-recall"),
    path("recall/invite", invite, name="desk-recall-invite"),
    path("recall/invited/<uuid:once>", invited, name="desk-recall-invited"),
    path("recall/<uuid:plan_id>/attempts", attempt, name="desk-recall-attempt"),
]
