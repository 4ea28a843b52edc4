"""Workbooks (XLSX), read row by row."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from openpyxl import load_workbook

from appointments.importing.reading import Record
from appointments.importing.refusals import ImportStopped, Refusal
from backoffice.transfer import limits

_SHEET = "xl/workbook.xml"


class WorkbookSource:
    """The first sheet of an open workbook: `columns` are the header's, `records` yields the rows.

    Formulas give the value that the workbook holds for them. Days and numbers come as the text that
    a CSV file would have.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Raises ImportStopped for what is no workbook, or is larger inside than it should be."""
        _check(stream)
        try:
            self._book = load_workbook(stream, read_only=True, data_only=True)
        except Exception as error:
            raise ImportStopped(_("the workbook is damaged")) from error
        sheets = self._book.worksheets
        if not sheets:
            raise ImportStopped(_("the workbook has no sheet"))
        self.sheets = [sheet.title for sheet in sheets]
        self._sheet = sheets[0]
        # Some programs write a size that is not so; without one the rows are simply read.
        self.size: int | None = self._sheet.max_row
        self._sheet.reset_dimensions()
        self._rows = self._read()
        header = next(self._rows, (1, []))[1]
        self.columns = _trimmed([_text(value).strip() for value in header])
        if not any(self.columns):
            raise ImportStopped(_("the first line has no column names"))

    def close(self) -> None:
        self._book.close()

    def _read(self) -> Iterator[tuple[int, list[Any]]]:
        try:
            for number, row in enumerate(self._sheet.iter_rows(values_only=True), start=1):
                yield number, list(row)
        except Exception as error:
            raise ImportStopped(_("the workbook is damaged")) from error

    def records(self) -> Iterator[Record]:
        """The rows after the header. Empty ones are passed over."""
        width = len(self.columns)
        for number, values in self._rows:
            cells = _trimmed([_text(value) for value in values])
            if not cells:
                continue
            if len(cells) > width:
                yield Record(
                    number,
                    fault=Refusal.RAGGED_LINE,
                    words=_("%(cells)s cells instead of %(width)s")
                    % {"cells": len(cells), "width": width},
                )
                continue
            yield Record(number, cells + [""] * (width - len(cells)))


def _check(stream: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            names = set(archive.namelist())
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ImportStopped(_("the file is a damaged ZIP archive")) from error
    if _SHEET not in names:
        raise ImportStopped(_("this is a ZIP archive that is no workbook; unpack it first"))
    if size > limits.max_bytes() * limits.UNPACKED_TIMES:
        raise ImportStopped(_("the workbook is too large once it is unpacked; save it as CSV"))
    stream.seek(0)


def _trimmed(cells: list[str]) -> list[str]:
    """Without the empty cells at the end."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _text(value: Any) -> str:
    """A cell as text: days and times in ISO 8601, whole numbers without a point."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date() | time():
            return value.isoformat()
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            return str(value)
