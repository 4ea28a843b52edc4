"""Half-broken files: refused at the door with a clear word, or line by line."""

import gzip
import io
import zipfile
from datetime import date, datetime

import pytest

from backoffice.models import DateStyle, FileFormat, Transfer
from clinics.models import Patient
from core import tenancy
from core.errors import ErrorCode, KairosError
from tests.backoffice.transfer.desk import as_csv, as_xlsx
from tests.casts import Cast

HEADER = ("external_id", "given_name", "family_name", "birth_date", "phone")


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "no table")
    return out.getvalue()


def names(cast: Cast) -> dict[str | None, str]:
    with tenancy.scope([cast.clinic.id]):
        found = Patient.objects.filter(clinic=cast.clinic).exclude(external_id=None)
        return dict(found.values_list("external_id", "given_name"))


def births(cast: Cast) -> dict[str | None, date | None]:
    with tenancy.scope([cast.clinic.id]):
        found = Patient.objects.filter(clinic=cast.clinic).exclude(external_id=None)
        return dict(found.values_list("external_id", "birth_date"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\nexternal_id,given_name\n", "no column names"),
        (as_csv(HEADER, []), "no line below"),
        (as_xlsx([HEADER]), "no line below"),
        (as_csv(HEADER, [("1", "Ada", "", "", "")]).decode().encode("utf-16"), "UTF-16"),
        (gzip.compress(b"external_id,given_name\n1,Ada\n"), "compressed"),
        (_zip("readme.txt"), "no workbook"),
        (b"PK\x03\x04 cut off", "damaged ZIP"),
        (as_xlsx([HEADER, ("1", "Ada")])[:-40], "damaged ZIP"),
        (_zip("xl/workbook.xml"), "workbook is damaged"),
        (b"\xd0\xcf\x11\xe0 old", "old Excel"),
        (b"%PDF-1.7 a letter", "PDF"),
        (b"exter\0nal_id,given_name\n1,Ada\n", "NUL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_file_that_cannot_be_used(desk, content, words):
    with pytest.raises(KairosError) as refused:
        desk.upload("patients", content)
    assert refused.value.code == ErrorCode.VALIDATION_ERROR
    assert words in refused.value.errors["file"][0]
    with tenancy.scope(tenancy.SYSTEM):
        assert not Transfer.objects.exists()


def test_a_file_that_is_too_large(desk, settings):
    settings.TRANSFER_MAX_BYTES = 100
    with pytest.raises(KairosError) as refused:
        desk.upload("patients", as_csv(HEADER, [("1", "Ada", "x" * 100, "", "")]))
    assert "at most" in refused.value.errors["file"][0]


def test_a_workbook_that_unpacks_to_too_much(desk, settings):
    settings.TRANSFER_MAX_BYTES = 20_000
    rows = [HEADER, *[("1", "Ada", "x" * 5000, "", "")] * 200]
    with pytest.raises(KairosError) as refused:
        desk.upload("patients", as_xlsx(rows))
    assert "unpacked" in refused.value.errors["file"][0]


def test_too_many_lines(desk, settings):
    settings.TRANSFER_MAX_LINES = 2
    with pytest.raises(KairosError) as refused:
        desk.upload("patients", as_csv(HEADER, [(str(n), "Ada", "", "", "") for n in range(3)]))
    assert "split it" in refused.value.errors["file"][0]


def test_latin_1_is_found_out_and_said(cast, desk):
    file = "código;nombre;apellido\n1;José;Muñoz\n2;Ana;Gil\n".encode("latin-1")
    done = desk.load("patients", file)
    assert done.counts == (2, 0, 0, 0)
    assert any("not UTF-8" in remark for remark in done.transfer.remarks)
    assert names(cast) == {"1": "José", "2": "Ana"}


def test_utf_8_with_a_few_wrong_cells_stays_utf_8(cast, desk):
    file = "external_id,given_name\n1,José\n".encode() + "2,Zoë\n".encode("latin-1")
    desk.load("patients", file)
    assert names(cast) == {"1": "José", "2": "Zoë"}


def test_bytes_that_are_nothing_at_all(desk):
    checked = desk.check("patients", b"external_id,given_name\n1,A\x81\n2,Ben\n")
    assert checked.faults == [(2, "", "BAD_ENCODING")]
    assert checked.counts == (1, 0, 0, 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_byte_order_mark_and_delimiters(cast, desk, delimiter):
    file = b"\xef\xbb\xbf" + as_csv(HEADER, [("1", "Ada", "", "", "")], delimiter)
    assert desk.load("patients", file).counts == (1, 0, 0, 0)


def test_ragged_lines_nul_bytes_and_quotes_that_never_close(desk):
    file = (
        b"external_id,given_name,family_name\n"
        b"1,Ada,One\n"
        b"2,Ben\n"
        b"3,Cle\0o,Three\n"
        b'4,"Dan,Four\n'
        b"5,Eve,Five\n"
        b"6,Fay,Six,too many\n"
    )
    checked = desk.check("patients", file)
    assert checked.counts == (2, 0, 0, 4)
    assert [(line, code) for line, _, code in checked.faults] == [
        (3, "RAGGED_LINE"),
        (4, "NUL_BYTE"),
        (5, "UNCLOSED_QUOTE"),
        (7, "RAGGED_LINE"),
    ]


def test_two_headers_alike_are_said_and_never_guessed(cast, desk):
    file = as_csv(
        ("external_id", "given_name", "Phone", "phone"),
        [("1", "Ada", "+493011111111", "+493022222222")],
    )
    transfer = desk.upload("patients", file)
    assert "phone" not in transfer.fields
    assert "3, 4" in transfer.remarks[0]
    assert desk.load("patients", file, fields={**transfer.fields, "phone": 3}).counts[0] == 1
    with tenancy.scope([cast.clinic.id]):
        assert Patient.objects.get(external_id="1").phone == "+493022222222"


def test_the_wrong_kind_of_file(desk):
    services = as_csv(("service", "duration"), [("Check-up", "30")])
    with pytest.raises(KairosError) as refused:
        desk.check("patients", services)
    assert set(refused.value.errors) == {"external_id", "given_name"}


def test_columns_that_the_file_does_not_have(desk):
    file = as_csv(HEADER, [("1", "Ada", "", "", "")])
    for fields in ({"external_id": 0, "given_name": 99}, {"external_id": 0, "nonsense": 1}):
        with pytest.raises(KairosError) as refused:
            desk.check("patients", file, fields=fields)
        assert refused.value.code == ErrorCode.VALIDATION_ERROR


@pytest.mark.parametrize(
    ("texts", "style", "born"),
    [
        (("2001-03-04", "1990-12-31"), DateStyle.ISO, date(2001, 3, 4)),
        (("03/04/2001", "31/12/1990"), DateStyle.DAY_FIRST, date(2001, 4, 3)),
        (("03/04/2001", "12/31/1990"), DateStyle.MONTH_FIRST, date(2001, 3, 4)),
        (("03.04.2001", "31.12.1990"), DateStyle.ISO, date(2001, 4, 3)),
        (("2001/03/04", "1990/12/31"), DateStyle.ISO, date(2001, 3, 4)),
    ],
)
def test_the_style_of_days_is_found_out(cast, desk, texts, style, born):
    file = as_csv(HEADER, [(str(n), "Ada", "", text, "") for n, text in enumerate(texts)])
    done = desk.load("patients", file)
    assert done.transfer.date_style == style
    assert births(cast) == {"0": born, "1": date(1990, 12, 31)}


def test_days_that_could_be_read_either_way_are_asked_about(cast, desk):
    file = as_csv(HEADER, [("1", "Ada", "", "03/04/2001", "")])
    with pytest.raises(KairosError) as refused:
        desk.check("patients", file)
    assert set(refused.value.errors) == {"date_style"}
    desk.load("patients", file, style=DateStyle.MONTH_FIRST)
    assert births(cast) == {"1": date(2001, 3, 4)}


def test_three_styles_in_one_column(desk):
    file = as_csv(
        HEADER,
        [
            ("1", "Ada", "", "1990-12-31", ""),
            ("2", "Ben", "", "31/12/1990", ""),
            ("3", "Cleo", "", "30/11/1990", ""),
            ("4", "Dan", "", "12/31/1990", ""),
            ("5", "Eve", "", "31 Dec", ""),
        ],
    )
    checked = desk.check("patients", file)
    assert checked.transfer.date_style == DateStyle.DAY_FIRST
    assert checked.faults == [(5, "birth_date", "BAD_DATE"), (6, "birth_date", "BAD_DATE")]
    assert "day first" in checked.words[0]


def test_a_phone_without_a_country(cast, desk):
    file = as_csv(HEADER, [("1", "Ada", "", "", "030 901820"), ("2", "B", "", "", "+34911234567")])
    checked = desk.check("patients", file, country="")
    assert checked.faults == [(2, "phone", "PHONE_WITHOUT_COUNTRY")]
    assert desk.check("patients", file, country="DE").counts == (2, 0, 0, 0)
    with pytest.raises(KairosError) as refused:
        desk.check("patients", file, country="XX")
    assert set(refused.value.errors) == {"country"}


def test_a_formula_in_a_name_is_text(cast, desk):
    file = as_csv(HEADER, [("1", "=1+1", "@SUM(A1)", "", ""), ("2", "Ok", "#REF!", "", "")])
    done = desk.load("patients", file, skip=True)
    assert done.faults == [(3, "family_name", "SPREADSHEET_ERROR")]
    assert names(cast) == {"1": "=1+1"}


def test_a_workbook(cast, desk):
    rows = [
        ("External ID", "Given name", "Birth date", "Phone", None, None),
        (1001, "Ada", datetime(1990, 12, 31), 49301234567.0, None, None),  # noqa: DTZ001 - as sheets have it
        (1002.0, "Ben", date(2001, 3, 4), "030 901820", None, None),
        (None, None, None, None, None, None),
        (1003, "Cleo", None, None, None, "beyond the header"),
    ]
    done = desk.load("patients", as_xlsx(rows, [("another", "sheet")]), skip=True, country="DE")
    assert done.transfer.file_format == FileFormat.XLSX
    assert births(cast) == {"1001": date(1990, 12, 31), "1002": date(2001, 3, 4)}
    assert done.faults == [(5, "", "RAGGED_LINE")]
    assert any("2 sheets" in remark for remark in done.transfer.remarks)


def test_a_workbooks_formulas_give_the_values_it_holds(cast, desk):
    # openpyxl holds no value for a formula, so the cell says nothing.
    rows = [("external_id", "given_name", "family_name"), ("1", "Ada", '="A"&"B"')]
    done = desk.load("patients", as_xlsx(rows))
    assert done.counts == (1, 0, 0, 0)
    assert any("Formulas" in remark for remark in done.transfer.remarks)
    with tenancy.scope([cast.clinic.id]):
        assert Patient.objects.get(external_id="1").family_name == ""


def test_spanish_and_portuguese_headers(desk):
    spanish = as_csv(("ID paciente", "Nombre", "Apellidos", "Fecha de nacimiento"), [("1", *"abc")])
    assert desk.upload("patients", spanish).fields == {
        "external_id": 0,
        "given_name": 1,
        "family_name": 2,
        "birth_date": 3,
    }
    portuguese = as_csv(("Prontuário", "NOME", "sobrenome", "data_de_nascimento"), [("1", *"abc")])
    assert desk.upload("patients", portuguese).fields == {
        "mrn": 0,
        "given_name": 1,
        "family_name": 2,
        "birth_date": 3,
    }
