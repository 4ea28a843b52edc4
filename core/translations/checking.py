"""Whether a catalog says everything that the sources say, in a form that can be shown."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from gettext import c2py

from babel.messages.catalog import Catalog, Message

from core.translations.catalogs import Sources
from core.translations.extracting import Found

_NAMED = re.compile(r"%\((\w+)\)[sdrf]")
_POSITIONAL = re.compile(r"%[sdrf]")
_BRACES = re.compile(r"\{(\w*)\}")
_TAGS = re.compile(r"</?\w[^>]*>")
_NUMBERS = range(1000)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one message of a catalog. `kind` is one word, to be counted by."""

    kind: str
    message: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message!r}: {self.why}"


def faults(catalog: Catalog, sources: Sources) -> Iterator[Fault]:
    """Every fault of `catalog` against the messages that the sources hold."""
    forms = _numbers_of_forms(catalog)
    for key, one in sorted(sources.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        known = catalog.get(key[0], key[1])
        if known is None or isinstance(known.id, str) != (one.plural is None):
            yield Fault("missing", one.singular, "make messages has not put it in")
        elif known.fuzzy:
            yield Fault("fuzzy", one.singular, "somebody has to look at it")
        elif not all(_strings(known)) or len(_strings(known)) != (
            1 if one.plural is None else catalog.num_plurals
        ):
            yield Fault("untranslated", one.singular, "empty, or without all forms of the plural")
        else:
            yield from _broken(one, _strings(known), forms)


def counted(found: Sequence[Fault]) -> str:
    """Such as `3 missing, 12 untranslated`."""
    kinds = Counter(fault.kind for fault in found)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _broken(one: Found, strings: Sequence[str], forms: list[int]) -> Iterator[Fault]:
    """Placeholders and tags that are not those of the message.

    A form of the plural that stands for one number alone (Arabic's two) may say it in words.
    """
    wanted = _parts(one.singular) if one.plural is None else _parts(one.plural)
    for number, text in enumerate(strings):
        parts = _parts(text)
        if parts == wanted:
            continue
        may_omit = one.plural is not None and (number >= len(forms) or forms[number] == 1)
        missing, extra = wanted - parts, parts - wanted
        if may_omit and not extra and missing.total() == 1 and _tags(parts) == _tags(wanted):
            continue
        why = " ".join(
            [*(f"lacks {part}" for part in missing), *(f"has {part} too many" for part in extra)]
        )
        yield Fault("broken", one.singular, f"{text!r} {why}")


def _parts(text: str) -> Counter[str]:
    """The placeholders and tags of a text. A placeholder with a name may stand more than once."""
    plain = text.replace("%%", "")
    named = {f"%({name})" for name in _NAMED.findall(plain)}
    named |= {f"{{{name}}}" for name in _BRACES.findall(plain)}
    return Counter([*named, *_POSITIONAL.findall(plain), *_TAGS.findall(plain)])


def _tags(parts: Counter[str]) -> Counter[str]:
    return Counter({part: count for part, count in parts.items() if part.startswith("<")})


def _strings(message: Message) -> tuple[str, ...]:
    if isinstance(message.string, (list, tuple)):
        return tuple(text or "" for text in message.string)
    return (message.string or "",)


def _numbers_of_forms(catalog: Catalog) -> list[int]:
    """For how many of the first thousand numbers each form of the plural is used."""
    form_of: Callable[[int], int] = c2py(catalog.plural_expr)
    used = Counter(form_of(number) for number in _NUMBERS)
    return [used[form] for form in range(catalog.num_plurals)]
