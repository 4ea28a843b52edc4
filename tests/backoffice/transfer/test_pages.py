"""The pages as people use them: forms posted, answers read; what is not theirs is not there."""

import io
import re
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import User
from accounts.roles import Role
from backoffice.models import Transfer, TransferState
from backoffice.transfer.views import _SILENT
from clinics.models import Patient
from clinics.services.memberships import membership_add
from core import clock, tenancy
from core.models import AuditEvent
from tests.backoffice.transfer.desk import Desk, as_csv, rows_of
from tests.casts import Cast, build_cast, build_patient, build_super_admin
from tests.importing.files import DAYS, register, text

HEADER = ("external_id", "given_name", "birth_date")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, "accounts.backends.EmailOrPhoneBackend")
    return client


@pytest.fixture
def admin(cast: Cast) -> Client:
    return client_of(cast.clinic_admin)


def upload(client: Client, kind: str, content: bytes, **more: Any) -> Any:
    file = SimpleUploadedFile(more.pop("name", f"{kind}.csv"), content)
    return client.post(reverse("admin:transfer_new"), {"kind": kind, "file": file, **more})


def newest(cast: Cast) -> Transfer:
    with tenancy.scope([cast.clinic.id]):
        found = Transfer.objects.order_by("-id").first()
    assert found is not None
    return found


def chosen(transfer: Transfer, **more: Any) -> dict[str, Any]:
    """The form of the columns as it was offered."""
    return {"country": transfer.country, "bad_lines": "stop", **transfer.fields, **more}


def page(name: str, transfer: Transfer) -> str:
    return reverse(f"admin:transfer_{name}", args=[transfer.pk])


def test_a_file_through_all_four_steps(cast, admin):
    file = as_csv(HEADER, [("1", "Ada", "1990-12-31"), ("2", "", ""), ("3", "=SUM(1)", "")])
    assert admin.get(reverse("admin:transfer_new")).status_code == 200
    answer = upload(admin, "patients", file)
    transfer = newest(cast)
    assert answer.url == page("columns", transfer)
    shown = admin.get(answer.url).content.decode()
    assert "1: external_id (1)" in shown
    assert "found out: year first" in shown
    answer = admin.post(answer.url, chosen(transfer))
    assert answer.url == page("detail", transfer)
    report = admin.get(answer.url).content.decode()
    assert "MISSING_VALUE" in report
    assert "Import 2, leave out 1" in report
    with tenancy.scope([cast.clinic.id]):
        assert not Patient.objects.filter(external_id="1").exists()
    listed = b"".join(admin.get(page("faults", transfer)).streaming_content)
    assert rows_of(listed) == [
        {
            "line": "3",
            "column": "given_name",
            "code": "MISSING_VALUE",
            "reason": "the cell is empty",
        }
    ]
    refused = admin.post(page("run", transfer), {"bad_lines": "stop"})
    assert refused.status_code == 409
    answer = admin.post(page("run", transfer), {"bad_lines": "skip"})
    done = admin.get(answer.url).content.decode()
    assert "Imported" in done
    with tenancy.scope([cast.clinic.id]):
        assert Patient.objects.filter(external_id__in=["1", "3"]).count() == 2
        assert Patient.objects.get(external_id="3").given_name == "=SUM(1)"
    assert transfer.file_name in admin.get(reverse("admin:transfer_list")).content.decode()


def test_a_file_that_cannot_be_used_says_so_at_the_field(cast, admin):
    answer = upload(admin, "patients", b"")
    assert answer.status_code == 200
    answer = upload(admin, "patients", b"PK\x03\x04 nothing")
    assert "damaged ZIP" in answer.content.decode()
    answer = upload(admin, "patients", b"external_id,given_name\n")
    assert "no line below" in answer.content.decode()
    with tenancy.scope([cast.clinic.id]):
        assert not Transfer.objects.exists()


def test_what_was_found_out_is_said(cast, admin):
    file = "id,nombre,Phone,phone\n1,José,,\n".encode("latin-1")
    answer = upload(admin, "patients", file)
    shown = admin.get(answer.url).content.decode()
    assert "not UTF-8" in shown
    assert "José" in shown
    assert "3, 4 are all called" in shown


def test_days_that_can_be_read_either_way_are_asked_about(cast, admin):
    answer = upload(admin, "patients", as_csv(HEADER, [("1", "Ada", "03/04/2001")]))
    transfer = newest(cast)
    shown = admin.post(answer.url, chosen(transfer)).content.decode()
    assert "either way" in shown
    answer = admin.post(answer.url, chosen(transfer, date_style="mdy"))
    assert answer.url == page("detail", transfer)


def test_missing_columns_are_marked(cast, admin):
    answer = upload(admin, "patients", as_csv(("service", "duration"), [("Check-up", "30")]))
    shown = admin.post(answer.url, chosen(newest(cast))).content.decode()
    assert "Say which column holds" in shown


def test_posts_that_are_forged(cast, outsider, admin):
    theirs = Desk(outsider).upload("patients", as_csv(HEADER, [("1", "Ada", "")]))
    for name in ("columns", "run", "continue", "discard"):
        own_answer = admin.post(page(name, theirs), chosen(theirs))
        unknown = Transfer(id=uuid4())
        assert own_answer.status_code == 404
        assert _words(own_answer) == _words(admin.post(page(name, unknown), {}))
    for name in ("detail", "columns", "progress", "faults"):
        assert admin.get(page(name, theirs)).status_code == 404
    assert theirs.file_name not in admin.get(reverse("admin:transfer_list")).content.decode()
    # The clinic of an upload is the one that is in sight, whatever the form says.
    upload(
        admin, "services", as_csv(("name", "duration"), [("A", "30")]), clinic=outsider.clinic.id
    )
    assert newest(cast).clinic_id == cast.clinic.id
    upload(admin, "patients", as_csv(HEADER, [("1", "Ada", "")]))
    mine = newest(cast)
    for fields in ({"given_name": "99"}, {"bad_lines": "sometimes"}, {"date_style": "lunar"}):
        assert admin.post(page("columns", mine), chosen(mine, **fields)).status_code == 200
        assert newest(cast).state == TransferState.UPLOADED


def _words(answer: Any) -> str:
    return re.sub(r"[0-9a-f-]{36}", "", answer.content.decode())


@pytest.mark.parametrize("name", ["finance", "support", "pharmacist", "therapist"])
def test_who_may_import_nothing(cast, name):
    client = client_of(cast.user(name))
    for where in ("transfer_list", "transfer_new"):
        assert client.get(reverse(f"admin:{where}")).status_code == 403
    desk = Desk(cast)
    transfer = desk.upload("patients", as_csv(HEADER, [("1", "Ada", "")]))
    assert client.get(page("detail", transfer)).status_code == 403


def test_a_receptionist_imports_patients_only_and_exports_no_register(cast):
    client = client_of(cast.receptionist)
    form = client.get(reverse("admin:transfer_new")).content.decode()
    assert 'value="patients"' in form
    assert 'value="doctors"' not in form
    answer = upload(client, "services", as_csv(("name", "duration"), [("A", "30")]))
    assert answer.status_code == 200
    services = Desk(cast).upload("services", as_csv(("name", "duration"), [("A", "30")]))
    assert client.get(page("detail", services)).status_code == 404
    exports = reverse("admin:transfer_export")
    for kind in ("patients", "appointments"):
        answer = client.post(exports, {"kind": kind, "file_format": "csv"})
        assert not answer.streaming
    assert client.post(exports, {"kind": "hours", "file_format": "csv"}).streaming


def test_signed_out_and_outsiders_patients(cast):
    assert Client().get(reverse("admin:transfer_list")).status_code == 302
    patient = client_of(cast.patient_user)
    assert patient.get(reverse("admin:transfer_list")).status_code == 403


def test_with_several_clinics_one_is_chosen(cast, outsider):
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=outsider.clinic, user=cast.clinic_admin, role=Role.CLINIC_ADMIN.value)
    client = client_of(cast.clinic_admin)
    file = as_csv(("name", "duration"), [("Only there", "30")])
    assert upload(client, "services", file).status_code == 200  # none was chosen
    answer = upload(client, "services", file, clinic=str(outsider.clinic.id))
    transfer = newest(outsider)
    assert answer.url == page("columns", transfer)
    third = build_cast("third")
    assert upload(client, "services", file, clinic=str(third.clinic.id)).status_code == 200
    with tenancy.scope([third.clinic.id]):
        assert not Transfer.objects.exists()
    super_admin = client_of(build_super_admin())
    assert super_admin.get(page("detail", transfer)).status_code == 200
    answer = upload(super_admin, "services", file, clinic=str(third.clinic.id))
    assert answer.status_code == 302


def test_exports_through_the_page(cast, outsider, admin):
    build_patient(cast.clinic, "Ann", "Other", is_active=False)
    exports = reverse("admin:transfer_export")
    assert admin.get(exports).status_code == 200
    answer = admin.post(exports, {"kind": "patients", "file_format": "csv", "only_active": "on"})
    assert answer.streaming
    assert f"{cast.clinic.slug}-patients-" in answer["Content-Disposition"]
    rows = rows_of(b"".join(answer.streaming_content))
    assert {row["mrn"] for row in rows} == {cast.patient.mrn, cast.neighbour.mrn}
    with tenancy.scope([cast.clinic.id]):
        act = AuditEvent.objects.get(action="patients.exported")
    assert act.actor_id == cast.clinic_admin.id
    assert act.request_id
    answer = admin.post(exports, {"kind": "hours", "file_format": "xlsx"})
    book = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
    assert book.active.max_row == 2
    wanted = {"kind": "appointments", "file_format": "csv", "doctor": outsider.doctor.display_name}
    assert "no doctor" in admin.post(exports, wanted).content.decode()
    wanted = {"kind": "appointments", "file_format": "csv", "since": "2026-02-01"}
    answer = admin.post(exports, wanted | {"until": "2026-01-01"})
    assert not answer.streaming
    assert admin.post(exports, {"kind": "secrets", "file_format": "csv"}).streaming is False


def test_a_large_file_waits_for_a_worker_and_shows_how_far_it_is(cast, admin, settings):
    settings.TRANSFER_REQUEST_LINES = 1
    upload(admin, "patients", as_csv(HEADER, [("1", "Ada", ""), ("2", "Ben", "")]))
    transfer = newest(cast)
    answer = admin.post(page("columns", transfer), chosen(transfer))
    shown = admin.get(answer.url).content.decode()
    assert "data-transfer-progress" in shown
    assert "another worker" not in shown
    told = admin.get(page("progress", transfer)).json()
    assert told == {
        "state": "CHECK_QUEUED",
        "label": "Waiting for the check",
        "done": 0,
        "lines": 2,
        "percent": 0,
        "bad": 0,
        "under_way": True,
    }
    # Nothing else can be done with it meanwhile.
    for name in ("run", "discard"):
        assert admin.post(page(name, transfer), {"bad_lines": "stop"}).status_code == 409
    assert admin.get(page("columns", transfer)).status_code == 302
    with tenancy.scope([cast.clinic.id]):
        Transfer.objects.update(queued_at=clock.now() - 2 * _SILENT)
    assert "another worker" in admin.get(answer.url).content.decode()
    assert admin.post(page("continue", transfer)).status_code == 302


def test_a_discarded_import_says_so(cast, admin):
    upload(admin, "patients", as_csv(HEADER, [("1", "Ada", "")]))
    transfer = newest(cast)
    assert admin.post(page("discard", transfer)).status_code == 302
    assert "have been removed" in admin.get(page("detail", transfer)).content.decode()
    assert admin.post(page("run", transfer), {"bad_lines": "stop"}).status_code == 409


def test_the_report_is_read_page_by_page(cast, admin):
    rows = [(str(n), "", "") for n in range(120)]
    upload(admin, "patients", as_csv(HEADER, rows))
    transfer = newest(cast)
    address = admin.post(page("columns", transfer), chosen(transfer)).url
    seen: list[int] = []
    while True:
        answer = admin.get(address)
        shown = answer.content.decode()
        seen += [fault.line for fault in answer.context["faults"]]
        if not answer.context["more"]:
            break
        address = f"{page('detail', transfer)}?after={answer.context['more']}"
    assert seen == list(range(2, 122))
    assert "First page" in shown
    assert admin.get(f"{page('detail', transfer)}?after=nonsense").status_code == 404
    report = b"".join(admin.get(page("faults", transfer)).streaming_content)
    assert len(rows_of(report)) == 120


def test_a_register_with_its_mapping(cast, admin):
    content = text(register(40, patients=12)).encode()
    mapping = SimpleUploadedFile("mapping.toml", DAYS.encode())
    answer = upload(admin, "appointments", content, mapping=mapping)
    transfer = newest(cast)
    assert "The mapping says" in admin.get(answer.url).content.decode()
    form = {"country": "", "bad_lines": "skip"}
    admin.post(answer.url, form)
    admin.post(page("run", transfer), {"bad_lines": "skip"})
    assert newest(cast).state == TransferState.DONE
    assert newest(cast).fresh == 37
    broken = SimpleUploadedFile("mapping.toml", b"system = ")
    assert "The mapping" in upload(admin, "appointments", content, mapping=broken).content.decode()
