"""A clinic's colour, whatever it is, gives an accent that can be read."""

import re
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinics.branding import accent, contrast, service_class, stylesheet

COLOURS = st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True)
GROUNDS = {True: ["#182121", "#101717", "#233030"], False: ["#ffffff", "#f5f7f7", "#e6ebeb"]}
READABLE = 4.5


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@given(colour=COLOURS)
def test_any_colour_can_be_read(colour: str, dark: bool) -> None:
    found = accent(colour, dark=dark)
    for ground in [*GROUNDS[dark], found.ground, found.on]:
        assert contrast(rgb(found.accent), rgb(ground)) >= READABLE
    assert contrast(rgb(found.strong), rgb(found.on)) >= READABLE, "hovered"


def test_a_colour_that_can_be_read_is_left_alone() -> None:
    assert accent("#0b4f4f", dark=False).accent == "#0b4f4f"
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (119, 119, 119)) == pytest.approx(1)


def test_the_sheet_has_the_accent_and_a_class_a_service() -> None:
    service = uuid4()
    css = stylesheet("#E8B923", services=[(service, "#336699")])
    assert f".{service_class(service)} {{ --service: #336699; }}" in css
    assert css.count("{") == css.count("}") == 2
    assert re.findall(r"(--[\w-]+):", css) == [
        "--accent",
        "--accent-strong",
        "--accent-ground",
        "--on-accent",
        "--service",
    ]
