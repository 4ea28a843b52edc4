"""Offering a time to who waits for one: by hand, from an entry or a freed time; their answers."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment
from core import journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.picking import picked_in, value_of
from dashboard.series import local, why_said
from dashboard.views.waitlist import address, back_to_list, page
from dashboard.waitlist import doctor_names, offered, openings_of, row_of
from followups.models import OpeningStatus, WaitlistEntry, WaitlistOffer, WaitlistOpening
from followups.models import WaitlistStatus as Waiting
from followups.offer_links import offer_link
from followups.selectors.waitlist import (
    WaitlistRow,
    entries_visible_to,
    offers_of,
    offers_visible_to,
    times_for,
    with_names,
)
from followups.services.candidates import candidates
from followups.services.offers import (
    offer_by_hand,
    offer_decline,
    offer_take_by_staff,
    offer_told,
)
from followups.services.waitlist import entry_withdraw

_TIMES: Final = 12
_PEOPLE: Final = 10


@desk_page(Permission.APPOINTMENT_BOOK)
def entry(request: DeskRequest, entry_id: UUID) -> HttpResponse:
    """One entry: the wish, free times to offer, and every offer that was made."""
    return entry_card(request, the_entry(request, entry_id))


def entry_card(
    request: DeskRequest, found: WaitlistEntry, *, trouble: str = "", status: int = 200
) -> HttpResponse:
    """The card of an entry, read anew and written down as read."""
    desk = request.desk
    names = doctor_names(desk)
    offers = offers_of([found.id]).get(found.id, [])
    row = row_of(desk, WaitlistRow(found, offers), names)
    is_waiting = found.status == Waiting.WAITING
    starts = times_for(by=desk.principal, entry_id=found.id, limit=_TIMES) if is_waiting else []
    times = [
        {
            "value": value_of(one),
            "local": local(one.starts_at, ZoneInfo(one.timezone)),
            "doctor": names.get(one.doctor, ""),
        }
        for one in starts
        if desk.may_for(Permission.APPOINTMENT_BOOK, one.doctor)
    ]
    _read(request, found)
    shown = {
        "title": row.name,
        "section": "waitlist",
        "entry": found,
        "row": row,
        "times": times,
        "links": _links(request, found, offers),
        "is_waiting": is_waiting,
        "trouble": trouble,
    }
    return panel(request, "dashboard/waitlist_entry.html", shown, status=status)


def _links(
    request: DeskRequest, found: WaitlistEntry, offers: Sequence[WaitlistOffer]
) -> list[tuple[UUID, str]]:
    """The addresses of the offers that the desk may hand out."""
    return [
        (
            one.id,
            request.build_absolute_uri(reverse("portal-offer", kwargs={"token": offer_link(one)})),
        )
        for one in offers
        if offered(request.desk, one, found).may_act
    ]


def _read(request: DeskRequest, found: WaitlistEntry) -> None:
    journal.record(
        journal.Act(
            "waitlist.read",
            "followups.waitlistentry",
            found.id,
            found.clinic_id,
            (found.patient_id,),
        )
    )


@desk_page(Permission.APPOINTMENT_BOOK)
def withdraw(request: DeskRequest, entry_id: UUID) -> HttpResponse:
    """Take somebody off the list."""
    if request.method != "POST":
        return back_to_list(request)
    found = the_entry(request, entry_id)
    version = request.POST.get("version", "")
    if not version.isdigit() or len(version) > 9:
        raise KairosError(ErrorCode.VALIDATION_ERROR)
    made, refusal = attempted(
        lambda: entry_withdraw(
            by=request.desk.principal, entry_id=found.id, expected_version=int(version)
        )
    )
    if made is None:
        assert refusal is not None  # noqa: S101 - one of the two is there
        now = the_entry(request, entry_id)
        return entry_card(request, now, trouble=refusal.detail, status=refusal.status)
    said = _("%(name)s is off the waitlist.") % {"name": found.patient.full_name}
    return done(request, said, to="" if _beside(request) else address(request))


@desk_page(Permission.APPOINTMENT_BOOK)
def offer(request: DeskRequest, entry_id: UUID) -> HttpResponse:
    """Offer one person one time."""
    if request.method != "POST":
        return back_to_list(request)
    found = the_entry(request, entry_id)

    def act() -> WaitlistOffer:
        picked = picked_in(request.POST.get("pick", ""))
        return offer_by_hand(
            by=request.desk.principal,
            entry_id=found.id,
            doctor=picked.doctor,
            location=picked.location,
            starts_at=picked.starts_at,
        )

    made, refusal = attempted(act)
    if made is None:
        assert refusal is not None  # noqa: S101 - one of the two is there
        now = the_entry(request, entry_id)
        return entry_card(request, now, trouble=why_said(refusal.code), status=refusal.status)
    said = _("Offered to %(name)s. Call them, or hand out the link; say here what they answer.") % {
        "name": found.patient.full_name
    }
    here = {"slug": request.desk.clinic.slug, "entry_id": found.id}
    return done(request, said, to=reverse("desk-waitlist-entry", kwargs=here))


# --- A freed time --------------------------------------------------------------------------------


@desk_page(Permission.APPOINTMENT_BOOK)
def opening(request: DeskRequest, opening_id: UUID) -> HttpResponse:
    """A freed time: who was asked, and who would be next, in the order in which they are asked."""
    desk = request.desk
    shown_ones = openings_of(desk, opening=opening_id)
    if not shown_ones:
        raise KairosError(ErrorCode.NOT_FOUND)
    row = WaitlistOpening.objects.get(pk=opening_id)
    is_open = row.status == OpeningStatus.OPEN
    people = candidates(row, _PEOPLE) if is_open else []
    names = doctor_names(desk) if people else {}
    next_ones = [
        {
            "row": row_of(desk, WaitlistRow(one.entry, []), names),
            "pick": value_of(one.start),
            "local": local(one.start.starts_at, ZoneInfo(one.start.timezone)),
            "rests": one.resting_until is not None,
        }
        for one in people
    ]
    journal.record(
        journal.Act(
            "waitlist.listed",
            "followups.waitlistentry",
            clinic_id=desk.clinic.id,
            subjects=sorted({one.entry.patient_id for one in people}),
        )
    )
    shown = {
        "title": _("A freed time"),
        "section": "waitlist",
        "opening": shown_ones[0],
        "is_open": is_open,
        "people": next_ones,
    }
    return panel(request, "dashboard/waitlist_opening.html", shown)


# --- Answers -------------------------------------------------------------------------------------


@desk_page(Permission.APPOINTMENT_BOOK)
def take(request: DeskRequest, offer_id: UUID) -> HttpResponse:
    """The patient has said yes to the desk: the visit is booked, or moved."""
    if request.method != "POST":
        return back_to_list(request)
    found = the_offer(request, offer_id)
    # Not undone by a refusal: that the time is gone is kept.
    taken = offer_take_by_staff(by=request.desk.principal, offer_id=found.id)
    if taken.appointment is None:
        return _refused(request, found, taken.refusal or KairosError(ErrorCode.SCHEDULING_CONFLICT))
    return _won(request, found, taken.appointment)


def _won(request: DeskRequest, found: WaitlistOffer, visit: Appointment) -> HttpResponse:
    said = _("Booked: %(patient)s with %(doctor)s.") % {
        "patient": found.entry.patient.full_name,
        "doctor": found.opening.doctor,
    }
    here = {"slug": request.desk.clinic.slug, "visit_id": visit.id}
    return done(request, said, to=reverse("desk-visit", kwargs=here))


@desk_page(Permission.APPOINTMENT_BOOK)
def decline(request: DeskRequest, offer_id: UUID) -> HttpResponse:
    """The patient has said no to the desk; they wait on."""
    said = _("%(name)s does not want this time, and waits on.")
    return _answer(request, offer_id, said, lambda found: offer_decline(offer_link(found)))


@desk_page(Permission.APPOINTMENT_BOOK)
def tell(request: DeskRequest, offer_id: UUID) -> HttpResponse:
    """The desk has told the patient; the answer is to come."""
    by = request.desk.principal
    said = _("Noted: %(name)s knows of the offer.")
    return _answer(request, offer_id, said, lambda found: offer_told(by=by, offer_id=found.id))


def _answer(
    request: DeskRequest, offer_id: UUID, said: str, act: Callable[[WaitlistOffer], Any]
) -> HttpResponse:
    if request.method != "POST":
        return back_to_list(request)
    found = the_offer(request, offer_id)
    made, refusal = attempted(lambda: act(found))
    if made is None:
        return _refused(request, found, refusal or KairosError(ErrorCode.CONFLICT))
    words = said % {"name": found.entry.patient.full_name}
    to = "" if _beside(request) else address(request)
    if request.htmx.target == "panel":
        here = {"slug": request.desk.clinic.slug, "entry_id": found.entry_id}
        to = reverse("desk-waitlist-entry", kwargs=here)
    return done(request, words, to=to)


def _refused(request: DeskRequest, found: WaitlistOffer, refusal: KairosError) -> HttpResponse:
    """Why not: on the card of the entry where it was asked from there, else above the lists."""
    if request.htmx.target == "panel":
        now = the_entry(request, found.entry_id)
        return entry_card(request, now, trouble=refusal.detail, status=refusal.status)
    return page(request, trouble=refusal.detail, status=refusal.status)


def _beside(request: DeskRequest) -> bool:
    """Whether the act was asked for beside a list, which is read again by itself."""
    return bool(request.htmx) and not request.headers.get("X-Page-Alone")


def the_entry(request: DeskRequest, entry_id: UUID) -> WaitlistEntry:
    """The entry, as far as this person sees it. Raises NOT_FOUND."""
    found = (
        with_names(entries_visible_to(request.desk.principal))
        .filter(clinic=request.desk.clinic, pk=entry_id)
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def the_offer(request: DeskRequest, offer_id: UUID) -> WaitlistOffer:
    """The offer, as far as this person may answer it. Raises NOT_FOUND, PERMISSION_DENIED."""
    found = (
        offers_visible_to(request.desk.principal)
        .filter(clinic=request.desk.clinic, pk=offer_id)
        .select_related("entry__patient", "opening__doctor")
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    request.desk.require(Permission.APPOINTMENT_BOOK, found.opening.doctor_id)
    return found


urlpatterns: list[URLPattern] = [
    path("waitlist/<uuid:entry_id>", entry, name="desk-waitlist-entry"),
    path("waitlist/<uuid:entry_id>/withdraw", withdraw, name="desk-waitlist-withdraw"),
    path("waitlist/<uuid:entry_id>/offer", offer, name="desk-waitlist-offer"),
    path("waitlist/openings/<uuid:opening_id>", opening, name="desk-waitlist-opening"),
    path("waitlist/offers/<uuid:offer_id>/accept", take, name="desk-waitlist-accept"),
    path("waitlist/offers/<uuid:offer_id>/decline", decline, name="desk-waitlist-decline"),
    path("waitlist/offers/<uuid:offer_id>/told", tell, name="desk-waitlist-told"),
]
