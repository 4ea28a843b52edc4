"""The walk: every route, method and role; own, foreign and unknown clinics."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from checkin.pages.urls import urlpatterns as arrival_pages
from tests.casts import Cast, build_super_admin, signed_in
from tests.matrix.arrival import ARRIVAL
from tests.matrix.calendar import CALENDAR
from tests.matrix.care import CARE
from tests.matrix.table import SIGNED_IN, SUPER, TABLE, Row

TABLE = TABLE | CALENDAR | ARRIVAL | CARE

#: Pages for people and machines that hold nothing of a clinic.
OPEN_PAGES = {
    "home",
    "sign-in",
    "start",
    "sign-out",
    "welcome",
    "account",
    "account-password",
    "language",
    "back-office",
    "schema",
    "docs",
    "redoc",
    "error-codes",
    "health",
    "health-detailed",
    "not-found",
}


#: The patients' pages, which have tests of their own, in tests/portal.
PORTAL_PAGES = {
    "portal-clinic",
    "portal-brand",
    "portal-brand-shade",
    "portal-release",
    "portal-times",
    "portal-hold",
    "portal-details",
    "portal-my",
    "portal-my-follow-ups",
    "portal-my-follow-up-time",
    "portal-my-waitlist",
    "portal-my-wish",
    "portal-my-wish-withdraw",
    "portal-my-earlier",
    *(
        f"portal-{what}{step}"
        for what in ("offer", "follow-up")
        for step in ("", "-accept", "-decline", "-file")
    ),
    *(
        f"{where}-{page}"
        for where in ("portal", "portal-my")
        for page in (
            *("visit", "confirm", "cancel", "move", "file"),
            *("place", "pass", "pass-picture"),
        )
    ),
}


#: The pages of patients on their way in and of paired devices; their tests are in tests/checkin.
ARRIVAL_PAGES = {pattern.name for pattern in arrival_pages if isinstance(pattern, URLPattern)}


class Unknown:
    """A cast whose every id exists nowhere."""

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(id=uuid4(), slug=f"nobody-{uuid4().hex[:8]}")


def routes() -> dict[tuple[str, str], str]:
    """(url name, method) → the app whose view answers, for every route of the API."""
    found: dict[tuple[str, str], str] = {}

    def walk(patterns: list[Any]) -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                if pattern.namespace != "admin":  # it has a walk of its own, in tests/backoffice
                    walk(pattern.url_patterns)
            elif isinstance(pattern, URLPattern) and hasattr(pattern.callback, "actions"):
                view: Any = pattern.callback
                app = view.cls.__module__.split(".")[0]
                for method in view.actions:
                    if method != "head":
                        found[str(pattern.name), method] = app
            # The desk has a walk of its own, in tests/dashboard.
            elif str(pattern.name).split("-")[0] != "desk":
                known = OPEN_PAGES | PORTAL_PAGES | ARRIVAL_PAGES
                assert pattern.name in known, f"{pattern.name} is in no list"

    walk(get_resolver().url_patterns)
    return found


@pytest.mark.parametrize("app", ["accounts", "clinics", "appointments", "checkin", "followups"])
def test_every_route_has_a_row(app: str) -> None:
    missing = sorted(key for key, owner in routes().items() if owner == app and key not in TABLE)
    assert not missing


def test_every_row_has_a_route() -> None:
    assert not sorted(set(TABLE) - set(routes()))


def call(client: Client, method: str, row: Row, cast: Any) -> Any:
    """The answer, and afterwards everything as it was."""
    with transaction.atomic():
        body = row.body(cast) if row.body else None
        sent = {"data": body, "content_type": "application/json"} if body is not None else {}
        response = getattr(client, method)(f"/api/v1/{row.path(cast)}", **sent)
        transaction.set_rollback(True)
    return response


def said(response: Any) -> Any:
    """What the answer says, without the request's own id and its moment."""
    if not response.content:
        return response.status_code
    body = response.json()
    for part in (body, *body.get("results", ())):
        part.pop("request_id", None)
        part.pop("attempt", None)
        part.pop("plan", None)  # as it was asked
    return response.status_code, body


@pytest.mark.parametrize(("name", "method"), sorted(TABLE))
def test_walk(name: str, method: str, cast: Cast, outsider: Cast, settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 10_000)
    row = TABLE[name, method]
    users = {role: cast.user(role) for role in SIGNED_IN - {SUPER}} | {SUPER: build_super_admin()}
    wrong: list[str] = []

    def expect(role: str, where: str, response: Any, status: int) -> None:
        if response.status_code != status:
            wrong.append(f"{role} {where}: {response.status_code}, not {status}: {said(response)}")

    anonymous = signed_in(None)
    expect("anonymous", "own", call(anonymous, method, row, cast), row.ok if row.public else 401)
    for role, user in sorted(users.items()):
        client = signed_in(user)
        may = role in row.may
        expect(role, "own", call(client, method, row, cast), row.ok if may else row.refusal(role))
        foreign = call(client, method, row, outsider)
        if row.public or role == SUPER:
            expect(role, "foreign", foreign, row.ok if may else row.refusal(role))
            continue
        unknown = call(client, method, row, Unknown())
        if may:
            expect(role, "foreign", foreign, row.elsewhere)
        elif foreign.status_code not in {403, 404}:
            wrong.append(f"{role} foreign: {foreign.status_code}")
        if said(foreign) != said(unknown):
            wrong.append(f"{role}: foreign {said(foreign)} but unknown {said(unknown)}")
    assert not wrong, "\n".join(wrong)
