"""What may be wrong with a line: a code for programs, words for the person who has to mend it."""

from dataclasses import dataclass, field
from enum import StrEnum

from appointments.importing.refusals import Refusal


class FaultCode(StrEnum):
    """Codes on top of those of `appointments.importing` and of `core.errors`."""

    DUPLICATE_IN_FILE = "DUPLICATE_IN_FILE"
    PHONE_WITHOUT_COUNTRY = "PHONE_WITHOUT_COUNTRY"
    SPREADSHEET_ERROR = "SPREADSHEET_ERROR"
    CHART_MERGED = "CHART_MERGED"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a line; `column` is the file's own name of it, '' for the whole line."""

    line: int
    column: str
    code: str
    words: str


class BadCell(Exception):
    """A cell's text cannot be what it should be; `code` and `words` go to the report."""

    def __init__(self, words: str, code: Refusal | FaultCode = Refusal.BAD_VALUE) -> None:
        super().__init__(words)
        self.code = code.value
        self.words = words


@dataclass(slots=True)
class Outcome:
    """What became of a number of lines. A line with several faults is one bad line."""

    fresh: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.fresh + self.changed + self.unchanged + self.bad

    def refuse(self, line: int, column: str, code: str, words: str) -> None:
        """One more bad line, with the one thing that is wrong with it."""
        self.bad += 1
        self.faults.append(Fault(line, column, code, words))

    def add(self, other: "Outcome") -> None:
        """Count `other` in; its faults stay with it, they are written once."""
        self.fresh += other.fresh
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.bad += other.bad
