"""QR codes and posters, read by a reader that is not ours."""

import io
import os
from uuid import UUID

import pytest
from django.utils import translation
from PIL import Image, ImageFilter

from checkin.codes import LENGTH
from checkin.drawing import fonts, qr
from checkin.drawing.poster import poster
from checkin.models import CheckInLocation
from checkin.selectors.points import point_url
from clinics.models import Clinic, Location
from tests.appointments.moments import NOW
from tests.checkin.reading import drawn, needs_zbar, read_codes, size_in_millimetres, written

URL = f"HTTPS://KAIROS.EXAMPLE.ORG/Q/{'A7' * (LENGTH // 2)}"


def place(clinic: str = "Clinic by the Park", **fields: str) -> CheckInLocation:
    """A check-in location that no database knows."""
    house = Clinic(id=UUID(int=1), name=clinic, colour=fields.pop("colour", "#0b6e6e"))
    values = {"name": "Main", "address": "Park Street 12", "city": "Town"} | fields
    location = Location(id=UUID(int=2), clinic=house, timezone="Europe/Berlin", **values)
    return CheckInLocation(
        id=UUID(int=3), clinic=house, location=location, name="Entrance", rotated_at=NOW
    )


@needs_zbar
@pytest.mark.parametrize("scale", [2, 8, 20])
def test_a_png_says_what_it_was_made_of(scale: int):
    assert read_codes(qr.png(URL, scale)) == [URL]


@needs_zbar
def test_a_stained_blurred_and_turned_print_is_still_read():
    picture = Image.open(io.BytesIO(qr.png(URL, 8, level="q"))).convert("L")
    picture.paste(60, (150, 150, 205, 205))  # coffee, over a fiftieth of the code
    picture = picture.rotate(12, expand=True, fillcolor=255).filter(ImageFilter.GaussianBlur(2))
    out = io.BytesIO()
    picture.save(out, "PNG")
    assert read_codes(out.getvalue()) == [URL]


def test_a_code_is_dense_quiet_and_the_same_each_time():
    rows = qr.matrix(URL)
    assert len(rows) == len(rows[0]) == 41
    assert len(qr.matrix(URL.lower())) > 41  # capitals and digits alone go in the dense mode
    picture = Image.open(io.BytesIO(qr.png(URL, 1)))
    assert picture.size == (37 + 2 * qr.QUIET_ZONE,) * 2
    assert picture.convert("L").getbbox() is not None
    assert qr.png(URL, 3) == qr.png(URL, 3)


def test_an_svg_has_no_style_and_its_own_ground():
    said = qr.svg(URL).decode()
    assert said.startswith("<svg ")
    assert "style" not in said
    assert "script" not in said
    assert 'fill="#fff"' in said


@needs_zbar
@pytest.mark.parametrize("language", ["en", "es", "hi", "ar"])
@pytest.mark.parametrize(("size", "millimetres"), [("a4", (210, 297)), ("a5", (148, 210))])
def test_a_poster_is_read_off_the_paper(language: str, size, millimetres):
    url = point_url(place(), "https://kairos.example.org/", at=NOW)
    printed = poster(point=place(), url=url, language=language, size=size)
    assert size_in_millimetres(printed) == millimetres
    assert read_codes(drawn(printed, dots_per_inch=100)) == [url]
    assert printed == poster(point=place(), url=url, language=language, size=size)


def test_a_poster_says_where_it_hangs_and_what_to_do():
    said = written(poster(point=place(), url=URL, language="en"))
    for words in ("Clinic by the Park", "Park Street 12", "Entrance", "Check in here", "reception"):
        assert words in said


def test_every_language_of_ours_can_be_printed():
    """Shaped glyphs tell no letters to a reader, so their number is looked at: none is missing."""
    if not fonts.are_here() and not os.environ.get("CI"):
        pytest.skip("the fonts were not fetched: python -m deploy.local.browser_libraries")
    for name in ("آزمون الشفاء", "आरोग्य क्लिनिक", "Łódź Ștefan", "Клиника", "Κλινική"):
        embedded = poster(point=place(name), url=URL, language="ar")
        assert b"Noto" in embedded
        assert "\N{REPLACEMENT CHARACTER}" not in written(embedded)


@needs_zbar
def test_without_the_fonts_a_poster_is_plain_and_english(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "folder", lambda: tmp_path)
    printed = poster(point=place("عيادة Café"), url=URL, language="hi")
    assert b"Noto" not in printed
    assert "Check in here" in written(printed)
    assert "Café" in written(printed)
    assert read_codes(drawn(printed, dots_per_inch=100)) == [URL]


def test_a_pale_colour_is_darkened_under_white_letters_and_long_names_fit():
    pale = place("A Clinic with a Name That Goes on and on " * 3, colour="#ffff66")
    page = Image.open(
        io.BytesIO(drawn(poster(point=pale, url=URL, language="en"), dots_per_inch=50))
    )
    red, green, blue = page.convert("RGB").getpixel((3, 3))
    assert max(red, green, blue) < 160
    margin = page.crop((0, 0, 8, page.height)).convert("L")
    assert len(set(margin.crop((0, 0, 8, 60)).tobytes())) == 1  # nothing runs out of the band


def test_drawing_leaves_the_language_as_it_was():
    with translation.override("es"):
        poster(point=place(), url=URL, language="ar")
        assert translation.get_language() == "es"
