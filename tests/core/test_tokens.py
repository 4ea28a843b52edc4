"""The colours of the interface: readable, and apart from their neighbours for every eye."""

import itertools
import math
import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
#: In the order of a visit's life.
STATUSES = (
    "pending",
    "scheduled",
    "confirmed",
    "checked-in",
    "in-progress",
    "completed",
    "no-show",
    "cancelled",
)
#: Text on what lies behind it.
PAIRS = (
    *((f"status-{name}", f"status-{name}-ground") for name in STATUSES),
    *((f"{name}", f"{name}-ground") for name in ("danger", "good", "warn", "info")),
    *((f"{name}", "surface") for name in ("danger", "good", "warn", "info", "accent")),
    *(
        (text, ground)
        for text in ("text", "text-quiet")
        for ground in ("ground", "surface", "shade", "code-ground")
    ),
    ("accent", "ground"),
    ("accent", "accent-ground"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
)
#: What eyes without one of the three kinds of cones see (Machado, Oliveira, Fernandes 2009), as
#: factors of linear red, green and blue.
EYES = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
Colour = tuple[float, ...]


def tokens(*files: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in files:
        text = (CSS / name).read_text(encoding="utf-8")
        found |= dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", text))
    return found


LIGHT, DARK = tokens("tokens.css"), tokens("tokens.css", "dark.css")
THEMES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


def linear(colour: str) -> Colour:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return tuple(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it, 1 to 21."""
    light = [
        0.2126 * red + 0.7152 * green + 0.0722 * blue
        for red, green, blue in (linear(one), linear(other))
    ]
    return (max(light) + 0.05) / (min(light) + 0.05)


def seen(colour: str, eyes: str) -> Colour:
    """In Oklab, where distances are about as large as they look (black to white is 1)."""
    bare = linear(colour)
    red, green, blue = (
        min(1.0, max(0.0, sum(factor * part for factor, part in zip(row, bare, strict=True))))
        for row in EYES[eyes]
    )
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


@THEMES
def test_text_can_be_read(colours: dict[str, str]) -> None:
    weak = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in PAIRS
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert weak == {}


@THEMES
def test_lines_and_focus_can_be_seen(colours: dict[str, str]) -> None:
    for name in ("line-strong", "focus"):
        for ground in ("ground", "surface"):
            assert contrast(colours[name], colours[ground]) >= 3, (name, ground)


@THEMES
@pytest.mark.parametrize("eyes", EYES)
def test_neighbours_in_a_visits_life_look_apart(colours: dict[str, str], eyes: str) -> None:
    for one, other in itertools.pairwise(STATUSES):
        grounds = [seen(colours[f"status-{name}-ground"], eyes) for name in (one, other)]
        assert math.dist(*grounds) >= 0.07, (one, other)


def test_the_dark_has_a_value_for_every_colour() -> None:
    assert set(tokens("dark.css")) == set(LIGHT)
