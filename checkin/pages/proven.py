"""What a patient's browser has shown before, and may therefore ask for without an account.

Three things, each worth only what it proves: personal links that were opened in this browser (a
signed cookie that scripts cannot read, holding ids alone), a phone number that was proven a moment
ago, and visits that were checked in here today (both in the session, which stays on the server).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from checkin.services.one_time import phone_guest
from clinics.principal import Principal, guest
from core import clock

LINKS_COOKIE: Final = "kairos_visits"
PHONE_GOOD_FOR: Final = timedelta(minutes=15)
_LINKS_GOOD_FOR: Final = timedelta(days=90)
_MOST: Final = 8
_SALT: Final = "checkin.links"
_PHONE: Final = "checkin_phone"
_PLACES: Final = "checkin_places"


@dataclass(frozen=True, slots=True)
class Known:
    """A visit that this browser has to do with."""

    clinic: UUID
    visit: UUID


def link_remember(request: HttpRequest, response: HttpResponse, known: Known) -> None:
    """The visit's personal link was opened in this browser: it may check in for it later."""
    before = links_known(request)
    if before[:1] == [known]:
        return
    kept = [known, *(one for one in before if one != known)][:_MOST]
    response.set_cookie(
        LINKS_COOKIE,
        signing.dumps([f"{one.clinic.hex}{one.visit.hex}" for one in kept], salt=_SALT),
        max_age=_LINKS_GOOD_FOR,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )


def links_known(request: HttpRequest) -> list[Known]:
    """The visits whose links were opened here, the latest first."""
    try:
        kept = signing.loads(
            request.COOKIES.get(LINKS_COOKIE, ""), salt=_SALT, max_age=_LINKS_GOOD_FOR
        )
        return [Known(UUID(text[:32]), UUID(text[32:])) for text in kept]
    except (signing.BadSignature, ValueError, TypeError):
        return []


def link_guest(visit: UUID) -> Principal:
    """Whoever holds the visit's link. The id is the visit's own, so that what they send twice is
    known to be the same."""
    digest = salted_hmac("checkin.link_guest", visit.bytes, algorithm="sha256").digest()
    return guest(UUID(bytes=digest[:16]), visit=visit)


def phone_remember(request: HttpRequest, *, clinic: UUID, by: Principal) -> None:
    """A phone number was proven for the clinic; good for a quarter of an hour."""
    request.session[_PHONE] = {
        "clinic": clinic.hex,
        "guest": by.user_id.hex,
        "charts": [chart.hex for chart in by.charts.get(clinic, ())],
        "until": (clock.now() + PHONE_GOOD_FOR).timestamp(),
    }


def phone_known(request: HttpRequest, clinic: UUID | None = None) -> Principal | None:
    """Who has proven a phone number, for the clinic where one is named; None once that is over."""
    kept = request.session.get(_PHONE)
    if not kept or kept["until"] <= clock.now().timestamp():
        return None
    proven_for = UUID(kept["clinic"])
    if clinic is not None and clinic != proven_for:
        return None
    charts = frozenset(UUID(chart) for chart in kept["charts"])
    return phone_guest(UUID(kept["guest"]), clinic=proven_for, charts=charts)


def phone_forget(request: HttpRequest) -> None:
    """Somebody else holds the phone now."""
    request.session.pop(_PHONE, None)


def places_remember(request: HttpRequest, visits: Iterable[Known]) -> None:
    """These were checked in here: their place in the queue may be looked at, and no more."""
    kept = [*visits, *places_known(request)]
    request.session[_PLACES] = [f"{one.clinic.hex}{one.visit.hex}" for one in dict.fromkeys(kept)][
        :_MOST
    ]


def places_known(request: HttpRequest) -> list[Known]:
    """The visits that were checked in in this browser session, the latest first."""
    kept = request.session.get(_PLACES, [])
    return [Known(UUID(text[:32]), UUID(text[32:])) for text in kept]
