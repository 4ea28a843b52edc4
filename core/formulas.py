"""Cells that a spreadsheet would take for formulas.

A cell that begins with one of `=` `+` `-` `@`, a tab or a carriage return is a formula, or may
become one, to spreadsheet programs (OWASP, "CSV Injection"). An apostrophe before it says that it
is text. Only our own apostrophe is taken off again, so what goes out comes back as it was.
"""

import re

_RISKY = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"''*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """`text` as a cell that no spreadsheet evaluates."""
    return f"'{text}" if _RISKY.match(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if _GUARDED.match(text) else text
