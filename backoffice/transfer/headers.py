"""Which of a file's columns is which of ours: a guess by the header, for a person to look over."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence


def folded(text: str) -> str:
    """`text` without case, accents, spaces and punctuation, for comparing names."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def guess(columns: Sequence[str], names: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """For each field the number of its column, where one header, and only one, says so.

    `names` are the words for each field, the best first: an exact name goes before a synonym. A
    header that two columns share is never guessed, since it would be wrong half of the time.
    """
    places: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        places.setdefault(folded(_bare(column)), []).append(number)
    found: dict[str, int] = {}
    taken: set[int] = set()
    words = {field: [folded(word) for word in its] for field, its in names.items()}
    longest = max((len(its) for its in words.values()), default=0)
    for rank in range(longest):
        for field, its in words.items():
            if field in found or rank >= len(its):
                continue
            at = places.get(its[rank], [])
            if len(at) == 1 and at[0] not in taken:
                found[field] = at[0]
                taken.add(at[0])
    return found


def alike(columns: Sequence[str]) -> dict[str, list[int]]:
    """Headers that several columns share, with the numbers of those columns."""
    places: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        if column:
            places.setdefault(column.casefold(), []).append(number)
    return {columns[at[0]]: at for at in places.values() if len(at) > 1}


def _bare(column: str) -> str:
    """Without a unit or a star: `Duration (min)`, `Name*`."""
    return re.sub(r"[(\[].*?[)\]]|\*", "", column).strip() or column
