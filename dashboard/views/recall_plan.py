"""One follow-up plan at the desk: what is known of it, and its visit booked from free times."""

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.roles import Permission
from core import clock, journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.forms.recall import PickForm, TimesForm
from dashboard.picking import picked_in, times_free
from dashboard.recall import days_said
from dashboard.views.booking.patient_part import today_at
from dashboard.views.booking.sheet import offer_at
from followups.links import invitation_link
from followups.models import FollowUpInvitation, FollowUpPlan, InvitationStatus
from followups.selectors.plans import plans_visible_to
from followups.selectors.recall import contact_attempts
from followups.services.plans import PlanMade, plan_schedule

_ATTEMPTS: Final = 20
_LISTS: Final = (
    ("medications", gettext_lazy("Medications")),
    ("tests", gettext_lazy("Tests")),
    ("restrictions", gettext_lazy("Restrictions")),
)


@desk_page(Permission.FOLLOWUP_READ)
def plan(request: DeskRequest, plan_id: UUID) -> HttpResponse:
    """What is to be done, how the patient was asked, and the invitation that is open."""
    found = the_plan(request, plan_id)
    journal.record(
        journal.Act(
            "followup.read",
            "followups.followupplan",
            found.id,
            found.clinic_id,
            (found.patient_id,),
        )
    )
    invitation = (
        FollowUpInvitation.objects.filter(plan=found, status=InvitationStatus.OPEN)
        .order_by("-id")
        .first()
    )
    if invitation is not None and invitation.expires_at <= clock.now():
        invitation = None
    may_act = request.desk.may_for(Permission.FOLLOWUP_SCHEDULE, found.doctor_id)
    shown = {
        **_head(request, found),
        "title": found.patient.full_name,
        "attempts": contact_attempts(found.id).select_related("by")[:_ATTEMPTS],
        "invitation": invitation,
        "link": link_of(request, invitation) if invitation is not None and may_act else "",
        "may_act": may_act and found.is_waiting,
        "waits": ErrorCode(found.waiting_code).label if found.waiting_code else "",
        "clinical": request.desk.may_for(Permission.APPOINTMENT_CLINICAL, found.doctor_id),
        "lists": [(label, getattr(found, name)) for name, label in _LISTS if getattr(found, name)],
    }
    return panel(request, "dashboard/recall_plan.html", shown)


@desk_page(Permission.FOLLOWUP_SCHEDULE)
def book(request: DeskRequest, plan_id: UUID) -> HttpResponse:
    """Free times for the plan's visit; a time that was picked is booked."""
    found = the_plan(request, plan_id)
    request.desk.require(Permission.FOLLOWUP_SCHEDULE, found.doctor_id)
    if request.method != "POST":
        return _times(request, found, PickForm(initial={"version": found.version}))
    form = PickForm(request.POST)
    if not form.is_valid():
        return _times(request, found, form, status=400)
    given = form.cleaned_data

    def act() -> PlanMade:
        picked = picked_in(given["pick"])
        return plan_schedule(
            by=request.desk.principal,
            plan_id=found.id,
            doctor=picked.doctor,
            location=picked.location,
            starts_at=picked.starts_at,
            early_reason=given["early_reason"] or None,
            expected_version=given["version"],
        )

    made, refusal = attempted(act)
    if made is not None and made.appointment is not None:
        visit = made.appointment
        here = {"slug": request.desk.clinic.slug, "visit_id": visit.id}
        said = _("Booked: %(patient)s with %(doctor)s.") % {
            "patient": found.patient.full_name,
            "doctor": visit.doctor,
        }
        return done(request, said, to=reverse("desk-visit", kwargs=here))
    if refusal is None:
        refusal = KairosError(ErrorCode(made.code if made and made.code else _TAKEN))
    now = the_plan(request, plan_id)
    form.data = {**form.data.dict(), "version": str(now.version)}  # type: ignore[attr-defined]  # a QueryDict
    refusal_show(form, refusal)
    return _times(request, now, form, status=refusal.status)


_TAKEN: Final = ErrorCode.SCHEDULING_CONFLICT


def _times(
    request: DeskRequest, found: FollowUpPlan, form: PickForm, *, status: int = 200
) -> HttpResponse:
    desk, today = request.desk, today_at(request.desk)
    due = max(found.scheduled_for, today)
    offer = offer_at(desk)
    mine = found.doctor_id if offer.doctor(found.doctor_id) else None
    asked = TimesForm(request.GET, doctors=offer.doctors, doctor=mine, day=due)
    may_be_early = desk.may_for(Permission.FOLLOWUP_WRITE, found.doctor_id)
    first, doctor = asked.question(today if may_be_early else due)
    result = times_free(
        desk,
        offer,
        first=first,
        doctor=doctor,
        location=found.location_id,
        service=found.service,
        mode=found.mode,
        minutes=found.duration_minutes,
    )
    here = reverse("desk-recall-book", kwargs={"slug": desk.clinic.slug, "plan_id": found.id})
    kept = {"doctor": doctor or "", "day": first.isoformat()}
    shown = {
        **_head(request, found),
        "title": _("Book the follow-up"),
        "form": form,
        "asked": asked,
        "days": result.days,
        "address": here,
        "later": f"{here}?{urlencode(kept | {'day': result.later})}" if result.later else "",
        "is_early": first < found.scheduled_for or "early_reason" in form.errors,
        "is_open": found.is_waiting,
        "action": f"{here}?{urlencode(kept)}",
    }
    return panel(request, "dashboard/recall_book.html", shown, status=status)


def _head(request: DeskRequest, found: FollowUpPlan) -> dict[str, Any]:
    zone = ZoneInfo(request.desk.clinic.timezone)
    today = timezone.localdate(clock.now(), timezone=zone)
    return {
        "section": "recall",
        "plan": found,
        "due_said": days_said((today - found.scheduled_for).days) if found.is_waiting else "",
        "is_overdue": found.is_waiting and found.scheduled_for < today,
    }


def link_of(request: DeskRequest, invitation: FollowUpInvitation) -> str:
    """The whole address of an invitation, to be handed out."""
    return request.build_absolute_uri(
        reverse("portal-follow-up", kwargs={"token": invitation_link(invitation)})
    )


def the_plan(request: DeskRequest, plan_id: UUID) -> FollowUpPlan:
    """The plan, as far as this person sees it. Raises FOLLOWUP_PLAN_NOT_FOUND."""
    found = (
        plans_visible_to(request.desk.principal)
        .filter(clinic=request.desk.clinic, pk=plan_id)
        .select_related(
            "patient", "doctor", "service", "location", "appointment", "follow_up_appointment"
        )
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.FOLLOWUP_PLAN_NOT_FOUND)
    return found


urlpatterns: list[URLPattern] = [
    path("recall/<uuid:plan_id>", plan, name="desk-recall-plan"),
    path("recall/<uuid:plan_id>/book", book, name="desk-recall-book"),
]
