"""QR codes as pictures (ISO/IEC 18004), black on white in every theme: scanners want it so."""

import io
from typing import Any, Final, Literal

import segno

#: M mends 15 % of a code, Q 25 %. Q is for paper, which is folded, stained and lit badly.
Level = Literal["m", "q"]
#: The white margin that the standard asks for, in modules.
QUIET_ZONE: Final = 4
#: A screen shows a module on this many pixels; printers want more.
SCALE: Final = 8
_MIME: Final = {"svg": "image/svg+xml", "png": "image/png"}


def svg(text: str, *, level: Level = "m") -> bytes:
    """The code as a standalone SVG document that takes the size it is given."""
    return _saved(text, level, kind="svg", omitsize=True, xmldecl=False, nl=False)


def png(text: str, scale: int = SCALE, *, level: Level = "m") -> bytes:
    """The code as a PNG with `scale` pixels a module."""
    return _saved(text, level, kind="png", scale=scale)


def matrix(text: str, *, level: Level = "q") -> list[bytes]:
    """The code's modules, row by row without the quiet zone: 1 is dark. For other drawings."""
    return [bytes(row) for row in _made(text, level).matrix]


def content_type(form: str) -> str:
    """Of `svg` or `png`, as an HTTP header says it."""
    return _MIME[form]


def _made(text: str, level: Level) -> segno.QRCode:
    # Capitals and digits alone go in the dense mode of 5.5 bits a character, all by itself. Where
    # the size allows a better level, it is taken.
    return segno.make_qr(text, error=level, boost_error=True)


def _saved(text: str, level: Level, **options: Any) -> bytes:
    out = io.BytesIO()
    _made(text, level).save(out, border=QUIET_ZONE, dark="#000", light="#fff", **options)
    return out.getvalue()
