"""UUID version 7 (RFC 9562): time-ordered ids, made here and not in the database.

The first 48 bits are milliseconds since the Unix epoch, so a range of ids is a range of time; the
high-volume tables are partitioned by month on that.
"""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new id, later than every id made before it in this process."""
    return _uuid7()


def floor(instant: datetime) -> UUID:
    """The smallest id that could have been made at `instant` (aware) or after it."""
    return UUID(int=(int(instant.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62))


def instant(value: UUID) -> datetime:
    """When `value`, a UUIDv7, was made; aware, UTC, to the millisecond."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, tz=UTC)
