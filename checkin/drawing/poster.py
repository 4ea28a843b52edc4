"""The poster of a check-in location: A4 or A5, to be printed and hung up at the entrance."""

from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, XPos, YPos

from checkin.drawing import fonts, qr
from checkin.models import CheckInLocation
from clinics.branding import accent

Size = Literal["a4", "a5"]
#: Everything is measured on A4, millimetres and points; A5 is the same at 1/√2.
_PAGE: Final = (210.0, 297.0)
_SHEETS: Final[dict[Size, tuple[float, float]]] = {"a4": _PAGE, "a5": (148.0, 210.0)}
_MARGIN: Final = 18.0
_BAND: Final = 48.0
_CODE: Final = 112.0
_CODE_TOP: Final = 84.0
_STEPS_TOP: Final = 210.0
_STEP: Final = 18.0
_LINE: Final = 1.3  # of the letters' height
_POINT: Final = 25.4 / 72  # millimetres
_INK: Final = (0x14, 0x20, 0x20)
_FAINT: Final = (0x4A, 0x57, 0x57)
_WHITE: Final = (255, 255, 255)
#: Without our fonts only these can be written.
_PLAIN: Final = frozenset({"en", "es"})


def poster(*, point: CheckInLocation, url: str, language: str, size: Size = "a4") -> bytes:
    """The poster as a PDF: clinic, place, the QR code of `url`, and three steps in `language`.

    `point` comes with its clinic and location. The same point and language give the same bytes.
    """
    if language not in _PLAIN and not fonts.are_here():
        language = "en"
    with translation.override(language):
        return _Sheet(point, _Words.of(point), url, language, size).drawn()


@dataclass(frozen=True, slots=True)
class _Words:
    """Everything that stands on the sheet, in its language."""

    clinic: str
    place: str
    title: str
    steps: tuple[str, str, str]
    otherwise: str
    footer: str

    @classmethod
    def of(cls, point: CheckInLocation) -> "_Words":
        location = point.location
        place = (location.name, location.address, location.city)
        return cls(
            clinic=point.clinic.name,
            place=" · ".join(part for part in place if part),
            title=_("Check in here"),
            steps=(
                _("Point the camera of your phone at the code."),
                _("Open the link that appears and follow it."),
                _("You get a number. Take a seat until it is called."),
            ),
            otherwise=_("No phone at hand? Please go to the reception."),
            footer=_("%(name)s · code %(number)s of %(date)s")
            % {
                "name": point.name,
                "number": point.generation,
                "date": date_format(
                    point.rotated_at.astimezone(ZoneInfo(location.timezone)), "SHORT_DATE_FORMAT"
                ),
            },
        )

    def all(self) -> str:
        return "".join(
            (self.clinic, self.place, self.title, *self.steps, self.otherwise, self.footer)
        )


class _Sheet:
    """The drawing of one poster."""

    def __init__(
        self, point: CheckInLocation, words: _Words, url: str, language: str, size: Size
    ) -> None:
        self.words, self.url = words, url
        self.right_to_left = translation.get_language_info(language)["bidi"]
        self.scale = _SHEETS[size][0] / _PAGE[0]
        colour = accent(point.clinic.colour, dark=False).accent
        self.accent = (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
        self.pdf = pdf = FPDF(unit="mm", format=_SHEETS[size])
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        pdf.set_creation_date(point.rotated_at)
        pdf.set_title(f"{words.clinic}: {words.title}")
        pdf.set_lang(language)
        pdf.add_page()
        fonts.use(pdf, words.all() + "123")

    def drawn(self) -> bytes:
        self._band()
        self._line(self.words.title, top=56, points=42, bold=True)
        self._code()
        for number, step in enumerate(self.words.steps):
            self._step(number + 1, step, _STEPS_TOP + number * _STEP)
        self._line(self.words.otherwise, top=267, points=15, bold=True)
        self._line(self.words.footer, top=281, points=9, colour=_FAINT)
        return bytes(self.pdf.output())

    def _band(self) -> None:
        """The clinic's name on its colour, and where this hangs."""
        self.pdf.set_fill_color(*self.accent)
        self.pdf.rect(0, 0, self._mm(_PAGE[0]), self._mm(_BAND), style="F")
        self._line(self.words.clinic, top=13, points=28, bold=True, colour=_WHITE)
        self._line(self.words.place, top=30, points=14, colour=_WHITE)

    def _code(self) -> None:
        """The QR code with its quiet zone, in a frame of the clinic's colour."""
        left, top, side = (_PAGE[0] - _CODE) / 2, _CODE_TOP, _CODE
        self.pdf.set_draw_color(*self.accent)
        self.pdf.set_line_width(self._mm(1.4))
        self.pdf.rect(
            *self._box(left, top, side, side),
            round_corners=True,
            corner_radius=self._mm(5),
        )
        self.pdf.set_fill_color(0, 0, 0)
        rows = qr.matrix(self.url)
        module = side / (len(rows) + 2 * qr.QUIET_ZONE)
        bleed = module / 50  # so that no hairline shows between neighbours
        for y, row in enumerate(rows):
            for x, length in _runs(row):
                self.pdf.rect(
                    self._mm(left + (x + qr.QUIET_ZONE) * module),
                    self._mm(top + (y + qr.QUIET_ZONE) * module),
                    self._mm(length * module + bleed),
                    self._mm(module + bleed),
                    style="F",
                )

    def _step(self, number: int, text: str, top: float) -> None:
        """A number in a disc, and the sentence beside it."""
        disc, gap = 12.0, 6.0
        left = _PAGE[0] - _MARGIN - disc if self.right_to_left else _MARGIN
        self.pdf.set_fill_color(*self.accent)
        self.pdf.ellipse(*self._box(left, top, disc, disc), style="F")
        self._text(str(number), left, top, disc, disc, 17, bold=True, colour=_WHITE, align=Align.C)
        width = _PAGE[0] - 2 * _MARGIN - disc - gap
        start = _MARGIN if self.right_to_left else _MARGIN + disc + gap
        align = Align.R if self.right_to_left else Align.L
        self._text(text, start, top, width, disc, 18, align=align)

    def _line(
        self,
        text: str,
        *,
        top: float,
        points: float,
        bold: bool = False,
        colour: tuple[int, int, int] = _INK,
    ) -> None:
        """Centred over the sheet, on one line."""
        height = points * _POINT * _LINE
        width = _PAGE[0] - 2 * _MARGIN
        self._text(
            text, _MARGIN, top, width, height, points, bold=bold, colour=colour, align=Align.C
        )

    def _text(
        self,
        text: str,
        left: float,
        top: float,
        width: float,
        height: float,
        points: float,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = _INK,
        align: Align,
    ) -> None:
        """In the middle of a box. What is too long gets smaller, then a second line."""
        pdf = self.pdf
        text = fonts.writable(pdf, text)
        pdf.set_text_color(*colour)
        smallest = points * 0.6
        while True:
            fonts.choose(pdf, points * self.scale, bold=bold)
            lines = self._lines(text, width)
            line = self._mm(points * _POINT * _LINE)
            if (lines == 1) or points <= smallest:
                break
            points -= 1
        # Two lines reach as far above the box as below it.
        pdf.set_xy(self._mm(left), self._mm(top + height / 2) - line * lines / 2)
        pdf.multi_cell(self._mm(width), line, text, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)

    def _lines(self, text: str, width: float) -> int:
        found = self.pdf.multi_cell(
            self._mm(width), 1, text, dry_run=True, output=MethodReturnValue.LINES
        )
        return len(found) if isinstance(found, list) else 1

    def _box(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        return self._mm(left), self._mm(top), self._mm(width), self._mm(height)

    def _mm(self, length: float) -> float:
        return length * self.scale


def _runs(row: bytes) -> list[tuple[int, int]]:
    """Where dark modules stand side by side: the first of them, and how many."""
    found: list[tuple[int, int]] = []
    start = None
    for x, dark in enumerate((*row, 0)):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            found.append((start, x - start))
            start = None
    return found
