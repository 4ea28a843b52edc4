"""Every attempt to check in, and the answer that was given to its nonce."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from checkin.models import CheckInAttempt, CheckInMethod, Outcome, ScanReceipt
from checkin.sources import Source
from core import clock, context, ids
from core.errors import ErrorCode, KairosError


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one attempt."""

    outcome: Outcome
    code: ErrorCode | None = None
    visit: UUID | None = None
    patient: UUID | None = None
    location: UUID | None = None
    distance_metres: int | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    """What all attempts of one question share."""

    source: Source
    nonce: str
    clinic: UUID | None
    method: CheckInMethod
    at: datetime
    received_at: datetime
    digest: bytes | None = None
    point: UUID | None = None


def attempts_write(asked: Try, tried: Sequence[Tried]) -> UUID:
    """Write down what was tried; the id of the first."""
    rows = [
        CheckInAttempt(
            id=ids.uuid7(),
            clinic_id=asked.clinic,
            location_id=one.location or asked.source.location_id,
            source_kind=asked.source.kind,
            source_id=asked.source.id,
            nonce=asked.nonce,
            code_digest=asked.digest,
            method=asked.method,
            point_id=asked.point,
            appointment_id=one.visit,
            patient_id=one.patient,
            outcome=one.outcome,
            reason_code=one.code.value if one.code else "",
            forced=one.forced,
            distance_metres=one.distance_metres,
            address=context.current().address,
            at=asked.at,
            received_at=asked.received_at,
        )
        for one in tried
    ]
    CheckInAttempt.objects.bulk_create(rows)
    return rows[0].id


def question_digest(code: str, appointment_ids: Iterable[UUID], *, everyone: bool) -> bytes:
    """What a nonce stands for: the same nonce with another question is refused."""
    asked = [code.strip().upper(), sorted(str(one) for one in appointment_ids), everyone]
    return hashlib.sha256(orjson.dumps(asked)).digest()


def receipts_claim(*, source: Source, asked: Iterable[tuple[UUID, str, bytes]]) -> dict[str, bytes]:
    """Claim nonces, each with its clinic and its question's digest: those that are new.

    Whoever sends the same nonce at the same moment waits here for the first to commit. They are
    claimed in their own order, all of a transaction's before it locks a visit: so two batches
    never wait for each other.
    """
    first: dict[str, tuple[UUID, bytes]] = {}
    for clinic, nonce, digest in asked:
        first.setdefault(nonce, (clinic, digest))
    nonces = sorted(first)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO checkin_scanreceipt (id, clinic_id, source_id, nonce, digest, created_at)"
            " SELECT one.id, one.clinic, %s, one.nonce, one.digest, %s FROM unnest"
            " (%s::uuid[], %s::uuid[], %s::text[], %s::bytea[]) AS one (id, clinic, nonce, digest)"
            " ON CONFLICT (source_id, nonce) DO NOTHING RETURNING nonce",
            [
                source.id,
                clock.now(),
                [ids.uuid7() for _ in nonces],
                [first[nonce][0] for nonce in nonces],
                nonces,
                [first[nonce][1] for nonce in nonces],
            ],
        )
        return {nonce: first[nonce][1] for (nonce,) in cursor.fetchall()}


def receipt_kept(*, source: Source, nonce: str, digest: bytes) -> dict[str, Any]:
    """The answer that was given to the nonce. Raises IDEMPOTENCY_MISMATCH when it was used for
    another question."""
    kept = ScanReceipt.objects.filter(source_id=source.id, nonce=nonce).first()
    if kept is None or bytes(kept.digest) != digest or kept.answer is None:
        # Kept for another clinic, or for another question: the same answer for both.
        raise KairosError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return {**kept.answer, "replayed": True}


def receipt_close(*, source: Source, nonce: str, answer: dict[str, Any]) -> None:
    """Keep the answer, for whoever asks again with the same nonce."""
    ScanReceipt.objects.filter(source_id=source.id, nonce=nonce).update(
        answer=orjson.loads(orjson.dumps(answer, default=str))
    )
