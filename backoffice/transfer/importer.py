"""What the importers of all kinds have in common: read a chunk once, save it as often as needed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from appointments.importing.reading import Record
from backoffice.transfer.columns import Columns
from backoffice.transfer.faults import BadCell, Outcome
from backoffice.transfer.lines import Draft, LineReader, Repeats
from backoffice.transfer.values import Reading
from clinics.models import Clinic
from core.errors import KairosError

D = TypeVar("D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to be imported, and how. `is_dry`: what it writes is going to be rolled back."""

    transfer_id: UUID
    clinic: Clinic
    file_name: str
    columns: Sequence[str]
    fields: dict[str, int]
    reading: Reading
    mapping: str = ""
    is_dry: bool = False


@dataclass(slots=True)
class Batch(Generic[D]):
    """The lines of a chunk after reading: sound ones, and in `outcome` those that are not."""

    drafts: list[D] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)


class Importer(ABC, Generic[D]):
    """Imports the lines of one file, chunk by chunk, in the order of the file.

    `read` is called once for each chunk and remembers what the file has said so far; `save` may be
    called again for the same batch, after its transaction was rolled back.
    """

    chunk_lines = 1000

    def __init__(self, job: Job) -> None:
        self.job = job

    @property
    def lock(self) -> str:
        """Whoever imports into the same place holds this, so that there is one at a time."""
        return f"transfer:{self.job.clinic.id}"

    def begin(self) -> None:
        """Prepare, in a transaction in the clinic's scope. Raises ImportStopped."""

    @abstractmethod
    def read(self, records: Iterable[Record]) -> Batch[D]:
        """The next chunk. Looks at the lines only, and at those before them."""

    @abstractmethod
    def save(self, batch: Batch[D]) -> Outcome:
        """Write the sound lines, in the open scope and transaction.

        Returns what became of all lines of the batch. May raise `django.db.DatabaseError` when
        others were in the way: then it can be tried again.
        """


class ColumnsImporter(Importer[Draft]):
    """An importer of lines in our own columns."""

    resource: Columns

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.reader = LineReader(
            resource=self.resource, fields=job.fields, columns=job.columns, reading=job.reading
        )
        self.repeats = Repeats()

    @abstractmethod
    def keys(self, draft: Draft) -> list[tuple[str, object]]:
        """What no two lines of a file may have in common, each with the column that says it."""

    def read(self, records: Iterable[Record]) -> Batch[Draft]:
        batch: Batch[Draft] = Batch()
        for record in records:
            draft = self.reader.read(record, batch.outcome)
            if draft is not None and not self._is_repeated(draft, batch.outcome):
                batch.drafts.append(draft)
        return batch

    def _is_repeated(self, draft: Draft, outcome: Outcome) -> bool:
        for name, key in self.keys(draft):
            first = self.repeats.earlier(name, key, draft.line)
            if first is not None:
                self.repeats.refuse(self.reader.header(name), draft.line, first, outcome)
                return True
        return False

    def save(self, batch: Batch[Draft]) -> Outcome:
        outcome = Outcome(bad=batch.outcome.bad, faults=list(batch.outcome.faults))
        self.save_drafts(batch.drafts, outcome)
        return outcome

    @abstractmethod
    def save_drafts(self, drafts: Sequence[Draft], outcome: Outcome) -> None:
        """Write the drafts; count and explain in `outcome`."""

    def attempt(self, draft: Draft, outcome: Outcome, act: Callable[[], str]) -> None:
        """Do one line's work; a refusal takes back what it began, and becomes the line's fault.

        `act` returns which count of the outcome the line belongs to.
        """
        try:
            with transaction.atomic():
                became = act()
        except (BadCell, ValidationError) as error:
            self.reader.refuse(draft, error, outcome)
        except KairosError as error:
            if error.status >= 500:
                raise
            self.reader.refuse(draft, error, outcome)
        else:
            setattr(outcome, became, getattr(outcome, became) + 1)


def differing(row: Any, values: dict[str, Any]) -> dict[str, Any]:
    """What of `values` the row does not have already."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}
