"""The walk: every page of the back office, as every role; own, foreign and unknown things."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from backoffice.urls import site
from tests.backoffice.rows import Row, Unknown
from tests.backoffice.table import SHARED, TABLE
from tests.backoffice.world import (
    FOREIGN,
    OWN,
    PATIENT,
    SUPER,
    World,
    at_the_desk,
    page,
    said,
    text,
    undone,
)
from tests.casts import STAFF, build_super_admin

ROLES = (*STAFF, PATIENT, SUPER)
#: What takes a POST, by the end of its name.
WRITES = ("_add", "_change", "_delete")


def routes() -> Iterator[tuple[str | None, str]]:
    """(name, pattern) of every address of the site."""

    def walk(patterns: list[Any], before: str) -> Iterator[tuple[str | None, str]]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, before + str(pattern.pattern))
            else:
                assert isinstance(pattern, URLPattern)
                yield pattern.name, before + str(pattern.pattern)

    yield from walk(site.get_urls(), "")


NAMES = sorted({name for name, _ in routes() if name})


def test_every_page_has_its_rows() -> None:
    wanted = {(name, "get") for name in NAMES}
    wanted |= {(name, "post") for name in NAMES if name.endswith(WRITES)}
    assert sorted(wanted - {key[:2] for key in TABLE}) == []


def test_every_row_has_a_page() -> None:
    assert sorted({name for name, _, _ in TABLE} - set(NAMES)) == []


def test_pages_without_a_name_are_old_addresses_of_rows(home: World) -> None:
    """Django's redirects from `…/<id>/` to the change page: for staff, and they say nothing."""
    unnamed = [pattern for name, pattern in routes() if name is None]
    assert unnamed
    assert all(pattern.endswith("/<path:object_id>/") for pattern in unnamed)
    old = f"{page('clinics_patient_changelist')}{home.patient.pk}/"
    led = at_the_desk(home.nurse).get(old)
    assert led.headers["Location"] == page("clinics_patient_change", home.patient.pk)
    assert at_the_desk(home.patient_user).get(old).status_code == 403
    assert Client().get(old).headers["Location"].startswith("/sign-in")


@pytest.fixture(scope="module")
def desks(_stage: dict[str, World]) -> dict[str, Client]:
    """Every role of the clinic, signed in."""
    home = _stage[OWN]
    users = {name: home.user(name) for name in (*STAFF, PATIENT)} | {SUPER: build_super_admin()}
    return {name: at_the_desk(users[name]) for name in ROLES}


def call(client: Client, row: Row, world: Any) -> Any:
    """The answer, and afterwards everything as it was."""
    kept = copy.deepcopy(client.cookies)
    try:
        with undone():
            path = row.path(world)
            if row.body is None:
                return client.get(path)
            return client.post(path, row.body(world))
    finally:
        client.cookies = kept


@pytest.mark.parametrize(("name", "method", "kind"), sorted(TABLE))
def test_walk(
    name: str, method: str, kind: str, home: World, abroad: World, desks: dict[str, Client]
) -> None:
    row = TABLE[name, method, kind]
    assert row.method == method
    shared = name.startswith(tuple(SHARED))
    wrong: list[str] = []

    def expect(role: str, where: str, response: Any, status: int) -> None:
        if response.status_code != status:
            wrong.append(f"{role} {where}: {response.status_code}, not {status}")

    for role, client in desks.items():
        outside = role == PATIENT and not row.public
        own = call(client, row, home)
        expect(role, "own", own, 403 if outside else row.expected(role))
        if role != SUPER and FOREIGN in text(own).lower():
            wrong.append(f"{role} own: shows something foreign")
        if row.elsewhere is None:
            continue
        foreign = call(client, row, abroad)
        if role == SUPER:
            expect(role, "foreign", foreign, row.expected(role))
            expect(role, "unknown", call(client, row, Unknown()), row.elsewhere_for(role))
            continue
        unknown = call(client, row, Unknown())
        if not outside and role in row.may:
            expect(role, "unknown", unknown, row.elsewhere)
        elif unknown.status_code not in {403, 404, 405}:
            wrong.append(f"{role} unknown: {unknown.status_code}")
        if not shared and said(foreign) != said(unknown):
            wrong.append(f"{role}: foreign {said(foreign)} but unknown {said(unknown)}")
    assert not wrong, "\n".join(wrong)


GUARDED = sorted(key for key, row in TABLE.items() if not row.public)


@pytest.mark.parametrize("world", ["home", "nowhere"])
def test_nobody_gets_past_the_sign_in_page(world: str, home: World) -> None:
    """Whoever has not signed in is led to sign in, whether or not the thing exists."""
    for key in GUARDED:
        row = TABLE[key]
        answer = call(Client(), row, home if world == "home" else Unknown())
        assert answer.status_code == 302, key
        assert answer.headers["Location"].startswith("/sign-in"), key


def test_the_same_role_elsewhere_is_a_stranger(home: World, abroad: World) -> None:
    """A page about a thing of this clinic answers the other clinic's people as if it were not."""
    for name in STAFF:
        client = at_the_desk(abroad.user(name))
        for key, row in TABLE.items():
            if row.elsewhere is None or row.body or key[0].startswith(tuple(SHARED)):
                continue
            answer = call(client, row, home)
            assert answer.status_code in {403, 404, 405}, (name, key)
