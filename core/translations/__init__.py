"""The catalogs of translations: filled from the sources, compiled and checked with Babel alone.

Nothing here reads Django's settings, so that catalogs can be compiled before Django starts.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = ROOT / "locale"
#: What the pages speak besides English, in which they are written.
LANGUAGES = ("es", "hi", "ar")


def catalog_path(language: str, folder: Path = CATALOGS) -> Path:
    """Where the catalog of `language` stands."""
    return folder / language / "LC_MESSAGES" / "django.po"
