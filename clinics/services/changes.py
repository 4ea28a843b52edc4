"""How every simple row of a clinic is created and changed: locked, versioned, checked, audited."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django.db import IntegrityError, connection, transaction
from django.db.models import PROTECT, ForeignObjectRel, Model
from django.utils.translation import gettext as _

from clinics.models import Clinic, Patient
from core import journal, versions
from core.errors import ErrorCode, KairosError
from core.models import Entity

E = TypeVar("E", bound=Entity)


def create_row(model: type[E], fields: Mapping[str, Any], *, action: str) -> E:
    """A checked, audited new row.

    Raises VALIDATION_ERROR, and CONFLICT where a unique or exclusion constraint is in the way.
    """
    row = model(**fields)
    check(row)
    with explained(model):
        row.save(force_insert=True)
    record(row, action, {name: [None, _plain(value)] for name, value in fields.items()})
    return row


def apply_changes(
    model: type[E],
    row_id: UUID,
    fields: Mapping[str, Any],
    *,
    expected_version: int | None,
    action: str,
) -> E:
    """Change the row under its lock; a change that changes nothing writes nothing.

    Raises NOT_FOUND (also for a row out of scope), PRECONDITION_FAILED, VALIDATION_ERROR, CONFLICT.
    """
    row = locked(model, row_id, expected_version=expected_version)
    changes: dict[str, Any] = {}
    for name, value in fields.items():
        before = getattr(row, name)
        if before != value:
            changes[name] = [_plain(before), _plain(value)]
            setattr(row, name, value)
    if changes:
        check(row)
        with explained(model):
            versions.save(row, list(changes))
        record(row, action, changes)
    return row


def remove_row(model: type[E], row_id: UUID, *, expected_version: int | None, action: str) -> None:
    """Delete a row to which nothing clinical refers; what it said stays in the trail.

    Raises NOT_FOUND, PRECONDITION_FAILED, and CONFLICT while something refers to it. A refusal
    takes back what this began, so a caller in a larger transaction may go on.
    """
    with transaction.atomic():
        row = locked(model, row_id, expected_version=expected_version)
        _refuse_used(row)
        said = {
            field.attname: [getattr(row, field.attname), None]
            for field in model._meta.concrete_fields
        }
        record(row, action, said)
        row.delete()
        _check_references(model)


def _refuse_used(row: Entity) -> None:
    """Raises CONFLICT when a row that must not lose this one refers to it.

    Asked relation by relation, and only whether there is any: Django's collector would load every
    one of them to say the same.
    """
    for relation in row._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ForeignObjectRel) or relation.on_delete is not PROTECT:
            continue
        user: type[Model] = relation.field.model
        if user._default_manager.filter(**{relation.field.name: row.pk}).exists():
            raise _in_use(type(row), str(user._meta.verbose_name_plural))


def _in_use(model: type[Model], what: str) -> KairosError:
    if any(field.name == "is_active" for field in model._meta.concrete_fields):
        said = _("It is used by %(what)s; make it inactive instead.")
    else:
        said = _("It is used by %(what)s.")
    return KairosError(ErrorCode.CONFLICT, said % {"what": what})


def _check_references(model: type[Model]) -> None:
    """Raises CONFLICT where a row that cannot be seen from here (of another clinic) refers to one
    that was deleted: the deferred foreign keys look now, while it can still be explained."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        if isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
            raise _in_use(model, _("other entries")) from error
        raise


def locked(model: type[E], row_id: UUID, *, expected_version: int | None) -> E:
    """The row under its lock, at the version asked for. Raises NOT_FOUND, PRECONDITION_FAILED."""
    row = model._default_manager.select_for_update().filter(pk=row_id).first()
    if row is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    versions.require(row, expected_version)
    return row


def check(row: Entity) -> None:
    """Raises ValidationError where a field's own validators refuse its value.

    What other rows have to do with it (uniqueness, relations) is the database's to refuse.
    """
    relations = {field.name for field in row._meta.fields if field.is_relation}
    row.full_clean(exclude=relations, validate_unique=False, validate_constraints=False)


@contextmanager
def explained(model: type[Model]) -> Iterator[None]:
    """Turn a constraint's refusal into the sentence that the model has for it.

    Raises CONFLICT for unique and exclusion constraints, VALIDATION_ERROR for checks. The
    transaction is lost either way, as with every refusal.
    """
    try:
        yield
    except IntegrityError as error:
        cause = error.__cause__
        if not isinstance(cause, psycopg.Error):
            raise
        said = {rule.name: str(rule.violation_error_message) for rule in model._meta.constraints}
        detail = said.get(cause.diag.constraint_name or "", "")
        if isinstance(cause, psycopg.errors.UniqueViolation | psycopg.errors.ExclusionViolation):
            raise KairosError(ErrorCode.CONFLICT, detail) from error
        if isinstance(cause, psycopg.errors.CheckViolation):
            raise KairosError(ErrorCode.VALIDATION_ERROR, detail) from error
        raise


def require_same_clinic(clinic_id: UUID, **rows: Any) -> None:
    """Foreign keys bypass row security, so a service looks: each row is of this clinic.

    Raises NOT_FOUND for one that is not, as if it did not exist.
    """
    for row in rows.values():
        if row is not None and row.clinic_id != clinic_id:
            raise KairosError(ErrorCode.NOT_FOUND)


def record(row: Entity, action: str, changes: dict[str, Any]) -> None:
    """Write the act into the trail, and tell the listeners."""
    clinic_id = row.pk if isinstance(row, Clinic) else getattr(row, "clinic_id", None)
    subjects: Sequence[UUID] = ()
    if isinstance(row, Patient):
        subjects = (row.id,)
    elif (patient_id := getattr(row, "patient_id", None)) is not None:
        subjects = (patient_id,)
    journal.record(
        journal.Act(
            action,
            row._meta.label_lower,
            row.id,
            clinic_id,
            subjects,
            changes,
            topic=action,
            payload={"id": row.id},
        )
    )


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Model) else value
