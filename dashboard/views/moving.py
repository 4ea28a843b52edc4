"""Moving a visit: the form with the free times of a day, and what is dropped on the board."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.resume import unsent
from accounts.roles import Permission
from appointments.lifecycle import MOVABLE
from appointments.models import Appointment
from appointments.selectors.appointments import history
from appointments.selectors.day import local_day
from appointments.selectors.slots import Slot, alternatives, slots_find
from appointments.services.reschedule import appointment_reschedule
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.card import Trouble, card_address, reopen, stale_words, the_visit, what_happened
from dashboard.forms.moving import OTHER, SAME, MoveForm, Places, places_for
from dashboard.steps import may_override, may_undo

#: Refusals that a reason can pass, for those who may.
_PASSABLE = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.BEYOND_HORIZON,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
    }
)
#: Refusals that say where a field is wrong, for which no other time helps.
_NOT_OF_TIME = frozenset(
    {ErrorCode.VALIDATION_ERROR, ErrorCode.NOT_FOUND, ErrorCode.LOCATION_REQUIRED}
)


@dataclass(frozen=True, slots=True)
class Start:
    """A start to choose: the value that the form sends, and the wall-clock time."""

    value: str
    moment: datetime
    doctor: UUID | None = None
    location: UUID | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form asks about: whose free times of which day at which place."""

    day: date
    doctor: UUID
    location: UUID | None
    zone: ZoneInfo


@desk_page(Permission.APPOINTMENT_BOOK)
def move(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """Another time, doctor, place or room.

    The board posts `starts_at`, `doctor`, `location` and `version` with `at_once`, and goes on
    with what it shows.
    """
    visit = the_visit(request, visit_id)
    desk = request.desk
    desk.require(Permission.APPOINTMENT_BOOK, visit.doctor_id)
    if visit.status not in MOVABLE:
        if request.method != "POST":
            return redirect(card_address(request, visit))
        raise KairosError(ErrorCode.INVALID_TRANSITION, extra={"current_status": visit.status})
    places = places_for(desk, visit)
    if request.method != "POST" or request.POST.get("look"):
        given = request.POST if request.method == "POST" else unsent(request) or request.GET
        return _form(request, visit, _filled(visit, places, given))
    data = request.POST.copy()
    if data.get("at_once"):
        _complete(data, visit, places)
    form = MoveForm(data, visit=visit, places=places)
    if not form.is_valid():
        return _form(request, visit, form, status=400)
    return _move(request, visit, form)


def _move(request: DeskRequest, visit: Appointment, form: MoveForm) -> HttpResponse:
    given = form.cleaned_data
    moved, refusal = attempted(
        lambda: appointment_reschedule(
            appointment_id=visit.id,
            by=request.desk.principal,
            starts_at=given["moment"],
            doctor=given["doctor"],
            location=given["location"],
            room=given["room"],
            keep_room=given["keep_room"],
            reason=given["reason"],
            override_reason=given["override_reason"] or None,
            expected_version=given["version"],
        )
    )
    if refusal is None and moved is not None:
        return _moved(request, moved, form, was=visit)
    now = the_visit(request, visit.id)
    if now.version == given["version"] + 1 and _is_there(now, form):
        return _moved(request, now, form, was=None)  # a second click, a form sent again
    return _refused(request, now, form, refusal or KairosError(ErrorCode.CONFLICT))


def _moved(
    request: DeskRequest, visit: Appointment, form: MoveForm, *, was: Appointment | None
) -> HttpResponse:
    at_once = bool(form.data.get("at_once")) and request.htmx
    to = "" if at_once else card_address(request, visit)
    if was is not None and was.version == visit.version:
        return done(request, _("It is there already."), to=to)
    doctors = {one.id: str(one) for one in form.places.doctors}
    starts = visit.starts_at.astimezone(ZoneInfo(visit.timezone))
    said = _("Moved to %(when)s, %(doctor)s.") % {
        "when": date_format(starts, "D j M, H:i"),
        "doctor": doctors.get(visit.doctor_id, ""),
    }
    offer = visit if may_undo(request.desk, visit) else None
    return done(request, said, to=to, undo=offer)


def _is_there(visit: Appointment, form: MoveForm) -> bool:
    given = form.cleaned_data
    return (
        visit.starts_at == given["moment"]
        and visit.doctor_id == given["doctor"]
        and given["location"] in {None, visit.location_id}
    )


def _refused(
    request: DeskRequest, visit: Appointment, form: MoveForm, refusal: KairosError
) -> HttpResponse:
    opened = form.cleaned_data["version"]
    reopen(form, visit.version)
    form.visit = visit
    if refusal.code == ErrorCode.PRECONDITION_FAILED:
        meanwhile = what_happened(request.desk, visit, list(history(visit.id)), opened)
        trouble = Trouble(stale_words(meanwhile), meanwhile)
        return _form(request, visit, form, status=refusal.status, trouble=trouble)
    if refusal.code in _NOT_OF_TIME:
        for name, sentences in (refusal.errors or {}).items():
            for sentence in sentences:
                form.add_error(name if name in form.fields else None, sentence)
    return _form(
        request,
        visit,
        form,
        status=refusal.status,
        trouble=Trouble(str(refusal.code.label)),
        near=() if refusal.code in _NOT_OF_TIME else _near(request, visit, form),
        override=refusal.code in _PASSABLE,
    )


def _near(request: DeskRequest, visit: Appointment, form: MoveForm) -> list[Start]:
    """The nearest times that would do, with the doctor and at the place that were asked for."""
    given = form.cleaned_data
    found = alternatives(
        clinic=request.desk.clinic.id,
        doctor=given["doctor"],
        around=given["moment"],
        location=given["location"] or visit.location_id,
        service=visit.service_id,
        minutes=_minutes(visit),
        mode=visit.type,
        patient_rules=False,
        moving=visit.id,
    )
    return [_start(slot, ZoneInfo(slot.timezone)) for slot in found]


def _minutes(visit: Appointment) -> int:
    return round((visit.ends_at - visit.starts_at).total_seconds() / 60)


def _start(slot: Slot, zone: ZoneInfo) -> Start:
    local = slot.starts_at.astimezone(zone)
    return Start(local.isoformat(), local, slot.doctor, slot.location)


# --- The form -------------------------------------------------------------------------------------


def _filled(visit: Appointment, places: Places, given: QueryDict) -> MoveForm:
    """The form, unsent: as the visit is, with what was chosen or typed so far."""
    starts = visit.starts_at.astimezone(ZoneInfo(visit.timezone))
    initial: dict[str, Any] = {
        "day": starts.date(),
        "doctor": str(visit.doctor_id),
        "location": str(visit.location_id or ""),
        "room": str(visit.room_id or ""),
        "starts_at": SAME,
    }
    initial |= {name: given[name] for name in MoveForm.base_fields if given.get(name)}
    return MoveForm(initial=initial | {"version": visit.version}, visit=visit, places=places)


def _complete(data: QueryDict, visit: Appointment, places: Places) -> None:
    """Fill in what the board does not send, so that a refused form can be shown and sent again."""
    data.setdefault("doctor", str(visit.doctor_id))
    data.setdefault("location", str(visit.location_id or ""))
    try:
        moment = datetime.fromisoformat(data.get("starts_at", ""))
        place = data.get("location")
        location = UUID(place) if place else visit.location_id
        data.setdefault("day", str(moment.astimezone(places.zone(location, visit)).date()))
    except (ValueError, OverflowError):
        return  # the form says what is wrong with them


def _wanted(form: MoveForm) -> Wanted:
    """What the form asks about, as far as it can be read; else as the visit is."""
    visit, places = form.visit, form.places

    def chosen(name: str, among: Sequence[Any], now: UUID | None) -> UUID | None:
        text = str(form[name].value() or "")
        return next((one.id for one in among if str(one.id) == text), now)

    location = chosen("location", places.locations, visit.location_id)
    zone = places.zone(location, visit)
    value = form["day"].value()
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        day = visit.starts_at.astimezone(zone).date()
    doctor = chosen("doctor", places.doctors, visit.doctor_id) or visit.doctor_id
    return Wanted(day, doctor, location, zone)


def _free(request: DeskRequest, visit: Appointment, wanted: Wanted) -> list[Start]:
    try:
        start, end = local_day(wanted.day, str(wanted.zone))
    except (ValueError, OverflowError):
        return []
    now = clock.now()
    if end <= now:
        return []
    found = slots_find(
        clinics=[request.desk.clinic.id],
        doctors=[wanted.doctor],
        start=max(start, now),
        end=end,
        location=wanted.location,
        service=visit.service_id,
        minutes=_minutes(visit),
        mode=visit.type,
        patient_rules=False,
        moving=visit.id,
        limit=300,
    )
    return [
        _start(slot, wanted.zone)
        for slot in found
        if slot.starts_at != visit.starts_at or wanted.doctor != visit.doctor_id
    ]


def _form(
    request: DeskRequest,
    visit: Appointment,
    form: MoveForm,
    *,
    status: int = 200,
    trouble: Trouble | None = None,
    near: Sequence[Start] = (),
    override: bool = False,
) -> HttpResponse:
    wanted = _wanted(form)
    free = _free(request, visit, wanted)
    chosen = str(form["starts_at"].value() or SAME)
    if form["time"].value() and chosen == SAME:
        chosen = OTHER
    asked = None
    if chosen not in {SAME, OTHER, *(one.value for one in free)}:
        asked, chosen = _as_asked(chosen, wanted, free)
    doctors = {one.id: one for one in form.places.doctors}
    found = {
        "title": _("Move the visit"),
        "visit": visit,
        "form": form,
        "trouble": trouble,
        "near": near,
        "free": free,
        "asked": asked,
        "chosen": chosen,
        "same": visit.starts_at.astimezone(ZoneInfo(visit.timezone)),
        "day": wanted.day,
        "zone": str(wanted.zone),
        "doctor": doctors.get(wanted.doctor),
        "may_override": may_override(request.desk, wanted.doctor),
        "override_open": override or bool(form["override_reason"].value()),
        "many_places": len(form.places.locations) > 1,
    }
    return panel(request, "dashboard/visit_move.html", found, status=status)


def _as_asked(text: str, wanted: Wanted, free: Sequence[Start]) -> tuple[Start | None, str]:
    """The time that was asked for: one of the free ones written otherwise, or one more to offer."""
    try:
        moment = datetime.fromisoformat(text)
        local = moment.astimezone(wanted.zone) if moment.tzinfo else None
    except (ValueError, OverflowError):
        local = None
    if local is None or local.date() != wanted.day:
        return None, SAME
    same = next((one for one in free if one.moment == local), None)
    if same is not None:
        return None, same.value
    return Start(local.isoformat(), local), local.isoformat()
