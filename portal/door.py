"""Who stands at a clinic's front door: a patient, a user who is new there, or a guest."""

from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpResponse

from clinics.models import Clinic
from clinics.pages import PageRequest
from clinics.principal import Principal, guest
from clinics.selectors.directory import clinics_public
from core import context, ids, limits, tenancy
from core.errors import ErrorCode, KairosError

_SESSION = "portal_guest"
_SALT = "portal.guest"
_SEED_SECONDS = 24 * 3600


def clinic_open(slug: str) -> Clinic:
    """The clinic of that name in links, alone in scope from here on. Raises NOT_FOUND."""
    clinic = clinics_public().filter(slug=slug).first()
    if clinic is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    tenancy.narrow([clinic.id])
    return clinic


def visitor(request: PageRequest, clinic: Clinic) -> Principal:
    """Who asks, as a patient of the clinic or as somebody new to it."""
    known = _guest_id(request)
    if request.principal is None:
        return guest(known or ids.uuid7(), clinic=clinic.id)
    is_patient = bool(request.principal.charts.get(clinic.id))
    # A time picked before signing in stays with whoever picked it.
    return request.principal.as_patient(guest_in=None if is_patient else clinic.id, holder=known)


def sees_times(by: Principal, clinic: Clinic) -> bool:
    """Whether the free times may be shown: to patients always, to others where they are public."""
    return clinic.public_slots or bool(by.charts.get(clinic.id))


def may_book(by: Principal, clinic: Clinic) -> bool:
    """Whether this visitor may book as they are, or has to sign in first."""
    return sees_times(by, clinic) and (clinic.guest_booking or not by.is_guest)


def seed(request: PageRequest) -> str:
    """For the page on which a guest picks a time: two clicks are then one guest, though neither
    has a session yet. Empty for who is known already."""
    if request.principal is not None or _guest_id(request) is not None:
        return ""
    return signing.dumps(str(ids.uuid7()), salt=_SALT)


def remember_guest(request: PageRequest) -> None:
    """Give a guest an id, kept in their session on the server. An id they have stays."""
    if request.principal is not None or _guest_id(request) is not None:
        return
    try:
        text = signing.loads(request.POST.get("seed", ""), salt=_SALT, max_age=_SEED_SECONDS)
        known = UUID(text)
    except (signing.BadSignature, ValueError, TypeError, AttributeError):
        known = ids.uuid7()
    request.session[_SESSION] = str(known)


def count_try(request: PageRequest) -> None:
    """Count a hold or a booking of somebody without an account. Raises RATE_LIMIT_EXCEEDED."""
    if request.principal is None:
        address = context.current().address or "unknown"
        limits.consume([limits.Limit(f"guest:ip:{address}", settings.RATE_LIMITS["guest"])])


def kept_private(response: HttpResponse) -> HttpResponse:
    """A page that a link opens, or that is somebody's own: kept nowhere, told to nobody."""
    # `no-referrer` would be stricter still, but with it browsers send forms with `Origin: null`,
    # which the CSRF check refuses.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _guest_id(request: PageRequest) -> UUID | None:
    try:
        return UUID(request.session.get(_SESSION, ""))
    except (ValueError, TypeError, AttributeError):
        return None
