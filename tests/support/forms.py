"""The forms of a page, with what a browser would send for them as they stand."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

#: Never sent by pressing the button that these tests press.
_BUTTONS = {"submit", "button", "reset", "image", "file"}


@dataclass
class Form:
    """One `<form>`: its attributes, and its values by name, each a list as HTML has it."""

    attributes: dict[str, str]
    values: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._by_id: dict[str, Form] = {}
        self._open: Form | None = None
        self._select: tuple[str, bool] | None = None
        self._chosen: list[str] = []
        self._first: str | None = None
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given)
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "input":
            self._input(given)
        elif tag == "select":
            self._select = (given.get("name", ""), "multiple" in given)
            self._chosen, self._first = [], None
        elif tag == "option" and self._select is not None:
            value = given.get("value", "")
            self._first = value if self._first is None else self._first
            if "selected" in given:
                self._chosen.append(value)
        elif tag == "textarea":
            self._area = given.get("name", "")
            self._add(self._area, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select" and self._select is not None:
            name, multiple = self._select
            chosen = self._chosen
            if not chosen and not multiple and self._first is not None:
                chosen = [self._first]
            for value in chosen:
                self._add(name, value)
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area and self._open is not None:
            values = self._open.values[self._area]
            values[-1] += data if values[-1] else data.removeprefix("\r\n").removeprefix("\n")

    def _input(self, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind in _BUTTONS or (kind in {"checkbox", "radio"} and "checked" not in given):
            return
        default = "on" if kind in {"checkbox", "radio"} else ""
        self._add(given.get("name", ""), given.get("value", default))

    def _add(self, name: str, value: str) -> None:
        if name and self._open is not None:
            self._open.values.setdefault(name, []).append(value)


def forms_of(html: str) -> list[Form]:
    """Every form of the page, in its order."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def form_of(response: Any, *, form_id: str = "", css: str = "") -> dict[str, list[str]]:
    """What would be sent by the one form of that id, or with that class."""
    found = [
        form
        for form in forms_of(response.content.decode())
        if (form_id and form.attributes.get("id") == form_id)
        or (css and css in form.attributes.get("class", "").split())
    ]
    assert len(found) == 1, f"{len(found)} forms {form_id or css}"
    values = dict(found[0].values)
    values.pop("csrfmiddlewaretoken", None)
    return values
