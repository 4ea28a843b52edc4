"""A clinic's own colour, made fit to be read: contrast 4.5 to 1 on every ground it stands on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

RGB = tuple[int, int, int]
#: The grounds of tokens.css and dark.css that the accent is written on, the hardest of each.
_LIGHT_GROUND: Final[RGB] = (0xE6, 0xEB, 0xEB)
_DARK_GROUND: Final[RGB] = (0x23, 0x30, 0x30)
_WHITE: Final[RGB] = (255, 255, 255)
_BLACK: Final[RGB] = (0, 0, 0)
_NIGHT: Final[RGB] = (0x06, 0x20, 0x1F)
_ENOUGH: Final = 4.6
_STEP: Final = 0.04


@dataclass(frozen=True, slots=True)
class Accent:
    """The values of the tokens that a clinic's colour replaces, as #rrggbb."""

    accent: str
    strong: str
    ground: str
    on: str


def accent(colour: str, *, dark: bool) -> Accent:
    """The clinic's colour for light or dark pages: its hue stays, its lightness gives way."""
    wanted = _parsed(colour)
    surface = (0x18, 0x21, 0x21) if dark else _WHITE
    towards, hardest = (_WHITE, _DARK_GROUND) if dark else (_BLACK, _LIGHT_GROUND)
    tint = _mixed(surface, wanted, 0.12)
    found = wanted
    while min(contrast(found, hardest), contrast(found, tint)) < _ENOUGH:
        found = _mixed(found, towards, _STEP)
    on = _NIGHT if dark else _WHITE
    strong = _mixed(found, towards, 0.25)
    return Accent(_written(found), _written(strong), _written(tint), _written(on))


def stylesheet(
    colour: str, *, dark: bool = False, services: Iterable[tuple[UUID, str]] = ()
) -> str:
    """The colour as a style sheet over our tokens; each service gets its own (`service_class`)."""
    found = accent(colour, dark=dark)
    rules = [
        f":root {{ --accent: {found.accent}; --accent-strong: {found.strong};"
        f" --accent-ground: {found.ground}; --on-accent: {found.on}; }}"
    ]
    rules += [f".{service_class(key)} {{ --service: {value}; }}" for key, value in services]
    return "\n".join(rules) + "\n"


def service_class(service: UUID) -> str:
    """The class of what belongs to a service; the end of its id tells them apart."""
    return f"service-{service.hex[-10:]}"


def contrast(one: RGB, other: RGB) -> float:
    """The contrast ratio of two colours (WCAG 2.2): 1 to 21."""
    dim, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: RGB) -> float:
    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(value) for value in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (
        max(0, min(255, _towards(a + (b - a) * share, b))) for a, b in zip(one, other, strict=True)
    )
    return red, green, blue


def _towards(value: float, goal: int) -> int:
    """Rounded to the side of the goal, so that mixing always arrives."""
    return int(value) if goal <= value else -int(-value // 1)


def _parsed(colour: str) -> RGB:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _written(colour: RGB) -> str:
    return f"#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"
