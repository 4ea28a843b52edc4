"""Reads printed codes with zbar, which shares nothing with what draws them or scans them here."""

import io
import os
import shutil
import subprocess

import pypdfium2
import pytest

ZBAR = shutil.which("zbarimg")
needs_zbar = pytest.mark.skipif(
    ZBAR is None and not os.environ.get("CI"),
    reason="zbarimg is not installed (Debian and Ubuntu: zbar-tools)",
)


def read_codes(picture: bytes) -> list[str]:
    """The texts of the QR codes in a PNG."""
    assert ZBAR is not None, "with CI=true zbar-tools have to be installed"
    done = subprocess.run(
        [ZBAR, "-q", "--raw", "-Sdisable", "-Sqrcode.enable", "--nodbus", "-"],
        input=picture,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout.decode().split()


def drawn(pdf: bytes, *, dots_per_inch: float) -> bytes:
    """The only page of a PDF as a PNG, as a printer would lay it out."""
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    page = document[0].render(scale=dots_per_inch / 72)
    out = io.BytesIO()
    page.to_pil().save(out, "PNG")
    return out.getvalue()


def size_in_millimetres(pdf: bytes) -> tuple[int, int]:
    """Of the only page."""
    width, height = pypdfium2.PdfDocument(pdf)[0].get_size()
    return round(width / 72 * 25.4), round(height / 72 * 25.4)


def written(pdf: bytes) -> str:
    """The text of the page, in whatever order it stands there."""
    page = pypdfium2.PdfDocument(pdf)[0]
    return page.get_textpage().get_text_bounded()
