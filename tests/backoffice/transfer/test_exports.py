"""Out and in again: the same; and nothing that a spreadsheet would run."""

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from backoffice.models import FileFormat
from backoffice.transfer import exporting
from clinics.models import Patient, Service
from core import tenancy
from core.formulas import guarded, unguarded
from core.models import AuditEvent
from tests.backoffice.transfer.desk import Desk, as_csv, rows_of
from tests.casts import Cast, build_cast, build_patient

RISKY = ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", "'=x", "''-y"]


@pytest.mark.parametrize("text", [*RISKY, "", "plain", "O'Hara", "'quoted", "1-2", "a=b"])
def test_neutralising_can_be_undone(text):
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@pytest.mark.parametrize("file_format", FileFormat.values)
@pytest.mark.parametrize("kind", ["patients", "doctors", "hours", "services"])
def test_what_went_out_comes_back_as_it_was(cast, kind, file_format):
    desk = Desk(cast)
    with tenancy.scope([cast.clinic.id]):
        Service.objects.filter(id=cast.service.id).update(name="=HYPERLINK(1)", description="-")
        cast.template.services.add(cast.service)
    for number, text in enumerate(RISKY):
        build_patient(
            cast.clinic, text.strip(), "X", external_id=f"R-{number}", phone="+4930901820"
        )
    exported = desk.export(kind, file_format)
    done = desk.load(kind, exported, name=f"{kind}.{file_format}")
    fresh, changed, unchanged, bad = done.counts
    assert (fresh, changed, bad) == (0, 0, 0)
    assert unchanged > 0


@pytest.mark.parametrize("file_format", FileFormat.values)
def test_formulas_are_text(cast, desk, file_format):
    build_patient(cast.clinic, '=cmd|"/c calc"!A1', "+Plus", phone="+4930901820")
    exported = desk.export("patients", file_format)
    if file_format == FileFormat.XLSX:
        sheet = load_workbook(io.BytesIO(exported)).active
        cells = [cell for row in sheet.iter_rows() for cell in row]
        assert not [cell for cell in cells if cell.data_type == "f"]
        texts = [str(cell.value) for cell in cells if cell.value is not None]
    else:
        texts = [cell for row in csv.reader(io.StringIO(exported.decode())) for cell in row]
    assert '\'=cmd|"/c calc"!A1' in texts
    assert "'+4930901820" in texts
    assert not [text for text in texts if text[:1] in "=+-@\t\r" and text]


def test_an_export_has_one_clinics_rows_and_no_merged_charts(cast, outsider, desk):
    with tenancy.scope([cast.clinic.id]):
        Patient.objects.filter(id=cast.neighbour.id).update(merged_into=cast.patient)
    inactive = build_patient(cast.clinic, "In", "Active", is_active=False)
    assert {row["mrn"] for row in rows_of(desk.export("patients"))} == {
        cast.patient.mrn,
        inactive.mrn,
    }
    (active,) = rows_of(desk.export("patients", only_active=True))
    assert active["mrn"] == cast.patient.mrn
    assert outsider.patient.mrn not in desk.export("patients").decode()


def test_notes_only_for_whom_they_are(cast, desk):
    build_patient(cast.clinic, "With", "Notes", notes="private words")
    assert "private words" in desk.export("patients").decode()
    assert "private words" not in desk.export("patients", clinical=False).decode()


def test_each_page_is_in_the_trail_with_its_patients(cast, desk, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE", 2)
    extra = build_patient(cast.clinic, "A", "Third")
    desk.export("patients", only_active=True)
    with tenancy.scope([cast.clinic.id]):
        acts = list(AuditEvent.objects.filter(action="patients.exported").order_by("id"))
    assert [act.changes["count"] for act in acts] == [[None, 2], [None, 1]]
    shown = {subject for act in acts for subject in act.subjects}
    assert shown == {cast.patient.id, cast.neighbour.id, extra.id}
    assert acts[0].actor_id == desk.user.id
    assert acts[0].changes["filters"] == [None, {"only_active": True}]


def test_an_empty_export_is_in_the_trail_too(cast, desk):
    exported = desk.export("appointments")
    assert rows_of(exported) == []
    assert exported.decode("utf-8-sig").startswith("id,patient_external_id")
    with tenancy.scope([cast.clinic.id]):
        assert AuditEvent.objects.filter(action="appointments.exported").count() == 1


@pytest.mark.parametrize("kind", ["patients", "services", "hours", "doctors"])
def test_statements_do_not_grow_with_the_rows(db, kind):
    def statements(rows: int) -> int:
        desk = Desk(build_cast(f"rows{rows}"))
        names = range(rows)
        desk.load("services", as_csv(("name", "duration"), [(f"S{n}", 30) for n in names]))
        desk.load("patients", as_csv(("mrn", "given_name"), [(f"S{n}", "A") for n in names]))
        people = [(f"d{rows}-{n}@example.test", f"D{n}") for n in names]
        desk.load("doctors", as_csv(("email", "name"), people))
        hours = [(email, "Main", 3, "9:00", "10:00", "S0") for email, _ in people]
        header = ("doctor", "location", "weekday", "from", "to", "services")
        desk.load("hours", as_csv(header, hours))
        with CaptureQueriesContext(connection) as seen:
            assert len(rows_of(desk.export(kind))) >= rows
        return len(seen)

    assert statements(1) == statements(12)


def test_the_shapes_of_numbers(cast: Cast, desk: Desk):
    sheet = load_workbook(io.BytesIO(desk.export("services", FileFormat.XLSX))).active
    header = [cell.value for cell in sheet[1]]
    assert sheet[2][header.index("duration_minutes")].value == 30
