"""The mapping: which column of a file means what. A TOML file, checked whole before use.

`docs/importing.md` explains every key; `docs/examples/noshow-mapping.toml` is a full example.
"""

import re
import tomllib
from collections.abc import Iterator
from datetime import time
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from appointments.importing.refusals import ImportStopped
from appointments.models import AppointmentStatus
from clinics.models import Profession, Sex, VisitMode

_PLACE = re.compile(r"\{([^{}]+)\}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def columns(self) -> Iterator[str]:
        """Every column of the file that this part reads."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, _Part):
                yield from value.columns()


class TextRule(_Part):
    """A text: a column, columns in a template, or a fixed value; then translated and checked."""

    column: str | None = None
    template: str | None = None
    value: str | None = None
    values: dict[str, str] = Field(default_factory=dict)
    pattern: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(part is not None for part in (self.column, self.template, self.value)) != 1:
            raise ValueError("give one of column, template and value")
        return self

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    def columns(self) -> Iterator[str]:
        if self.column is not None:
            yield self.column
        if self.template is not None:
            yield from _PLACE.findall(self.template)

    def text(self, row: dict[str, str]) -> str:
        """The text of this row, trimmed, before translation and check."""
        if self.column is not None:
            return row[self.column].strip()
        if self.template is not None:
            return _PLACE.sub(lambda place: row[place[1]].strip(), self.template).strip()
        return self.value or ""

    @cached_property
    def matcher(self) -> re.Pattern[str] | None:
        return re.compile(self.pattern) if self.pattern is not None else None


class DateRule(_Part):
    """A calendar date: ISO 8601 (a midnight after it is passed over), or as `format` (strptime)."""

    column: str
    format: str | None = None

    def columns(self) -> Iterator[str]:
        yield self.column


class InstantRule(_Part):
    """A moment. `zone`: "offset" wants an offset in every cell, "clinic" reads local wall clock."""

    column: str
    format: str | None = None
    zone: Literal["offset", "clinic"] = "offset"

    def columns(self) -> Iterator[str]:
        yield self.column


class AgeRule(_Part):
    """A birth date from an age in whole years on the date `at`: January 1 of the year it gives."""

    from_age: str
    at: DateRule
    maximum: int = Field(default=120, ge=0, le=150)

    @field_validator("at", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _column_only(value)

    def columns(self) -> Iterator[str]:
        yield self.from_age
        yield self.at.column


class MinutesRule(_Part):
    """A duration in minutes from a column."""

    column: str

    def columns(self) -> Iterator[str]:
        yield self.column


def _column_only(value: Any) -> Any:
    """`key = "Column"` is short for `key = { column = "Column" }`."""
    return {"column": value} if isinstance(value, str) else value


Text = Annotated[TextRule, BeforeValidator(_column_only)]
Date = Annotated[DateRule, BeforeValidator(_column_only)]
Instant = Annotated[InstantRule, BeforeValidator(_column_only)]


class RowPart(_Part):
    id: Text


class PatientPart(_Part):
    """`known_by`: by the external id alone, or where a row has none by the record number."""

    known_by: Literal["external_id", "either"] = "external_id"
    external_id: Text
    given_name: Text
    family_name: Text | None = None
    mrn: Text | None = None
    mrn_prefix: str = ""
    sex: Text | None = None
    birth_date: AgeRule | DateRule | None = None
    phone: Text | None = None
    phone_country: str | None = None
    email: Text | None = None
    region: Text | None = None
    insurance: Text | None = None
    language: Text | None = None

    @field_validator("sex")
    @classmethod
    def _sexes(cls, rule: TextRule | None) -> TextRule | None:
        return _within(rule, set(Sex.values), "sex")

    @field_validator("birth_date", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _column_only(value)


class VisitPart(_Part):
    date: Date | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    minutes: int | MinutesRule | None = None
    status: Text
    type: Text = TextRule(value=VisitMode.IN_PERSON.value)
    booked_at: Instant | None = None
    cancelled_at: Instant | None = None
    cancel_reason: Text | None = None
    reason: Text | None = None
    doctor: Text | None = None
    service: Text | None = None
    location: Text | None = None

    @field_validator("status")
    @classmethod
    def _statuses(cls, rule: TextRule) -> TextRule | None:
        return _within(rule, set(AppointmentStatus.values), "status")

    @field_validator("type")
    @classmethod
    def _types(cls, rule: TextRule) -> TextRule | None:
        return _within(rule, set(VisitMode.values), "type")

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.date is None) == (self.starts_at is None):
            raise ValueError("give date (a day without a time) or starts_at, not both")
        if self.starts_at is not None and self.ends_at is None and self.minutes is None:
            raise ValueError("starts_at needs ends_at or minutes")
        if self.date is not None and self.ends_at is not None:
            raise ValueError("a date without a time has no ends_at")
        return self


class SpreadPart(_Part):
    """Between which local times days without times are filled, and in what steps."""

    opens: time
    closes: time
    slot_minutes: int = Field(ge=5, le=720)
    breaks: tuple[tuple[time, time], ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.opens >= self.closes or any(start >= end for start, end in self.breaks):
            raise ValueError("every end comes after its start")
        return self


class RosterPart(_Part):
    """Doctors made for a register that names none."""

    doctors: int = Field(ge=1, le=1000)
    name: str = "Register doctor {number}"
    profession: Profession = Profession.DOCTOR
    by: str
    choices: int = Field(default=2, ge=1, le=8)

    def columns(self) -> Iterator[str]:
        yield self.by


class Mapping(_Part):
    """A whole mapping. `system` names where the file comes from: with a row's id it is unique."""

    system: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    location: str = Field(min_length=1, max_length=200)
    row: RowPart
    patient: PatientPart
    visit: VisitPart
    spread: SpreadPart | None = None
    roster: RosterPart | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.visit.date is not None and self.spread is None:
            raise ValueError("visit.date needs [spread]: between which hours the day is filled")
        if (self.visit.doctor is None) == (self.roster is None):
            raise ValueError("give visit.doctor, or [roster] for a file that names no doctors")
        minutes = self.visit.minutes
        if isinstance(minutes, int):
            longest = self.spread.slot_minutes if self.visit.date and self.spread else 720
            if not 0 < minutes <= longest:
                raise ValueError(f"visit.minutes is 1 to {longest}")
        if isinstance(minutes, MinutesRule) and self.visit.date is not None:
            raise ValueError("a date without a time takes a fixed number of minutes")
        return self


def _within(rule: TextRule | None, allowed: set[str], what: str) -> TextRule | None:
    if rule is None:
        return None
    given = set(rule.values.values()) | ({rule.value} if rule.value is not None else set())
    if unknown := sorted(given - allowed):
        raise ValueError(f"no {what} {', '.join(unknown)}; one of {', '.join(sorted(allowed))}")
    return rule


def mapping_read(path: Path) -> Mapping:
    """The mapping in a file. Raises ImportStopped with every fault that it has."""
    try:
        return mapping_parse(path.read_text(encoding="utf-8"), name=str(path))
    except OSError as error:
        raise ImportStopped(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ImportStopped(f"{path}: not UTF-8") from error


def mapping_parse(text: str, *, name: str) -> Mapping:
    """The mapping in a TOML text. Raises ImportStopped, naming it, with every fault that it has."""
    try:
        return Mapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ImportStopped(f"{name}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'mapping'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise ImportStopped(f"{name}: {faults}") from error
