"""Every string of the project that people read, found in Python files and templates."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.extract import extract
from django.utils.translation.template import templatize

from core.translations import ROOT

#: Which arguments of a call are the message, its plural, and ("c") its context.
_KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_COMMENT_TAGS = ("Translators",)
#: Folders whose strings no visitor reads.
_UNREAD = frozenset({"tests", "benchmarks", "deploy", "docs", "staticfiles", "static", "locale"})


@dataclass(slots=True)
class Found:
    """One message of the sources: its plural form if it has one, and the files it stands in."""

    singular: str
    plural: str | None = None
    context: str | None = None
    files: set[str] = field(default_factory=set)
    comments: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells it from others, as gettext sees it."""
        return self.singular, self.context

    @property
    def id(self) -> str | tuple[str, str]:
        """As Babel names it."""
        return self.singular if self.plural is None else (self.singular, self.plural)


def find_all(root: Path = ROOT) -> dict[tuple[str, str | None], Found]:
    """Every message under `root`, by its key. Raises SyntaxError for a broken template."""
    everything: dict[tuple[str, str | None], Found] = {}
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        for one in find_in(text, name):
            known = everything.setdefault(one.key, one)
            known.plural = known.plural or one.plural
            known.files.add(name)
            known.comments += [said for said in one.comments if said not in known.comments]
    return everything


def find_in(text: str, name: str) -> Iterator[Found]:
    """The messages of one file. Raises SyntaxError for a broken template."""
    if name.endswith(".py"):
        source = text
    else:
        # What is left of a template is a row of calls, whose indentation means nothing.
        calls = templatize(text, origin=name)
        source = "\n".join(line.lstrip() for line in calls.split("\n"))
    lines = io.BytesIO(source.encode())
    # With options, since Babel looks for an encoding in them.
    found = extract("python", lines, _KEYWORDS, _COMMENT_TAGS, {"encoding": "utf-8"})
    for _line, message, comments, context in found:
        singular, plural = message if isinstance(message, tuple) else (message, None)
        if singular:
            yield Found(singular, plural, context, {name}, list(comments))


def _sources(root: Path) -> Iterator[Path]:
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name in _UNREAD or folder.name.startswith("."):
            continue
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".html", ".txt"} and "migrations" not in path.parts:
                yield path
