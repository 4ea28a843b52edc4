"""Reads a CSV file row by row in constant memory, and survives what such files contain.

A physical line is at most `LINE_LIMIT` characters and a quoted cell at most `RECORD_LINES` lines,
so a quote that is never closed costs one row, not the rest of the file.
"""

import csv
import gzip
import io
import os
import zlib
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from appointments.importing.refusals import ImportStopped, Refusal

LINE_LIMIT = 100_000
RECORD_LINES = 50
DELIMITERS = (",", ";", "\t", "|")
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its first line's number (the header's is 1), its cells, or what is wrong with it."""

    line: int
    cells: list[str] = field(default_factory=list)
    fault: Refusal | None = None
    words: str = ""


class CSVSource:
    """An open file. `columns` are the header's; `records` yields the rows once, in order."""

    def __init__(
        self,
        path: Path,
        *,
        wanted: Collection[str] = (),
        stream: BinaryIO | None = None,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        fallback_encoding: str | None = None,
    ) -> None:
        """Open and check `path`: plain or gzip, whatever its name says.

        With a `stream` (open, at its beginning, closed with the source) that is read, and `path` is
        what it is called. `wanted` are the columns that must be there; without a `delimiter` the
        one that shows most of them, or else most columns, is taken. `fallback_encoding` decodes the
        header and the rows that are not valid in `encoding`.
        Raises ImportStopped, before any row is read, for a file that cannot be used.
        """
        self.path = path
        self._fallback = fallback_encoding
        self._pushed: deque[str] = deque()
        self._line = 0
        try:
            self._raw: BinaryIO = path.open("rb") if stream is None else stream
        except OSError as error:
            raise ImportStopped(f"{path}: {error.strerror}") from error
        try:
            self.size = self._raw.seek(0, os.SEEK_END)
            self._raw.seek(0)
            self._text = self._open_text(encoding)
            self.columns, self.delimiter = self._read_header(wanted, delimiter)
        except BaseException:
            self._raw.close()
            raise

    def close(self) -> None:
        self._raw.close()

    def detach(self) -> None:
        """Leave the stream open, for whoever brought it; nothing more can be read from here."""
        self._text.detach()

    def position(self) -> int:
        """How many bytes of the file have been read so far (compressed ones)."""
        return min(self._raw.tell(), self.size)

    def _open_text(self, encoding: str) -> io.TextIOWrapper:
        start = self._raw.read(4)
        self._raw.seek(0)
        if not start:
            raise ImportStopped(f"{self.path}: the file is empty")
        if start[:2] in _WIDE:
            raise ImportStopped(f"{self.path}: the file is UTF-16; save it as UTF-8")
        if start == _ZIP:
            raise ImportStopped(f"{self.path}: this is a ZIP archive or a workbook, not a CSV file")
        stream: BinaryIO | gzip.GzipFile = self._raw
        if start[:2] == _GZIP:
            self._check_gzip()
            stream = gzip.GzipFile(fileobj=self._raw)
        name = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
        try:
            return io.TextIOWrapper(stream, encoding=name, errors="surrogateescape", newline="")
        except LookupError as error:
            raise ImportStopped(f"no such encoding: {encoding}") from error

    def _check_gzip(self) -> None:
        """Read it through once: a file that is cut off must be refused before its first row."""
        try:
            with gzip.GzipFile(fileobj=self._raw) as whole:
                while whole.read(_BLOCK):
                    pass
        except (EOFError, OSError, zlib.error) as error:
            raise ImportStopped(f"{self.path}: the compressed file is damaged: {error}") from error
        self._raw.seek(0)

    def _read_header(self, wanted: Collection[str], delimiter: str | None) -> tuple[list[str], str]:
        text = self._next_line()
        if text is None or not text.strip():
            raise ImportStopped(f"{self.path}: the first line has no column names")
        if "\0" in text:
            raise ImportStopped(f"{self.path}: the first line has NUL bytes; not a text file?")
        found: dict[str, list[str]] = {}
        for candidate in (delimiter,) if delimiter else DELIMITERS:
            try:
                cells = next(csv.reader([text], delimiter=candidate))
            except (csv.Error, TypeError) as error:
                raise ImportStopped(f"{self.path}: the first line: {error}") from error
            found[candidate] = [self._header_cell(cell) for cell in cells]
        best = max(found, key=lambda one: (len(set(found[one]) & set(wanted)), len(found[one])))
        columns = found[best]
        missing = sorted(set(wanted) - set(columns))
        if missing:
            raise ImportStopped(
                f"{self.path}: no column {', '.join(missing)}; the file has {', '.join(columns)}"
            )
        twice = sorted({name for name in columns if columns.count(name) > 1} & set(wanted))
        if twice:
            raise ImportStopped(f"{self.path}: more than one column {', '.join(twice)}")
        return columns, best

    def _header_cell(self, cell: str) -> str:
        """The cell trimmed, and in the fallback encoding where there is one and it is needed."""
        if self._fallback is None or cell.isprintable():
            return cell.strip()
        try:
            return self._decoded(cell).strip()
        except UnicodeError:
            return cell.encode("utf-8", "replace").decode().strip()

    def _next_line(self) -> str | None:
        """The next physical line with its end, or None; longer ones come back cut at the limit."""
        if self._pushed:
            self._line += 1
            return self._pushed.popleft()
        text = self._text.readline(LINE_LIMIT + 1)
        if not text:
            return None
        self._line += 1
        if len(text) > LINE_LIMIT and not text.endswith(("\n", "\r")):
            while (rest := self._text.readline(_BLOCK)) and not rest.endswith(("\n", "\r")):
                pass
        return text

    def records(self) -> Iterator[Record]:
        """The rows after the header. Empty lines are passed over."""
        while (text := self._next_line()) is not None:
            if not text.strip():
                continue
            yield self._record(text)

    def _record(self, text: str) -> Record:
        line = self._line
        if len(text) > LINE_LIMIT:
            return Record(line, fault=Refusal.LINE_TOO_LONG, words=f"over {LINE_LIMIT} characters")
        if text.count('"') % 2:
            return self._quoted_record(text)
        return self._parsed(text, line)

    def _quoted_record(self, text: str) -> Record:
        """A row whose cell goes on over the next lines, or whose quote is simply wrong."""
        line, whole = self._line, text
        more: list[str] = []
        while len(more) < RECORD_LINES and (following := self._next_line()) is not None:
            more.append(following)
            whole += following
            if following.count('"') % 2:
                record = self._parsed(whole, line)
                if record.fault is None and not any(self._is_whole(inner) for inner in more):
                    return record
                break
        # The lines after it may be sound rows: give them back.
        self._pushed.extendleft(reversed(more))
        self._line = line
        return Record(line, fault=Refusal.UNCLOSED_QUOTE, words="a quotation mark is not closed")

    def _is_whole(self, text: str) -> bool:
        """Whether a line inside a quoted cell is a row by itself: a quote by accident."""
        try:
            return len(next(csv.reader([text], delimiter=self.delimiter))) == len(self.columns)
        except (csv.Error, StopIteration):
            return False

    def _parsed(self, text: str, line: int) -> Record:
        if "\0" in text:
            return Record(line, fault=Refusal.NUL_BYTE, words="the row has a NUL byte")
        try:
            cells = next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            return Record(line, fault=Refusal.UNCLOSED_QUOTE, words=str(error))
        if len(cells) != len(self.columns):
            return Record(
                line,
                fault=Refusal.RAGGED_LINE,
                words=f"{len(cells)} cells instead of {len(self.columns)}",
            )
        if not text.isascii():
            try:
                cells = [self._decoded(cell) for cell in cells]
            except UnicodeError:
                return Record(
                    line, fault=Refusal.BAD_ENCODING, words="not valid in the file's encoding"
                )
        return Record(line, cells)

    def _decoded(self, cell: str) -> str:
        """The cell, if it was valid; otherwise in the fallback encoding. Raises UnicodeError."""
        try:
            cell.encode()
        except UnicodeEncodeError:
            if self._fallback is None:
                raise
            encoding = self._text.encoding.replace("-sig", "")
            return cell.encode(encoding, "surrogateescape").decode(self._fallback)
        return cell
