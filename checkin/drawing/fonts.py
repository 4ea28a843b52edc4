"""The fonts of what is printed: Noto Sans, as set-up fetches it, a file for each script.

Without them (set-up could not reach the registry) a PDF reader's own Helvetica stands in, which
writes Western European letters only.
"""

import warnings
from pathlib import Path
from typing import Final

from django.conf import settings
from fpdf import FPDF

FAMILY: Final = "noto"
_BUILT_IN: Final = "helvetica"
#: Files by what they hold: first and last letter of each block that has them. Latin has the rest.
_SCRIPTS: Final[tuple[tuple[str, tuple[tuple[int, int], ...]], ...]] = (
    ("noto-sans-latin-ext", ((0x0100, 0x024F), (0x1E00, 0x1EFF), (0x20A0, 0x20CF))),
    ("noto-sans-greek", ((0x0370, 0x03FF),)),
    ("noto-sans-cyrillic", ((0x0400, 0x04FF),)),
    ("noto-sans-devanagari", ((0x0900, 0x097F), (0x20B9, 0x20B9), (0xA8E0, 0xA8FF))),
    ("noto-sans-arabic-arabic", ((0x0600, 0x06FF), (0x0750, 0x077F), (0xFB50, 0xFEFC))),
)
_LATIN: Final = "noto-sans-latin"


def folder() -> Path:
    """Where set-up puts the fonts (`deploy.local.browser_libraries`)."""
    return Path(settings.BASE_DIR) / "static" / "vendor" / "fonts"


def are_here() -> bool:
    """Whether every language can be printed."""
    return all(
        _file(name, bold=bold).is_file()
        for name in (_LATIN, *(name for name, _ in _SCRIPTS))
        for bold in (False, True)
    )


def use(pdf: FPDF, text: str) -> None:
    """Make `pdf` write what `text` holds, shaped as its scripts ask (HarfBuzz).

    Only the files that the text needs are read. Choose the font with `choose` then.
    """
    if not are_here():
        return
    letters = {ord(letter) for letter in text}
    needed = [
        name
        for name, blocks in _SCRIPTS
        if any(first <= letter <= last for first, last in blocks for letter in letters)
    ]
    for name in (_LATIN, *needed):
        family = FAMILY if name == _LATIN else name
        pdf.add_font(family, "", _file(name, bold=False))
        pdf.add_font(family, "B", _file(name, bold=True))
    pdf.set_fallback_fonts(needed, exact_match=False)
    pdf.set_text_shaping(True)


def choose(pdf: FPDF, points: float, *, bold: bool = False) -> None:
    """Write with our font from here on, in that size."""
    family = FAMILY if f"{FAMILY}B" in pdf.fonts else _BUILT_IN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pdf.set_font(family, "B" if bold else "", points)


def writable(pdf: FPDF, text: str) -> str:
    """`text` as far as the font at hand can write it."""
    if f"{FAMILY}B" in pdf.fonts:
        return text
    return text.encode("latin-1", "replace").decode("latin-1")


def _file(name: str, *, bold: bool) -> Path:
    return folder() / f"{name}-{700 if bold else 400}.woff"
