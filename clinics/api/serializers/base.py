"""What the shapes of a clinic's rows have in common."""

from typing import Any

from rest_framework import serializers

from core.errors import ErrorCode, KairosError

ENTITY = ("id", "version", "created_at", "updated_at")


class RelatedRow(serializers.PrimaryKeyRelatedField):
    """The id of another row.

    An id that is not there is NOT_FOUND, the very answer that a row of another clinic gets: row
    security hides it here, and the services look at what it does not hide. Only a value that
    cannot be an id is a VALIDATION_ERROR.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pk_field=serializers.UUIDField(), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        key = self.pk_field.to_internal_value(data)
        row = self.get_queryset().filter(pk=key).first()
        if row is None:
            raise KairosError(ErrorCode.NOT_FOUND)
        return row


class EntitySerializer(serializers.ModelSerializer[Any]):
    """Common fields of every entity are read-only; uniqueness is the database's to decide (409)."""

    serializer_related_field = RelatedRow

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        return _without_queries(*super().build_standard_field(field_name, model_field))

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        return _without_queries(*super().build_relational_field(field_name, relation_info))

    def get_unique_together_validators(self) -> list[Any]:
        return []


def _without_queries(field_class: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A field as it was built, less the validators that ask the database."""
    if "validators" in kwargs:
        kwargs["validators"] = [
            validator for validator in kwargs["validators"] if not hasattr(validator, "queryset")
        ]
    return field_class, kwargs
