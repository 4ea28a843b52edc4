"""Who stands at a clinic's entrance: the code that was scanned there, and who scanned it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from appointments.models import Appointment
from checkin.codes import Kind, read_code
from checkin.models import CheckInLocation
from checkin.pages import proven
from checkin.pages.said import said_of
from checkin.rules import NOT_ASKED, seen_from
from checkin.selectors.expected import visits_expected
from checkin.selectors.points import point_by_code, point_code
from checkin.sources import Source, guest_source, patient_source
from clinics.models import Clinic
from clinics.pages import PageRequest, page
from core import clock, tenancy
from core.errors import ErrorCode, KairosError

#: A screen's code lives a minute; who opened it in time may take this long to prove who they are.
SEEN_GOOD_FOR: Final = timedelta(minutes=15)
_SEEN: Final = "checkin_seen"
_MOST_SEEN: Final = 3
#: What a code may be refused with before anybody has said who they are.
_OF_THE_CODE: Final = frozenset(
    {ErrorCode.INVALID_QR_CODE, ErrorCode.QR_CODE_EXPIRED, ErrorCode.LOCATION_INACTIVE}
)


@dataclass(frozen=True, slots=True)
class Door:
    """A code that was scanned, and the check-in location that it names.

    `code` is what goes to the service: the scanned one, or, for a screen's code that was opened
    here while it was good, the one shown now.
    """

    text: str
    code: str
    point: CheckInLocation

    @property
    def clinic(self) -> Clinic:
        return self.point.clinic

    @property
    def asks_where(self) -> bool:
        """Whether the place of the phone counts here."""
        return seen_from(self.point, None) is not NOT_ASKED

    def url(self, name: str = "arrive") -> str:
        """The address of one of its pages: `arrive`, `arrive-phone` or `arrive-code`."""
        return reverse(name, args=[self.text])


@dataclass(frozen=True, slots=True)
class Comer:
    """Who stands there: one source, or one for each link that was opened; and their visits."""

    way: str
    sources: Sequence[Source]
    visits: Sequence[Appointment]


View = Callable[[PageRequest, Door], HttpResponse]


def scanned(view: View) -> Callable[..., HttpResponse]:
    """The page of a code; what is wrong with the code itself is said to anyone, in one way."""

    @wraps(view)
    @page(public=True)
    def inner(request: PageRequest, code: str) -> HttpResponse:
        try:
            door = _open(request, code)
        except KairosError as refused:
            if refused.code not in _OF_THE_CODE:
                raise
            return arrive_page(
                request, "refused", None, {"said": said_of(refused.code)}, refused.status
            )
        return view(request, door)

    @wraps(view)
    def private(request: PageRequest, code: str) -> HttpResponse:
        response = inner(request, code)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return private


def arrive_page(
    request: PageRequest, name: str, door: Door | None, found: dict[str, Any], status: int = 200
) -> HttpResponse:
    """One of the pages of the way in, drawn in the clinic's colours where the clinic is known."""
    shown = {"door": door, "clinic": door.clinic if door else None, **found}
    return TemplateResponse(request, f"checkin/arrive_{name}.html", shown, status=status)


def _open(request: PageRequest, text: str) -> Door:
    """The code's clinic alone in scope from here on. Raises INVALID_QR_CODE, QR_CODE_EXPIRED,
    LOCATION_INACTIVE."""
    found = read_code(text)
    if not found.is_point:
        raise KairosError(ErrorCode.INVALID_QR_CODE)
    tenancy.narrow([found.clinic_id])
    now = clock.now()
    seen = request.session.get(_SEEN, {})
    try:
        point = point_by_code(found, now)
    except KairosError as refused:
        opened = seen.get(text.upper())
        if (
            refused.code != ErrorCode.QR_CODE_EXPIRED
            or found.kind != Kind.SCREEN
            or opened is None
            or opened <= (now - SEEN_GOOD_FOR).timestamp()
        ):
            raise
        point = point_by_code(found, datetime.fromtimestamp(opened, tz=UTC))
        return Door(text, point_code(point, now).code, point)
    if found.kind == Kind.SCREEN and text.upper() not in seen:
        kept = sorted(seen.items(), key=lambda one: one[1])[1 - _MOST_SEEN :]
        request.session[_SEEN] = {**dict(kept), text.upper(): now.timestamp()}
    return Door(text, text, point)


def comer_at(request: PageRequest, door: Door) -> Comer | None:
    """Who asks, by what they have shown last and of their own will; None when that is nothing."""
    clinic, wanted = door.clinic.id, request.GET.get("as", "")
    by = proven.phone_known(request, clinic)
    if by is not None:
        visits = visits_expected(clinic=clinic, patients=by.charts.get(clinic, frozenset()))
        return Comer("phone", [guest_source(by)], visits)
    principal = request.principal
    if principal is not None and principal.charts.get(clinic) and wanted != "phone":
        visits = visits_expected(clinic=clinic, patients=principal.charts[clinic])
        return Comer("account", [patient_source(principal)], visits)
    linked = [one.visit for one in proven.links_known(request) if one.clinic == clinic]
    if linked and wanted != "phone":
        visits = visits_expected(clinic=clinic, visits=linked)
        if visits:
            links = [guest_source(proven.link_guest(visit.id)) for visit in visits]
            return Comer("link", links, visits)
    return None
