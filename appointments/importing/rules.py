"""From one row of a file to a visit, or to the reason why not. Looks at nothing but the row."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.phones import normalise_phone
from appointments.importing.mapping import (
    AgeRule,
    DateRule,
    InstantRule,
    Mapping,
    MinutesRule,
    TextRule,
)
from appointments.importing.refusals import Refusal, Refused
from appointments.models import OPEN, Appointment, AppointmentStatus, ImportedRow
from clinics.models import Patient, Sex, VisitMode

_ISO_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?)?")
_EARLIEST = date(1900, 1, 1)
_LATEST_AHEAD = timedelta(days=1100)
_LONGEST_MINUTES = 720


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientDraft:
    """What a row says of its patient; used for the first row in which the patient appears.

    Without an external id the patient is known by the record number.
    """

    external_id: str
    mrn: str
    fields: dict[str, str]
    birth_date: date | None

    @property
    def key(self) -> tuple[str, str]:
        """What tells patients apart: of two rows with one key, the patient is the same."""
        return ("", self.mrn) if not self.external_id else ("external_id", self.external_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitDraft:
    """One sound row. Exactly one of `day` and `starts_at` is set; `minutes` is the length."""

    line: int
    external_id: str
    patient: PatientDraft
    day: date | None
    starts_at: datetime | None
    minutes: int
    status: str
    mode: str
    booked_at: datetime | None
    cancelled_at: datetime | None
    cancel_reason: str
    reason: str
    doctor: str
    service: str
    location: str = ""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class RowRules:
    """The rules of one mapping for one clinic, at one moment."""

    def __init__(self, mapping: Mapping, zone: ZoneInfo, now: datetime) -> None:
        self.mapping = mapping
        self.zone = zone
        self.now = now
        self.today = now.astimezone(zone).date()

    def external_id(self, row: dict[str, str]) -> str:
        """The row's own id, for the report; empty when it has none."""
        return self.mapping.row.id.text(row)[:120]

    def read(self, row: dict[str, str], line: int) -> VisitDraft:
        """The row as a visit. Raises Refused."""
        mapping, visit = self.mapping, self.mapping.visit
        external_id = _text(
            mapping.row.id,
            row,
            "row.id",
            _length(ImportedRow, "external_id"),
            code=Refusal.BAD_ROW_ID,
            required=True,
        )
        patient = self._patient(row)
        day = _date(visit.date, row) if visit.date else None
        starts_at = self._instant(visit.starts_at, row, required=True) if visit.starts_at else None
        status = _text(
            visit.status, row, "visit.status", 12, code=Refusal.UNKNOWN_STATUS, required=True
        )
        if status not in _STATUSES:
            raise Refused(Refusal.UNKNOWN_STATUS, f"visit.status: no status {status!r}")
        mode = _text(visit.type, row, "visit.type", 12, required=True)
        if mode not in _MODES:
            raise Refused(Refusal.BAD_VALUE, f"visit.type: no type {mode!r}")
        booked_at = self._instant(visit.booked_at, row)
        draft = VisitDraft(
            line=line,
            external_id=external_id,
            patient=patient,
            day=day,
            starts_at=starts_at,
            minutes=self._minutes(row, starts_at),
            status=status,
            mode=mode,
            booked_at=booked_at,
            cancelled_at=self._instant(visit.cancelled_at, row),
            cancel_reason=_text(
                visit.cancel_reason,
                row,
                "visit.cancel_reason",
                _length(Appointment, "cancel_reason"),
            ),
            reason=_text(visit.reason, row, "visit.reason", _length(Appointment, "reason")),
            doctor=_text(visit.doctor, row, "visit.doctor", 254, required=True)
            if visit.doctor
            else row[mapping.roster.by].strip()
            if mapping.roster
            else "",
            service=_text(visit.service, row, "visit.service", 160),
            location=_text(visit.location, row, "visit.location", 200),
        )
        self._check_days(draft)
        return draft

    def _check_days(self, draft: VisitDraft) -> None:
        day = draft.day or (draft.starts_at or self.now).astimezone(self.zone).date()
        if not _EARLIEST <= day <= self.today + _LATEST_AHEAD:
            raise Refused(Refusal.BAD_DATE, f"the visit is on {day}")
        if draft.booked_at is not None:
            booked = draft.booked_at.astimezone(self.zone).date()
            if booked > day:
                raise Refused(
                    Refusal.BOOKED_AFTER_VISIT, f"booked on {booked} for a visit on {day}"
                )
        coming = draft.starts_at > self.now if draft.starts_at else day > self.today
        if coming and draft.status in _AFTER_THE_FACT:
            raise Refused(Refusal.NOT_YET, f"{draft.status} on {day}, which is still to come")

    def _patient(self, row: dict[str, str]) -> PatientDraft:
        rules = self.mapping.patient
        external_id = _text(
            rules.external_id,
            row,
            "patient.external_id",
            _length(Patient, "external_id"),
            code=Refusal.BAD_PATIENT_ID,
            required=rules.known_by == "external_id",
        )
        mrn = external_id if rules.mrn is None else _text(rules.mrn, row, "patient.mrn", 40)
        if rules.known_by == "either":
            mrn = mrn or external_id
            if not mrn:
                raise Refused(Refusal.MISSING_VALUE, "patient: neither an id nor a record number")
        mrn = f"{rules.mrn_prefix}{mrn}"
        if len(mrn) > _length(Patient, "mrn"):
            raise Refused(Refusal.TEXT_TOO_LONG, "patient.mrn: over 40 characters")
        fields = {
            name: _text(
                getattr(rules, name),
                row,
                f"patient.{name}",
                _length(Patient, name),
                required=name == "given_name",
            )
            for name in (
                "given_name",
                "family_name",
                "sex",
                "phone",
                "email",
                "region",
                "insurance",
                "language",
            )
            if getattr(rules, name) is not None
        }
        fields["sex"] = fields.get("sex") or Sex.UNKNOWN.value
        if fields["sex"] not in Sex.values:
            raise Refused(Refusal.BAD_VALUE, f"patient.sex: no sex {fields['sex']!r}")
        if phone := fields.get("phone"):
            number = normalise_phone(phone, rules.phone_country)
            if number is None:
                raise Refused(Refusal.BAD_VALUE, f"patient.phone: {phone!r} is no phone number")
            fields["phone"] = number
        if email := fields.get("email"):
            try:
                validate_email(email)
            except ValidationError as error:
                raise Refused(Refusal.BAD_VALUE, f"patient.email: {email!r}") from error
        return PatientDraft(
            external_id=external_id, mrn=mrn, fields=fields, birth_date=self._birth_date(row)
        )

    def _birth_date(self, row: dict[str, str]) -> date | None:
        rule = self.mapping.patient.birth_date
        if rule is None:
            return None
        if isinstance(rule, AgeRule):
            text = row[rule.from_age].strip()
            if not re.fullmatch(r"-?[0-9]{1,4}", text) or not 0 <= int(text) <= rule.maximum:
                raise Refused(Refusal.BAD_AGE, f"an age of {text[:20]!r}")
            at = _date(rule.at, row)
            if not _EARLIEST <= at <= self.today + _LATEST_AHEAD:
                raise Refused(Refusal.BAD_DATE, f"an age on {at}")
            return date(at.year - int(text), 1, 1)
        if not row[rule.column].strip():
            return None
        born = _date(rule, row)
        if not date(1850, 1, 1) <= born <= self.today:
            raise Refused(Refusal.BAD_DATE, f"born on {born}")
        return born

    def _minutes(self, row: dict[str, str], starts_at: datetime | None) -> int:
        visit = self.mapping.visit
        if visit.ends_at is not None and starts_at is not None:
            ends_at = self._instant(visit.ends_at, row, required=True)
            minutes = ((ends_at or starts_at) - starts_at).total_seconds() / 60
        elif isinstance(visit.minutes, MinutesRule):
            text = row[visit.minutes.column].strip()
            if not re.fullmatch(r"[0-9]{1,4}", text):
                raise Refused(Refusal.BAD_DURATION, f"{text[:20]!r} minutes")
            minutes = int(text)
        else:
            minutes = visit.minutes or (
                self.mapping.spread.slot_minutes if self.mapping.spread else 0
            )
        if minutes != int(minutes) or not 1 <= minutes <= _LONGEST_MINUTES:
            raise Refused(Refusal.BAD_DURATION, f"{minutes:g} minutes")
        return int(minutes)

    def _instant(
        self, rule: InstantRule | None, row: dict[str, str], *, required: bool = False
    ) -> datetime | None:
        if rule is None:
            return None
        text = row[rule.column].strip()
        if not text:
            if required:
                raise Refused(Refusal.MISSING_VALUE, f"{rule.column} is empty")
            return None
        moment = _parse_instant(text, rule.format)
        if moment is None:
            raise Refused(Refusal.BAD_DATE, f"{rule.column}: {text[:40]!r} is no time")
        if moment.tzinfo is not None:
            return _utc(moment, rule.column)
        if rule.zone == "offset":
            raise Refused(
                Refusal.TIME_WITHOUT_OFFSET, f"{rule.column}: {text[:40]!r} has no offset"
            )
        # A time that exists twice takes the first (fold 0); one that does not exist comes back
        # from UTC as another.
        local = moment.replace(tzinfo=self.zone)
        there = _utc(local, rule.column)
        if there.astimezone(self.zone).replace(tzinfo=None) != moment:
            raise Refused(
                Refusal.NO_SUCH_LOCAL_TIME,
                f"{rule.column}: {text[:40]!r} does not exist in {self.zone.key}",
            )
        return there


_STATUSES = frozenset(AppointmentStatus.values)
_MODES = frozenset(VisitMode.values)
_AFTER_THE_FACT = frozenset({"COMPLETED", "NO_SHOW", "IN_PROGRESS", "CHECKED_IN"})


@lru_cache(maxsize=64)
def _length(model: type[Patient] | type[Appointment] | type[ImportedRow], name: str) -> int:
    return int(getattr(model._meta.get_field(name), "max_length", None) or 0)


def _text(
    rule: TextRule | None,
    row: dict[str, str],
    what: str,
    longest: int,
    *,
    code: Refusal = Refusal.BAD_VALUE,
    required: bool = False,
) -> str:
    if rule is None:
        return ""
    text = rule.text(row)
    if not text:
        if required:
            raise Refused(Refusal.MISSING_VALUE, f"{what} is empty")
        return ""
    if rule.values:
        if text not in rule.values:
            raise Refused(code, f"{what}: {text[:40]!r} is not in the mapping")
        text = rule.values[text]
    if len(text) > longest:
        raise Refused(Refusal.TEXT_TOO_LONG, f"{what}: over {longest} characters")
    if rule.matcher is not None and not rule.matcher.fullmatch(text):
        raise Refused(code, f"{what}: {text[:40]!r} is not of the form {rule.pattern}")
    return text


def _date(rule: DateRule, row: dict[str, str]) -> date:
    text = row[rule.column].strip()
    if not text:
        raise Refused(Refusal.MISSING_VALUE, f"{rule.column} is empty")
    found = _parse_date(text, rule.format)
    if found is None:
        raise Refused(Refusal.BAD_DATE, f"{rule.column}: {text[:40]!r} is no date")
    return found


# A file has many rows and few days.
@lru_cache(maxsize=4096)
def _parse_date(text: str, pattern: str | None) -> date | None:
    try:
        if pattern is not None:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a calendar date
        match = _ISO_DATE.fullmatch(text)
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _parse_instant(text: str, pattern: str | None) -> datetime | None:
    try:
        if pattern is not None:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is looked at after
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _utc(moment: datetime, column: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise Refused(Refusal.BAD_DATE, f"{column}: out of range") from error
