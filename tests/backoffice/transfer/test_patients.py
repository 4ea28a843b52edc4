"""Charts from a file: known again, changed, refused; never another clinic's."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.models import TransferState
from clinics.models import Patient
from core import tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent
from tests.backoffice.transfer.desk import Desk, as_csv
from tests.casts import Cast, build_patient

HEADER = ("External ID", "First name", "Last name", "DOB", "Phone", "Sex")
TWO = as_csv(
    HEADER,
    [
        ("A-1", "Ada", "One", "1990-12-31", "030 901820", "F"),
        ("A-2", "Ben", "Two", "", "", ""),
    ],
)


def charts(cast: Cast) -> dict[str | None, Patient]:
    with tenancy.scope([cast.clinic.id]):
        return {chart.external_id: chart for chart in Patient.objects.filter(clinic=cast.clinic)}


def test_charts_are_opened_and_found_again(cast, desk):
    done = desk.load("patients", TWO)
    assert done.counts == (2, 0, 0, 0)
    ada = charts(cast)["A-1"]
    assert (ada.given_name, ada.family_name, ada.sex) == ("Ada", "One", "female")
    assert (ada.birth_date, ada.phone) == (date(1990, 12, 31), "+4930901820")
    assert len(ada.mrn) == 9
    assert desk.load("patients", TWO).counts == (0, 0, 2, 0)
    assert charts(cast)["A-1"].version == 1


def test_a_change_is_versioned_and_audited_and_an_empty_cell_says_nothing(cast, desk):
    desk.load("patients", TWO)
    changed = as_csv(HEADER, [("A-1", "Ada", "Married", "", "", ""), ("A-2", "Ben", "Two", *"   ")])
    assert desk.load("patients", changed).counts == (0, 1, 1, 0)
    ada = charts(cast)["A-1"]
    assert (ada.family_name, ada.version) == ("Married", 2)
    assert (ada.phone, ada.sex) == ("+4930901820", "female")
    with tenancy.scope([cast.clinic.id]):
        act = AuditEvent.objects.get(action="patient.changed", entity_id=ada.id)
    assert act.changes == {"family_name": ["One", "Married"]}
    assert act.actor_id == desk.user.id


def test_a_check_leaves_nothing_behind(cast, desk):
    before = set(charts(cast))
    checked = desk.check("patients", TWO)
    assert checked.transfer.state == TransferState.CHECKED
    assert checked.counts == (2, 0, 0, 0)
    assert set(charts(cast)) == before
    with tenancy.scope([cast.clinic.id]):
        assert not AuditEvent.objects.filter(action="patients.imported").exists()


def test_without_an_outside_id_the_record_number_names_the_chart(cast, desk):
    file = as_csv(("mrn", "given_name"), [("M-1", "Ada"), (cast.patient.mrn, "Renamed")])
    assert desk.load("patients", file).counts == (1, 1, 0, 0)
    with tenancy.scope([cast.clinic.id]):
        assert Patient.objects.get(id=cast.patient.id).given_name == "Renamed"


def test_every_fault_of_every_line_is_listed(cast, desk):
    file = as_csv(
        HEADER,
        [
            ("B-1", "", "No name", "", "", ""),
            ("B-2", "Two faults", "", "31.02.1990", "call me", ""),
            ("", "No id", "", "", "", ""),
            ("B-4", "x" * 201, "", "", "", "q"),
            ("B-5", "Fine", "", "", "", ""),
        ],
    )
    checked = desk.check("patients", file)
    assert checked.counts == (1, 0, 0, 4)
    assert checked.faults == [
        (2, "First name", "MISSING_VALUE"),
        (3, "DOB", "BAD_DATE"),
        (3, "Phone", "BAD_VALUE"),
        (4, "", "MISSING_VALUE"),
        (5, "First name", "TEXT_TOO_LONG"),
        (5, "Sex", "BAD_VALUE"),
    ]
    with pytest.raises(KairosError, match="bad lines"):
        desk.run(checked)
    assert desk.run(checked, skip=True).counts == (1, 0, 0, 4)
    assert "B-5" in charts(cast)


def test_a_record_number_twice_in_the_file_and_against_the_clinic(cast, desk):
    file = as_csv(
        ("external_id", "mrn", "given_name"),
        [
            ("C-1", "M-1", "First"),
            ("C-2", "M-1", "Same number"),
            ("C-3", cast.patient.mrn, "Taken"),
            ("C-1", "M-4", "Same id"),
        ],
    )
    done = desk.load("patients", file, skip=True)
    assert done.counts == (1, 0, 0, 3)
    assert done.faults == [
        (3, "mrn", "DUPLICATE_IN_FILE"),
        (4, "", "RECORD_NUMBER_TAKEN"),
        (5, "external_id", "DUPLICATE_IN_FILE"),
    ]
    assert "line 2" in done.words[0]


def test_a_merged_chart_is_not_written_to(cast, desk):
    with tenancy.scope([cast.clinic.id]):
        Patient.objects.filter(id=cast.neighbour.id).update(
            merged_into=cast.patient, external_id="OLD"
        )
    done = desk.check("patients", as_csv(("external_id", "given_name"), [("OLD", "Back")]))
    assert done.codes == {"CHART_MERGED"}


def test_another_clinics_patient_is_unknown_here(cast, outsider, desk):
    theirs = build_patient(outsider.clinic, "Their", "Patient", external_id="Z-1")
    file = as_csv(
        ("id", "clinic_id", "external_id", "mrn", "given_name"),
        [(str(theirs.id), str(outsider.clinic.id), "Z-1", theirs.mrn, "Mine")],
    )
    assert desk.load("patients", file).counts == (1, 0, 0, 0)
    mine = charts(cast)["Z-1"]
    assert mine.id != theirs.id
    with tenancy.scope([outsider.clinic.id]):
        after = Patient.objects.get(id=theirs.id)
    assert (after.given_name, after.version) == ("Their", 1)


def test_who_may_import_what(cast, desk):
    reception = Desk(cast, cast.receptionist)
    assert reception.load("patients", TWO).counts == (2, 0, 0, 0)
    for kind in ("doctors", "hours", "services", "appointments"):
        with pytest.raises(KairosError) as refused:
            reception.upload(kind, TWO)
        assert refused.value.code == ErrorCode.PERMISSION_DENIED
    with pytest.raises(KairosError) as refused:
        Desk(cast, cast.finance).upload("patients", TWO)
    assert refused.value.code == ErrorCode.PERMISSION_DENIED


def test_an_outsider_may_not(cast, outsider):
    desk = Desk(cast, outsider.clinic_admin)
    with pytest.raises(KairosError) as refused:
        desk.upload("patients", TWO)
    assert refused.value.code == ErrorCode.PERMISSION_DENIED


@pytest.mark.parametrize("lines", [300])
def test_statements_do_not_grow_with_the_lines(desk, lines):
    def statements(count: int) -> int:
        rows = [(f"S{count}-{number}", "Given", "Family", "", "", "") for number in range(count)]
        checked = desk.check("patients", as_csv(HEADER, rows))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            desk.run(checked)
        return len(seen)

    assert statements(lines) == statements(3)


def test_the_trail_tells_the_whole_story(cast, desk):
    desk.load("patients", TWO)
    with tenancy.scope([cast.clinic.id]):
        acts = AuditEvent.objects.filter(entity="backoffice.transfer").order_by("id")
        told = [(act.action, act.changes.get("new")) for act in acts]
    assert told == [
        ("import.uploaded", None),
        ("import.checked", [None, 2]),
        ("import.started", None),
        ("import.finished", [None, 2]),
    ]
