"""Searching the trail: what a plain look at every row would find, newest first, page by page."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock, ids, journal, tenancy
from core.models import AuditEvent
from core.selectors import AUDIT_PAGE_MAX, audit_search
from tests.casts import Cast, build_cast

MONTHS = 8


def _event(at: datetime, number: int, **fields: Any) -> AuditEvent:
    """An event as it would have been written at `at`."""
    return AuditEvent(
        id=UUID(int=ids.floor(at).int | number), at=at, entity="test", action="x", **fields
    )


class Trail:
    """Some hundred events of two clinics and of the installation, over eight months."""

    def __init__(self) -> None:
        chance = random.Random(7)
        self.clinics = [uuid4(), uuid4()]
        self.subjects = [uuid4() for _ in range(4)]
        self.actors = [uuid4() for _ in range(3)]
        self.now = clock.now()
        self.events = []
        for number in range(300):
            at = self.now - timedelta(days=30 * MONTHS) * chance.random()
            event = _event(
                at,
                number,
                clinic_id=chance.choice([*self.clinics, None]),
                actor_id=chance.choice([*self.actors, None]),
                subjects=chance.sample(self.subjects, chance.randrange(4)),
            )
            event.action = chance.choice(["patient.read", "patient.changed"])
            self.events.append(event)
        with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
            start = self.now - timedelta(days=30 * (MONTHS + 1))
            cursor.execute("SELECT core_partitions_ensure('core_auditevent', %s, 12)", [start])
            AuditEvent.objects.bulk_create(self.events)

    def expected(self, **asked: Any) -> list[UUID]:
        return [
            event.id
            for event in sorted(self.events, key=lambda event: event.id, reverse=True)
            if _fits(event, **asked)
        ]


def _fits(
    event: AuditEvent,
    *,
    clinics: list[UUID] | None,
    subject: UUID | None = None,
    actor: UUID | None = None,
    action: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> bool:
    return (
        (clinics is None or event.clinic_id in clinics)
        and (subject is None or subject in event.subjects)
        and (actor is None or event.actor_id == actor)
        and (not action or event.action == action)
        and (since is None or event.at >= since)
        and (until is None or event.at < until)
    )


@pytest.fixture
def trail(db: None) -> Iterator[Trail]:
    made = Trail()
    with tenancy.scope(tenancy.SYSTEM):
        yield made


@pytest.fixture
def cast(db: None) -> Cast:
    return build_cast("home")


@pytest.fixture
def outsider(db: None) -> Cast:
    return build_cast("away")


def test_every_combination_finds_what_a_plain_look_finds(trail: Trail) -> None:
    first, last = trail.now - timedelta(days=150), trail.now - timedelta(days=20)
    own = {event.id for event in trail.events}
    found_any = 0
    for which, subject, actor, action, since, until in product(
        (None, trail.clinics[:1], trail.clinics, []),
        (None, trail.subjects[0], uuid4()),
        (None, trail.actors[0]),
        ("", "patient.read"),
        (None, first),
        (None, last),
    ):
        asked: dict[str, Any] = {
            "clinics": which,
            "subject": subject,
            "actor": actor,
            "action": action,
            "since": since,
            "until": until,
        }
        found = [event.id for event in audit_search(**asked, limit=500)]
        assert [one for one in found if one in own] == trail.expected(**asked), asked
        found_any += bool(found)
    assert found_any > 50


@pytest.mark.parametrize("by", ["subject", "actor", "clinics"])
def test_pages_follow_one_another_without_gap_or_repeat(trail: Trail, by: str) -> None:
    asked: dict[str, Any] = {"clinics": trail.clinics}
    if by != "clinics":
        asked[by] = {"subject": trail.subjects[1], "actor": trail.actors[1]}[by]
    paged: list[UUID] = []
    before = None
    while page := audit_search(**asked, before=before, limit=7):
        assert len(page) <= 7
        assert before is None or page[0].id < before
        paged += [event.id for event in page]
        before = page[-1].id
    assert paged == trail.expected(**asked)
    assert len(paged) > 30


def test_bounds_are_those_of_the_events_moment(trail: Trail) -> None:
    """`since` is included and `until` is not, also where the id was made a little later."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    clinic = uuid4()
    # At the very end of a month, its id already in the next.
    late = _event(at + timedelta(milliseconds=3), 1, clinic_id=clinic)
    late.at = at - timedelta(microseconds=1)
    exact = _event(at, 2, clinic_id=clinic)
    AuditEvent.objects.bulk_create([late, exact])

    def found(**asked: Any) -> list[UUID]:
        return [event.id for event in audit_search(clinics=[clinic], **asked)]

    assert found(until=at) == [late.id]
    assert found(since=at) == [exact.id]
    assert found(since=late.at) == [late.id, exact.id]


def test_what_was_written_just_now_is_found(cast: Cast) -> None:
    with tenancy.scope([cast.clinic.id]):
        journal.record(
            journal.Act("test.read", "test", None, cast.clinic.id, (cast.patient.id,)),
            journal.Act("test.read", "test", None, cast.clinic.id, (cast.neighbour.id,)),
        )
        found = audit_search(clinics=[cast.clinic.id], subject=cast.patient.id, action="test.read")
        assert [event.subjects for event in found] == [[cast.patient.id]]


def test_the_outsider_finds_nothing_whatever_clinics_are_asked_for(
    cast: Cast, outsider: Cast
) -> None:
    asked: list[dict[str, Any]] = [
        {"clinics": [outsider.clinic.id], "subject": cast.patient.id},
        {"clinics": [cast.clinic.id], "subject": cast.patient.id},
        {"clinics": [cast.clinic.id]},
        {"clinics": None, "subject": cast.patient.id},
    ]
    with tenancy.scope([outsider.clinic.id]):
        assert [audit_search(**one) for one in asked] == [[], [], [], []]
    with tenancy.scope([cast.clinic.id]):
        assert audit_search(**asked[1])  # it is there to be found


def test_two_statements_whatever_is_found(trail: Trail) -> None:
    for limit in (1, 30, 200):
        with CaptureQueriesContext(connection) as captured:
            audit_search(clinics=trail.clinics, subject=trail.subjects[0], limit=limit)
        assert len(captured) == 2


@pytest.mark.parametrize(("limit", "length"), [(-1, 1), (0, 1), (10**9, None)])
def test_the_limit_is_bounded(trail: Trail, limit: int, length: int | None) -> None:
    found = audit_search(clinics=trail.clinics, limit=limit)
    assert len(found) == (length or min(AUDIT_PAGE_MAX, len(trail.expected(clinics=trail.clinics))))


def test_every_partition_has_the_index(catalog_connection: Any) -> None:
    """One made later, too: a search by patient that finds no index reads the whole month."""
    rows = catalog_connection.execute(
        "SELECT count(*), count(x.indexrelid), bool_and(x.indisvalid)"
        " FROM pg_inherits h LEFT JOIN pg_index x ON x.indrelid = h.inhrelid"
        "  AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = x.indexrelid"
        "              AND i.inhparent = 'core_audit_subjects'::regclass)"
        " WHERE h.inhparent = 'core_auditevent'::regclass"
    ).fetchone()
    partitions, indexed, valid = rows
    assert partitions == indexed > 3
    assert valid


def test_only_the_runtime_may_search(catalog_connection: Any) -> None:
    signature = (
        "core_audit_search(uuid[], uuid, uuid, text, timestamptz, timestamptz, uuid, integer)"
    )
    allowed = catalog_connection.execute(
        "SELECT r, has_function_privilege(r, %s, 'EXECUTE') FROM unnest(%s::text[]) AS r",
        [signature, ["kairos_app", "public"]],
    ).fetchall()
    assert dict(allowed) == {"kairos_app": True, "public": False}
