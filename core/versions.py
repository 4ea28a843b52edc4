"""Optimistic concurrency for services: compare the version under the row lock, then raise it."""

from typing import TypeVar

from core import clock
from core.errors import ErrorCode, KairosError
from core.models import Entity

E = TypeVar("E", bound=Entity)


def require(entity: Entity, expected: int | None) -> None:
    """Raises PRECONDITION_FAILED when `entity` (read under its lock) is not at `expected`."""
    if expected is not None and entity.version != expected:
        raise KairosError(ErrorCode.PRECONDITION_FAILED)


def save(entity: Entity, fields: list[str]) -> None:
    """Save `fields`, raising the version."""
    entity.version += 1
    entity.updated_at = clock.now()
    entity.save(update_fields=[*fields, "version", "updated_at"])
