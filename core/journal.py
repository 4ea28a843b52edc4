"""What happened, written down in the transaction in which it happened.

One call records the audit event (for people) and the outbox events (for listeners) in one
statement: a booking pays one round trip for both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from core import clock, context, ids, outbox


@dataclass(frozen=True, slots=True)
class Act:
    """One audited act. `entity` is a model label; `subjects` the patients it concerns.

    `changes` maps a field to [before, after]; it must hold no secret. `topic` and `payload` make it
    an outbox event too.
    """

    action: str
    entity: str
    entity_id: UUID | None = None
    clinic_id: UUID | None = None
    subjects: Sequence[UUID] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    topic: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


_AUDIT = (
    "INSERT INTO core_auditevent (id, clinic_id, at, actor_id, action, entity, entity_id,"
    " subjects, changes, request_id, address) VALUES "
)
_AUDIT_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s::uuid[], %s::jsonb, %s, %s::inet)"
_OUTBOX = (
    "INSERT INTO core_outboxevent (id, clinic_id, topic, payload, request_id, created_at,"
    " attempts, next_attempt_at, last_error) VALUES "
)
_OUTBOX_ROW = "(%s, %s, %s, %s::jsonb, %s, %s, 0, %s, '')"


@dataclass(frozen=True, slots=True)
class Insert:
    """A further INSERT that rides along in the journal's statement (an app's own history)."""

    name: str
    sql: str
    params: Sequence[Any]


def record(*acts: Act, along: Insert | None = None) -> None:
    """Write the acts, and their events, into the open transaction."""
    record_many(acts, along=along)


def record_many(acts: Iterable[Act], *, along: Insert | None = None) -> None:
    """As `record`, for a batch: still one statement."""
    here = context.current()
    at = clock.now()
    audit: list[Any] = []
    events: list[Any] = []
    rows = event_rows = 0
    for act in acts:
        rows += 1
        audit += (
            ids.uuid7(),
            act.clinic_id,
            at,
            here.actor_id,
            act.action,
            act.entity,
            act.entity_id,
            list(act.subjects),
            _json(act.changes),
            here.request_id,
            here.address,
        )
        if act.topic is not None:
            event_rows += 1
            events += (
                ids.uuid7(),
                act.clinic_id,
                act.topic,
                _json(act.payload),
                here.request_id,
                at,
                at,
            )
    if not rows:
        return
    parts: list[str] = []
    params: list[Any] = []
    if along is not None:
        parts.append(f"{along.name} AS ({along.sql})")
        params += along.params
    if event_rows:
        parts.append(f"events AS ({_OUTBOX}{', '.join([_OUTBOX_ROW] * event_rows)})")
        params += events
    with_parts = f"WITH {', '.join(parts)} " if parts else ""
    sql = f"{with_parts}{_AUDIT}{', '.join([_AUDIT_ROW] * rows)}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params + audit)
    if event_rows:
        outbox.kick_on_commit()


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, default=str).decode()
