"""The same POST twice does its work once: the answer is stored with the work.

The key belongs to the actor. Answer and work commit together, so there is no moment in which one
exists without the other; a refusal leaves nothing and may be tried again with the same key.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection

from core import clock, ids, tenancy
from core.errors import ErrorCode, KairosError, invalid
from core.models import IdempotencyRecord

KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered the first time."""

    status: int
    headers: dict[str, str]
    body: bytes


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same request."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()


def claim(actor_id: UUID, key: str, print_: bytes) -> StoredAnswer | None:
    """Take the key for this transaction; the stored answer if the work was already done.

    Raises IDEMPOTENCY_IN_PROGRESS while another transaction holds the key, IDEMPOTENCY_MISMATCH
    when it was used for another request, VALIDATION_ERROR for a key that is too long.
    """
    if not key or len(key) > KEY_LENGTH or not key.isprintable():
        raise invalid("Idempotency-Key", f"1 to {KEY_LENGTH} printable characters")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT taken, fingerprint, status, headers, body"
            " FROM core_idempotency_claim(%s, %s, %s)",
            [actor_id, key, clock.now() - settings.IDEMPOTENCY_LIFETIME],
        )
        found = cursor.fetchone()
    if found is None:
        return None
    if not found[0]:
        raise KairosError(ErrorCode.IDEMPOTENCY_IN_PROGRESS, headers={"Retry-After": "1"})
    if bytes(found[1]) != print_:
        raise KairosError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return StoredAnswer(found[2], orjson.loads(found[3]), bytes(found[4]))


def store(actor_id: UUID, key: str, print_: bytes, answer: StoredAnswer) -> None:
    """Keep the answer, in the transaction of the work. A record past its day is replaced."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_idempotencyrecord"
            " (id, actor_id, key, fingerprint, status, headers, body, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s)"
            " ON CONFLICT (actor_id, key) DO UPDATE SET fingerprint = EXCLUDED.fingerprint,"
            " status = EXCLUDED.status, headers = EXCLUDED.headers, body = EXCLUDED.body,"
            " created_at = EXCLUDED.created_at",
            [
                ids.uuid7(),
                actor_id,
                key,
                print_,
                answer.status,
                orjson.dumps(answer.headers).decode(),
                answer.body,
                clock.now(),
            ],
        )


def kept(actor_id: UUID, key: str) -> StoredAnswer | None:
    """The answer kept under the key, to be looked at again."""
    row = IdempotencyRecord.objects.filter(actor_id=actor_id, key=key).first()
    return StoredAnswer(row.status, row.headers, bytes(row.body)) if row is not None else None


def prune() -> int:
    """Forget answers past their day; returns how many."""
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        old = IdempotencyRecord.objects.filter(
            created_at__lt=clock.now() - settings.IDEMPOTENCY_LIFETIME
        )
        return old.delete()[0]
