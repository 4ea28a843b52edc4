"""The day: the board, its columns as they change, the list, and one doctor's week."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext

from accounts.roles import Permission
from appointments.selectors.day import local_day, visits_between
from clinics import branding
from clinics.models import Clinic, Doctor, Location, Service
from clinics.pages import PageRequest, page, who
from clinics.selectors.directory import doctors_besides, doctors_working_at
from core import clock, journal
from core.errors import ErrorCode, KairosError, invalid
from dashboard.access import DeskRequest, desk_page
from dashboard.board import Board, Choice
from dashboard.columns import day_board, week_board
from dashboard.listing import SORTS, listed, ordered

MAX_CHOICE = 200


@page()
def home(request: PageRequest) -> HttpResponse:
    """The only clinic's day; or a choice of clinics."""
    principal = who(request)
    places = Clinic.objects.filter(is_active=True).order_by("name")
    if not principal.is_super_admin:
        places = places.filter(id__in=principal.roles)
    found = list(places[:MAX_CHOICE])
    if len(found) == 1 and "choose" not in request.GET:
        return redirect("desk-today", slug=found[0].slug)
    return TemplateResponse(request, "dashboard/choose.html", {"clinics": found})


@desk_page()
def brand(request: DeskRequest, shade: str = "light") -> HttpResponse:
    """The clinic's accent and the colours of its services."""
    clinic = request.desk.clinic
    services = Service.objects.filter(clinic_id=clinic.id).values_list("id", "colour")
    sheet = branding.stylesheet(clinic.colour, dark=shade == "dark", services=services)
    return HttpResponse(sheet, content_type="text/css")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for, checked against the clinic.

    `only_own`: the person sees no calendar but their own.
    """

    day: date
    zone: str
    choice: Choice
    all_doctors: tuple[Doctor, ...]
    locations: tuple[Location, ...]
    services: tuple[Service, ...]
    only_own: bool

    @property
    def places(self) -> Mapping[UUID, str]:
        return {place.id: place.name for place in self.locations}

    @property
    def query(self) -> str:
        """The filters as a query, to be kept from day to day."""
        found: dict[str, object] = {}
        if len(self.choice.doctors) == 1 and len(self.all_doctors) > 1:
            found["doctor"] = self.choice.doctors[0].id
        if self.choice.location:
            found["location"] = self.choice.location.id
        if self.choice.service:
            found["service"] = self.choice.service
        return urlencode(found)


def wanted(request: DeskRequest, day: date | None) -> Wanted:
    """Read the filters. Raises NOT_FOUND for ids that are not the clinic's."""
    desk = request.desk
    doctors = doctors_working_at(desk.clinic.id)
    only_own = not (desk.may_whole(Permission.APPOINTMENT_READ) or desk.clinic.shared_calendars)
    if only_own:
        doctors = [doctor for doctor in doctors if doctor.id == desk.principal.doctor_id]
    locations = list(
        Location.objects.filter(clinic_id=desk.clinic.id, is_active=True).order_by("name", "id")
    )
    services = list(
        Service.objects.filter(clinic_id=desk.clinic.id, is_active=True).order_by("name", "id")
    )
    location = _one(locations, request.GET.get("location"))
    service = _one(services, request.GET.get("service"))
    doctor = _one(doctors, request.GET.get("doctor"))
    zone = location.timezone if location else desk.clinic.timezone
    return Wanted(
        day=day or clock.now().astimezone(ZoneInfo(zone)).date(),
        zone=zone,
        choice=Choice(
            doctors=(doctor,) if doctor else tuple(doctors),
            location=location,
            service=service.id if service else None,
            everyone=doctor is None and not only_own,
        ),
        all_doctors=tuple(doctors),
        locations=tuple(locations),
        services=tuple(services),
        only_own=only_own,
    )


def _one(rows: list[Any], raw: str | None) -> Any:
    """The row of that id; None when none is asked for. Raises NOT_FOUND."""
    if not raw:
        return None
    found = next((row for row in rows if str(row.id) == raw), None)
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


@desk_page()
def board(request: DeskRequest, day: date | None = None) -> HttpResponse:
    """The day as a board, or with `view=list` as a list; `?day=` is the day picker's way in."""
    if picked := request.GET.get("day"):
        return _picked(request, picked)
    asked = wanted(request, day)
    _record(request, asked)
    if request.GET.get("view") == "list":
        shown = _listing(request, asked)
    else:
        shown = {
            "board": day_board(
                request.desk, asked.choice, asked.day, asked.zone, places=asked.places
            ),
            "view": "board",
            "columns_url": _address("desk-columns", request, asked.day, asked.query),
        }
    return TemplateResponse(request, "dashboard/day.html", _context(request, asked) | shown)


def _picked(request: DeskRequest, picked: str) -> HttpResponse:
    """To the address of the day that was picked, with the filters that say something."""
    query = request.GET.copy()
    query.pop("day")
    view = query.get("view")
    if view == "week":
        query.pop("view")
    filters = urlencode({name: value for name, value in query.items() if value})
    return redirect(
        _address("desk-week" if view == "week" else "desk-day", request, _day(picked), filters)
    )


def _day(raw: str) -> date:
    """Raises VALIDATION_ERROR for what is no day of this century."""
    try:
        day = date.fromisoformat(raw)
    except ValueError:
        day = date.min
    if day.year not in range(2000, 2100):
        raise invalid("day", gettext("a day such as 2026-12-01"))
    return day


@desk_page()
def columns(request: DeskRequest, day: date) -> HttpResponse:
    """The columns that are not as `have` says; with `only`, of these doctors."""
    asked = wanted(request, day)
    only = set(request.GET.get("only", "").split(",")) - {""}
    among = tuple(doctor for doctor in asked.choice.doctors if str(doctor.id) in only)
    if only and len(among) == len(only):
        asked = replace(asked, choice=replace(asked.choice, doctors=among, everyone=False))
    found = day_board(request.desk, asked.choice, asked.day, asked.zone, places=asked.places)
    if only:  # also when one of them works here no more, and only has a visit left
        found = replace(
            found, columns=tuple(one for one in found.columns if str(one.doctor) in only)
        )
    return _changed(request, found, part=bool(only))


@desk_page()
def week(request: DeskRequest, day: date) -> HttpResponse:
    """One doctor's week: who signs in as a doctor sees their own."""
    asked = _of_one(request, wanted(request, day))
    _record(request, asked)
    context = _context(request, asked) | {"view": "week", "no_doctor": not asked.choice.doctors}
    if asked.choice.doctors:
        monday = asked.day - timedelta(days=asked.day.weekday())
        context["board"] = week_board(
            request.desk, asked.choice, monday, asked.zone, places=asked.places
        )
        context["columns_url"] = _address("desk-week-columns", request, asked.day, asked.query)
    return TemplateResponse(request, "dashboard/day.html", context)


@desk_page()
def week_columns(request: DeskRequest, day: date) -> HttpResponse:
    """The days of the week that are not as `have` says."""
    asked = _of_one(request, wanted(request, day))
    if not asked.choice.doctors:
        return HttpResponse(status=204)
    monday = asked.day - timedelta(days=asked.day.weekday())
    found = week_board(request.desk, asked.choice, monday, asked.zone, places=asked.places)
    return _changed(request, found, part=False)


def _of_one(request: DeskRequest, asked: Wanted) -> Wanted:
    """The week is of the doctor asked for, else of who asks, else of the first."""
    if len(asked.choice.doctors) == 1:
        return asked
    own = [one for one in asked.all_doctors if one.id == request.desk.principal.doctor_id]
    chosen = (own or list(asked.all_doctors))[:1]
    return replace(asked, choice=replace(asked.choice, doctors=tuple(chosen), everyone=False))


def _changed(request: DeskRequest, found: Board, *, part: bool) -> HttpResponse:
    """The columns whose stamp the browser does not have; 204 when it has them all.

    The headers say which columns there are, and which hours.
    """
    have = set(request.GET.get("have", "").split(","))
    fresh = [one for one in found.columns if f"{one.key}:{one.stamp}" not in have]
    keys = {key.partition(":")[0] for key in have}
    if not fresh and (part or keys == {one.key for one in found.columns}):
        return HttpResponse(status=204)
    response = TemplateResponse(
        request, "dashboard/columns.html", {"desk": request.desk, "columns": fresh, "board": found}
    )
    response.headers["X-Board-Range"] = f"{found.scale.first}-{found.scale.last}"
    if not part:
        response.headers["X-Board-Keys"] = found.keys
    return response


def _listing(request: DeskRequest, asked: Wanted) -> dict[str, Any]:
    start, end = local_day(asked.day, asked.zone)
    visits = visits_between(
        by=request.desk.principal,
        clinic=request.desk.clinic.id,
        doctors=None if asked.choice.everyone else [one.id for one in asked.choice.doctors],
        start=start,
        end=end,
        location=asked.choice.location.id if asked.choice.location else None,
    )
    former = doctors_besides(asked.all_doctors, (visit.doctor for visit in visits))
    rows, sort, down = ordered(
        listed(request.desk, visits, (*asked.all_doctors, *former), asked.zone),
        request.GET.get("sort", "time"),
    )
    heads = [
        {
            "label": label,
            "sort": f"-{name}" if name == sort and not down else name,
            "is": ("descending" if down else "ascending") if name == sort else "",
        }
        for name, (label, _key) in SORTS.items()
    ]
    return {"rows": rows, "heads": heads, "view": "list"}


def _context(request: DeskRequest, asked: Wanted) -> dict[str, Any]:
    desk = request.desk
    today = clock.now().astimezone(ZoneInfo(asked.zone)).date()
    start, end = local_day(asked.day, asked.zone)
    step = timedelta(days=7 if request.resolver_match.url_name == "desk-week" else 1)  # type: ignore[union-attr]
    return {
        "desk": desk,
        "section": "day",
        "asked": asked,
        "day": asked.day,
        "is_today": asked.day == today,
        "today": today,
        "monday": asked.day - timedelta(days=asked.day.weekday()),
        "before": asked.day - step,
        "after": asked.day + step,
        "start": int(start.timestamp()),
        "end": int(end.timestamp()),
        "socket": f"/ws/appointments/{desk.clinic.id}",
        "hours_in_day": round((end.timestamp() - start.timestamp()) / 3600),
    }


def _address(name: str, request: DeskRequest, day: date, query: str) -> str:
    address = reverse(name, kwargs={"slug": request.desk.clinic.slug, "day": day})
    return f"{address}?{query}" if query else address


def _record(request: DeskRequest, asked: Wanted) -> None:
    """Opening a day is in the trail; its refreshing while it lies open is not."""
    journal.record(
        journal.Act(
            "day.read",
            "appointments.appointment",
            None,
            request.desk.clinic.id,
            changes={"day": [None, str(asked.day)]},
        )
    )
