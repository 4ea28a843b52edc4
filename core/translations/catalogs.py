"""Catalogs read, brought up to date with the sources, written, and compiled.

A catalog is written so that it changes only when a message or its translation does: messages in
the order of their text, files without line numbers, no dates and no names of people.
"""

import io
import os
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from core.translations import CATALOGS, LANGUAGES, catalog_path
from core.translations.extracting import Found

_UNSTABLE = ("POT-Creation-Date", "PO-Revision-Date", "Last-Translator", "Language-Team")
_NOISE = (*_UNSTABLE, "Generated-By", "Report-Msgid-Bugs-To", "Project-Id-Version")
#: The forms of a plural, in the order in which translators know them (zero, one, two, few, many,
#: other), by the rules of the Unicode CLDR.
_PLURALS = {
    "es": "nplurals=2; plural=(n != 1);",
    "hi": "nplurals=2; plural=(n > 1);",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 && n%100<=99 ? 4 : 5);",
}
Sources = dict[tuple[str, str | None], Found]


def read(path: Path, language: str) -> Catalog:
    """The catalog at `path`; an empty one where there is none yet."""
    if not path.exists():
        return _empty(language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(path: Path, language: str, sources: Sources) -> bool:
    """Give the catalog the messages of `sources`, with the translations it has.

    A message that the sources no longer have stays at the end, marked `#~`, as long as it has a
    translation, and comes back with it. Returns whether the file changed.
    """
    old = read(path, language)
    kept = {(_singular(one.id), one.context): one for one in (*old.obsolete.values(), *old)}
    fresh = _empty(language)
    for key, one in sources.items():
        before = kept.pop(key, None)
        string, flags = None, set[str]()
        if before is not None and isinstance(before.id, str) == (one.plural is None):
            string, flags = before.string, before.flags & {"fuzzy"}
        fresh.add(
            one.id,
            string,
            locations=[(name, 0) for name in sorted(one.files)],
            flags=flags,
            auto_comments=one.comments,
            user_comments=before.user_comments if before is not None else (),
            context=one.context,
        )
    for (singular, context), gone in kept.items():
        if singular and _has_text(gone.string):
            fresh.obsolete[(singular, context) if context else singular] = gone
    written = _written(fresh)
    if path.exists() and path.read_text(encoding="utf-8") == written:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written, encoding="utf-8")
    return True


def compile_all(folder: Path = CATALOGS, *, force: bool = False) -> list[str]:
    """Compile the catalogs that are newer than what was made of them; returns their languages.

    Fuzzy translations are left out. Several processes may do it at once.
    """
    done = []
    for language in LANGUAGES:
        source = catalog_path(language, folder)
        target = source.with_suffix(".mo")
        if not source.exists():
            continue
        if not force and target.exists() and target.stat().st_mtime_ns > source.stat().st_mtime_ns:
            continue
        made = io.BytesIO()
        write_mo(made, read(source, language))
        # In one step, so that nobody ever reads half a file.
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        fresh.write_bytes(made.getvalue())
        fresh.replace(target)
        done.append(language)
    return done


def _empty(language: str) -> Catalog:
    catalog = Catalog(locale=language, header_comment="# Kairos", fuzzy=False)
    # Babel's own order of Arabic's last two forms is another than everybody's.
    catalog.mime_headers = [("Plural-Forms", _PLURALS[language])]
    return catalog


def _written(catalog: Catalog) -> str:
    text = io.BytesIO()
    write_po(text, catalog, width=100, sort_output=True, include_lineno=False)
    lines = text.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(f'"{n}:' for n in _NOISE)))


def _singular(message_id: object) -> str:
    if isinstance(message_id, (list, tuple)):
        return str(message_id[0])
    return str(message_id)


def _has_text(string: object) -> bool:
    return any(string) if isinstance(string, (list, tuple)) else bool(string)
