"""From a line of a file to values, or to everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _

from appointments.importing.reading import Record
from appointments.importing.refusals import Refusal
from backoffice.transfer.columns import Columns
from backoffice.transfer.faults import BadCell, Fault, FaultCode, Outcome
from backoffice.transfer.values import Reading
from core.errors import KairosError
from core.formulas import unguarded

_SPREADSHEET_ERRORS = frozenset(
    {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A sound line. An empty cell says nothing, so its column is not in `values`."""

    line: int
    values: dict[str, Any]


class LineReader:
    """Reads the lines of one file as a person has said its columns are to be understood."""

    def __init__(
        self,
        *,
        resource: Columns,
        fields: Mapping[str, int],
        columns: Sequence[str],
        reading: Reading,
    ) -> None:
        self._columns = columns
        self._reading = reading
        # In the order of the file, so that its faults are.
        in_order = sorted(fields, key=lambda name: fields[name])
        self._fields = [(name, fields[name], resource.fields[name]) for name in in_order]
        self._numbers = dict(fields)

    def header(self, name: str) -> str:
        """What the file calls one of our columns; '' when it has none."""
        number = self._numbers.get(name)
        return self._columns[number] if number is not None else ""

    def read(self, record: Record, outcome: Outcome) -> Draft | None:
        """The line's values; or None, with all its faults in `outcome`."""
        if record.fault is not None:
            outcome.refuse(record.line, "", record.fault.value, record.words)
            return None
        values: dict[str, Any] = {}
        faults = []
        for name, number, column in self._fields:
            text = unguarded(record.cells[number].strip()).strip()
            if not text:
                continue
            try:
                if text in _SPREADSHEET_ERRORS:
                    raise BadCell(
                        _("%(text)s is a spreadsheet's error") % {"text": text},
                        FaultCode.SPREADSHEET_ERROR,
                    )
                if "\0" in text:
                    raise BadCell(_("the cell has a NUL character"), Refusal.NUL_BYTE)
                values[name] = column.widget.clean(text, reading=self._reading)
            except BadCell as bad:
                faults.append(Fault(record.line, self.header(name), bad.code, bad.words))
        if faults:
            outcome.bad += 1
            outcome.faults += faults
            return None
        return Draft(record.line, values)

    def missing(self, draft: Draft, names: Sequence[str], outcome: Outcome) -> bool:
        """Whether the line lacks any of `names`, which is then one bad line in `outcome`."""
        empty = [name for name in names if name not in draft.values]
        if not empty:
            return False
        outcome.bad += 1
        outcome.faults += [
            Fault(
                draft.line,
                self.header(name) or name,
                Refusal.MISSING_VALUE.value,
                _("the cell is empty"),
            )
            for name in empty
        ]
        return True

    def refuse(self, draft: Draft, error: Exception, outcome: Outcome) -> None:
        """One more bad line, for what a service or a model has against it."""
        outcome.bad += 1
        outcome.faults += [
            Fault(draft.line, self.header(name) or name, code, words)
            for name, code, words in _said(error)
        ]


def _said(error: Exception) -> list[tuple[str, str, str]]:
    """Field, code and words of a refusal."""
    if isinstance(error, BadCell):
        return [("", error.code, error.words)]
    if isinstance(error, ValidationError):
        if not hasattr(error, "error_dict"):
            return [("", Refusal.BAD_VALUE.value, "; ".join(error.messages))]
        return [
            ("" if name == NON_FIELD_ERRORS else name, Refusal.BAD_VALUE.value, "; ".join(words))
            for name, words in error.message_dict.items()
        ]
    if isinstance(error, KairosError):
        if error.errors:
            return [
                (name, error.code.value, "; ".join(words)) for name, words in error.errors.items()
            ]
        return [("", error.code.value, error.detail)]
    raise error


class Repeats:
    """Finds keys that occur twice in a file of any length, at some hundred bytes a line."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}

    def earlier(self, what: str, key: object, line: int) -> int | None:
        """The line that had `key` before; otherwise it is this one's from now on."""
        digest = blake2b(f"{what}\0{key}".encode(), digest_size=8).digest()
        first = self._first.setdefault(int.from_bytes(digest), line)
        return None if first == line else first

    def refuse(self, column: str, line: int, first: int, outcome: Outcome) -> None:
        """One more bad line: it says again what line `first` has said."""
        outcome.refuse(
            line,
            column,
            FaultCode.DUPLICATE_IN_FILE.value,
            _("line %(first)s has the same value") % {"first": first},
        )
