"""The audit trail's hash chain: makes a later change to the trail visible.

Sealing happens after the fact (every minute, one clinic at a time), so no write ever waits for
another's link. A seal covers the events it lists; an event altered, removed or slipped in under a
seal breaks the digest, and a removed seal breaks the chain. What is not yet sealed (at most about a
minute) is protected by the append-only rights alone.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import orjson
from django.db import connection

from core import clock, ids, locks, tenancy
from core.models import AuditEvent, AuditSeal

INSTALLATION = UUID(int=0)
_GENESIS = b"\0" * 32
_BATCH = 1000
# No transaction lives longer than this (statement and idle limits are far below), so an event whose
# id is older than the overlap can no longer appear.
_OVERLAP = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a chain; `number` is the seal's, None for unsealed events."""

    chain: UUID
    number: int | None
    what: str


def digest(previous: bytes, events: list[AuditEvent]) -> bytes:
    """SHA-256 over the previous digest and each event's canonical form, in id order."""
    state = hashlib.sha256(previous)
    for event in events:
        state.update(
            orjson.dumps(
                [
                    event.id,
                    event.clinic_id,
                    int(event.at.timestamp() * 1_000_000),
                    event.actor_id,
                    event.action,
                    event.entity,
                    event.entity_id,
                    list(event.subjects),
                    event.changes,
                    event.request_id,
                    str(event.address or ""),
                ],
                option=orjson.OPT_SORT_KEYS,
            )
        )
    return state.digest()


def seal() -> int:
    """Seal what has been written since the last time, in every chain; returns how many events."""
    since = ids.floor(clock.now() - _OVERLAP)
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000), connection.cursor() as cursor:
        oldest = AuditEvent.objects.order_by("id").values_list("id", flat=True).first()
        if not AuditSeal.objects.exists() and oldest is not None:
            since = oldest
        cursor.execute(
            "SELECT DISTINCT COALESCE(clinic_id, %s) FROM core_auditevent WHERE id >= %s",
            [INSTALLATION, since],
        )
        chains = [row[0] for row in cursor.fetchall()]
    return sum(_seal_chain(chain) for chain in sorted(chains))


def _seal_chain(chain: UUID) -> int:
    sealed = 0
    while True:
        with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
            locks.advisory([f"audit-seal:{chain}"])
            events = _unsealed(chain)
            if not events:
                return sealed
            last = AuditSeal.objects.filter(chain=chain).order_by("-number").first()
            previous = bytes(last.digest) if last else _GENESIS
            AuditSeal.objects.create(
                chain=chain,
                number=last.number + 1 if last else 1,
                event_ids=[event.id for event in events],
                digest=digest(previous, events),
                previous=previous,
            )
            sealed += len(events)
            if len(events) < _BATCH:
                return sealed


def _of_chain(chain: UUID) -> dict[str, UUID | None]:
    return {"clinic_id": None if chain == INSTALLATION else chain}


def _unsealed(chain: UUID, *, limit: int = _BATCH) -> list[AuditEvent]:
    """Events of the chain that no seal lists, oldest first.

    Looks no further back than the overlap before the newest seal; `verify` looks at all of them.
    """
    events = AuditEvent.objects.filter(**_of_chain(chain))
    last = AuditSeal.objects.filter(chain=chain).order_by("-number").first()
    if last is not None:
        horizon = ids.floor(last.at - _OVERLAP)
        events = events.filter(id__gte=horizon).extra(
            where=[
                "id NOT IN (SELECT unnest(s.event_ids) FROM core_auditseal s"
                " WHERE s.chain = %s AND s.at >= %s)"
            ],
            params=[chain, last.at - 2 * _OVERLAP],
        )
    return list(events.order_by("id")[:limit])


def verify(chain: UUID) -> Iterator[Fault]:
    """Every fault of one chain; nothing when it is whole. Reads the whole trail of the chain."""
    previous, expected = _GENESIS, 1
    sealed: set[UUID] = set()
    for link in AuditSeal.objects.filter(chain=chain).order_by("number").iterator(chunk_size=200):
        if link.number != expected:
            yield Fault(chain, link.number, f"seal {expected} is missing")
        if bytes(link.previous) != previous:
            yield Fault(chain, link.number, "does not continue the seal before it")
        events = list(AuditEvent.objects.filter(id__in=link.event_ids, **_of_chain(chain)))
        events.sort(key=lambda event: link.event_ids.index(event.id))
        if len(events) != len(link.event_ids):
            gone = len(link.event_ids) - len(events)
            yield Fault(chain, link.number, f"{gone} of its events are gone")
        elif digest(bytes(link.previous), events) != bytes(link.digest):
            yield Fault(chain, link.number, "an event under it was altered")
        sealed.update(link.event_ids)
        previous, expected = bytes(link.digest), link.number + 1
    overdue = ids.floor(clock.now() - _OVERLAP)
    loose = AuditEvent.objects.filter(id__lt=overdue, **_of_chain(chain)).values_list(
        "id", flat=True
    )
    unsealed = sum(1 for event_id in loose.iterator(chunk_size=5000) if event_id not in sealed)
    if unsealed:
        yield Fault(chain, None, f"{unsealed} events older than {_OVERLAP} are under no seal")


def chains() -> list[UUID]:
    """Every chain that has events or seals."""
    found = {
        clinic or INSTALLATION
        for clinic in AuditEvent.objects.values_list("clinic_id", flat=True).distinct()
    }
    return sorted(found | set(AuditSeal.objects.values_list("chain", flat=True).distinct()))
