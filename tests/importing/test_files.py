"""Half-broken files: refused up front with a clear word, or row by row, never half done."""

import gzip
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from clinics.models import Clinic, Doctor
from tests.importing.files import DAYS, TIMES, Importer, line, picture, text

THREE = text([line(1), line(2), line(3)])


def refused_up_front(importer: Importer, content: str | bytes, words: str, **options) -> None:
    """The file is refused with these words, and nothing was created."""
    with pytest.raises(CommandError, match=words):
        importer(content, **options)
    assert not Clinic.objects.exists()
    assert not Doctor.objects.exists()
    assert not importer.report.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "no column names"),
        (b"a,b,c\n1,2,3\n", "no column Age, AppointmentDay"),
        (THREE.replace("Age,", "Age,Age,", 1).encode(), "more than one column Age"),
        (THREE.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04 a workbook", "ZIP archive"),
        (gzip.compress(THREE.encode() * 50)[:-20], "damaged"),
        (b"\x1f\x8bnot gzip at all", "damaged"),
        (b"Pati\0entId,AppointmentID\n", "NUL"),
    ],
)
def test_a_file_that_cannot_be_used(importer: Importer, content: bytes, words: str) -> None:
    refused_up_front(importer, content, words)


def test_options_that_cannot_be_used(importer: Importer) -> None:
    refused_up_front(importer, THREE, "no such encoding", encoding="klingon")
    refused_up_front(importer, THREE, "no clinic", create_clinic=False)
    refused_up_front(importer, THREE, "time zone", timezone="Mars/Olympus")
    refused_up_front(importer, THREE, "delimiter", delimiter=";;")
    refused_up_front(importer, THREE, "--chunk", chunk=0)
    with pytest.raises(CommandError, match="No such file"):
        call_command(
            "import_appointments",
            str(importer.folder / "absent.csv"),
            mapping=str(importer.mapping()),
            clinic="old-town",
        )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[row]", "[row", "line"),
        ('system = "register"\n', "", "system: Field required"),
        ("[spread]", "[spred]", "spred"),
        ('Yes = "NO_SHOW"', 'Yes = "ABSENT"', "no status ABSENT"),
        ('F = "female"', 'F = "w"', "no sex w"),
        ('date = "AppointmentDay"\n', "", "give date"),
        ('opens = "08:00"', 'opens = "13:00"', "after its start"),
        ('pattern = "[0-9]+"', 'pattern = "[0-9"', "regular expression"),
        ("doctors = 3", "doctors = 0", "roster.doctors"),
        ('by = "PatientId"', 'by = "Patient"', "no column Patient"),
    ],
)
def test_a_mapping_that_cannot_be_used(
    importer: Importer, before: str, after: str, words: str
) -> None:
    assert before in DAYS
    refused_up_front(importer, THREE, words, mapping=DAYS.replace(before, after))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found_out(importer: Importer, delimiter: str) -> None:
    importer(text([line(1), line(2)], delimiter))
    assert len(picture()) == 2


@pytest.mark.parametrize(
    "content",
    [
        THREE.encode("utf-8-sig"),
        THREE.replace("\n", "\r\n").encode(),
        THREE.replace("\n", "\r").encode(),
        gzip.compress(THREE.encode()),
        THREE.replace("\n", "\n\n").encode(),
        THREE.rstrip("\n").encode(),
    ],
)
def test_forms_of_a_sound_file(importer: Importer, content: bytes) -> None:
    outcome = importer(content)
    assert outcome.refused == []
    assert len(picture()) == 3


class TestBrokenLines:
    def test_a_ragged_line(self, importer: Importer) -> None:
        lines = THREE.splitlines()
        lines[2] += ",more"
        outcome = importer("\n".join([*lines, "1,2"]))
        assert [(row[0], row[2]) for row in outcome.refused] == [
            ("3", "RAGGED_LINE"),
            ("5", "RAGGED_LINE"),
        ]
        assert "9 cells instead of 8" in outcome.refused[0][3]
        assert len(picture()) == 2

    def test_a_quote_that_is_never_closed_costs_its_own_row_only(self, importer: Importer) -> None:
        rows = [line(number) for number in range(1, 90)]
        lines = text(rows).splitlines()
        lines[5] = lines[5].replace("CENTRO", '"CENTRO')
        outcome = importer("\n".join(lines))
        assert [(row[0], row[2]) for row in outcome.refused if row[2] != "DAY_FULL"] == [
            ("6", "UNCLOSED_QUOTE")
        ]
        days_full = sum(row[2] == "DAY_FULL" for row in outcome.refused)
        assert len(picture()) == 88 - days_full

    def test_two_broken_quotes_take_no_sound_row_between_them(self, importer: Importer) -> None:
        lines = text([line(number) for number in range(1, 8)]).splitlines()
        lines[2] = lines[2].replace("CENTRO", '"CENTRO')
        lines[5] = lines[5].replace("CENTRO", 'CENTRO"')
        outcome = importer("\n".join(lines))
        assert [row[0] for row in outcome.refused] == ["3", "6"]
        assert [row[0] for row in picture()] == ["1", "3", "4", "6", "7"]

    def test_a_cell_may_go_over_several_lines(self, importer: Importer) -> None:
        importer(text([line(1, region="CENTRO\nNORTE, 2"), line(2)]))
        assert picture()[0][8] == "CENTRO\nNORTE, 2"

    def test_a_line_without_end(self, importer: Importer) -> None:
        content = text([line(1), line(2, region="x" * 3_000_000), line(3)])
        outcome = importer(content)
        assert [(row[0], row[2]) for row in outcome.refused] == [("3", "LINE_TOO_LONG")]
        assert [row[0] for row in picture()] == ["1", "3"]

    def test_bytes_of_another_encoding(self, importer: Importer) -> None:
        rows = [line(1, region="JARDIM CAMBURÍ"), line(2)]
        latin = text(rows).encode("latin-1")
        outcome = importer(latin)
        assert [(row[0], row[2]) for row in outcome.refused] == [("2", "BAD_ENCODING")]
        importer(latin, fallback_encoding="latin-1")
        assert [row[8] for row in picture()] == ["JARDIM CAMBURÍ", "CENTRO"]


def test_the_report_can_go_nowhere(importer: Importer, tmp_path: Path) -> None:
    importer.report = tmp_path / "missing" / "refused.csv"
    refused_up_front(importer, THREE, "report")


@pytest.mark.parametrize("zone", ["offset", "clinic"])
def test_the_mapping_of_times_is_sound(importer: Importer, zone: str) -> None:
    with pytest.raises(CommandError, match="no column"):
        importer(THREE, TIMES.replace("ZONE", zone))
