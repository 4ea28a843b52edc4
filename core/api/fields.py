"""Fields of the API that DRF does not have, or has too lenient."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def parse_instant(text: str) -> datetime:
    """An RFC 3339 time with an offset, in UTC. Raises ValueError for anything else."""
    if len(text) < 16 or text[10:11] not in "Tt ":
        raise ValueError("not a date and time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("without an offset")
    return moment.astimezone(UTC)


@extend_schema_field({"type": "string", "format": "date-time"})
class InstantField(serializers.Field[datetime, str, Any, Any]):
    """An instant: any offset goes in, UTC comes out. A time without an offset is refused."""

    default_error_messages = {
        "invalid": "A date and time with an offset, such as 2026-03-01T09:00:00+01:00."
    }

    def to_internal_value(self, data: Any) -> datetime:
        try:
            return parse_instant(data)
        except (TypeError, ValueError, OverflowError):
            raise serializers.ValidationError(
                self.error_messages["invalid"], code="invalid"
            ) from None

    def to_representation(self, value: datetime) -> Any:
        return value
