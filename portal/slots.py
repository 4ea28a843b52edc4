"""A free time as it travels in a form or an address: start, place and, once chosen, doctor."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from core.errors import ErrorCode, KairosError

_SEPARATOR = "~"


@dataclass(frozen=True, slots=True)
class Picked:
    """A start at a place; `doctor` None: whoever is free."""

    starts_at: datetime
    location: UUID
    doctor: UUID | None = None

    def __str__(self) -> str:
        start = self.starts_at.astimezone(UTC).strftime("%Y%m%dT%H%MZ")
        return _SEPARATOR.join([start, str(self.location), str(self.doctor or "")])


def picked(text: str) -> Picked:
    """Read it again. Raises NOT_FOUND for what we did not write."""
    try:
        start, location, doctor = text.split(_SEPARATOR)
        moment = datetime.strptime(start, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
        return Picked(moment, UUID(location), UUID(doctor) if doctor else None)
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None
