"""Charts: found however they are typed, by nobody outside, and never without a trace."""

import itertools
import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.services import users
from clinics.models import Patient
from clinics.services import patients as service
from clinics.services.patients import mrn_reserve, patient_create
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from tests.casts import Cast, build_cast, build_patient, signed_in


@pytest.fixture
def charts(cast: Cast, outsider: Cast) -> dict[str, Patient]:
    """A few to be found, and the same people again at the outsider's."""
    made: dict[str, Patient] = {}
    for clinic in (outsider.clinic, cast.clinic):
        made = {
            "müller": build_patient(
                clinic, "Jürgen", "Müller", phone="+493055512345", mrn="A-1001"
            ),
            "garcia": build_patient(
                clinic, "José", "García", birth_date="1980-02-29", mrn="A-1002"
            ),
            "patel": build_patient(clinic, "Priyanka", "Patel", mrn="B-77"),
        }
    return made


def found(cast: Cast, q: str, **more: str) -> list[str]:
    answer = signed_in(cast.receptionist).get("/api/v1/patients", {"q": q, **more})
    assert answer.status_code == 200, answer.json()
    return [patient["id"] for patient in answer.json()["results"]]


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("Müller", "müller"),
        ("muller", "müller"),
        ("Mueler", "müller"),
        ("garzia", "garcia"),
        ("jurgen mul", "müller"),
        ("Garcia", "garcia"),
        ("josé garzia", "garcia"),
        ("priyanca", "patel"),
        ("12345", "müller"),
        ("555-12345", "müller"),
        ("A-1001", "müller"),
        ("a-1002", "garcia"),
        ("1980-02-29", "garcia"),
        ("29.02.1980", "garcia"),
        ("29/02/1980", "garcia"),
    ],
)
def test_found_as_typed(cast: Cast, charts: dict[str, Patient], typed: str, who: str) -> None:
    assert found(cast, typed)[:1] == [str(charts[who].id)]


@pytest.mark.parametrize("typed", ["Zebrowski", "99999", "C-", "1999-01-01", "%", "_", "\\", "'"])
def test_not_found(cast: Cast, charts: dict[str, Patient], typed: str) -> None:
    assert found(cast, typed) == []


def test_the_outsiders_patients_are_not_found(
    cast: Cast, outsider: Cast, charts: dict[str, Patient]
) -> None:
    client = signed_in(cast.receptionist)
    for typed in ("Müller", "12345", "A-1001", "1980-02-29"):
        for patient in client.get("/api/v1/patients", {"q": typed}).json()["results"]:
            assert patient["clinic"] == str(cast.clinic.id)
        asked = client.get("/api/v1/patients", {"q": typed, "clinic": str(outsider.clinic.id)})
        assert asked.json()["results"] == []


def test_a_patient_finds_nobody(cast: Cast, charts: dict[str, Patient]) -> None:
    client = signed_in(cast.patient_user)
    assert client.get("/api/v1/patients", {"q": "Müller"}).json()["results"] == []
    assert client.get(f"/api/v1/patients/{cast.neighbour.id}").status_code == 404
    own = client.get("/api/v1/patients").json()["results"]
    assert [patient["id"] for patient in own] == [str(cast.patient.id)]


@pytest.mark.parametrize(
    "query",
    [
        {"q": "a\x00b"},
        {"q": "a" * 101},
        {"q": "a", "mrn": "x"},
        {"q": "a", "limit": "0"},
        {"q": "a", "clinic": "x"},
        {"surname": "Müller"},
        {"birth_date": "yesterday"},
        {"clinic": "x"},
        {"cursor": "x"},
        {"cursor": "WyJhIl0"},
        {"cursor": "WyJhIiwiYiIsImMiXQ"},
        {"limit": "101"},
        {"limit": "-1"},
        {"limit": "²"},
    ],
)
def test_a_list_refuses(cast: Cast, query: dict[str, str]) -> None:
    answer = signed_in(cast.receptionist).get("/api/v1/patients", query)
    assert answer.status_code == 400
    assert answer.json()["code"] == "VALIDATION_ERROR"


def test_pages_follow_one_another(cast: Cast) -> None:
    for number in range(7):
        build_patient(cast.clinic, "Same", "Name" if number % 2 else "Other")
    client = signed_in(cast.receptionist)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = client.get("/api/v1/patients", query).json()
        seen += [patient["id"] for patient in page["results"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 9


def create(cast: Cast, **fields: Any) -> Any:
    body = {"clinic": str(cast.clinic.id), "given_name": "New", **fields}
    return signed_in(cast.receptionist).post(
        "/api/v1/patients", body, content_type="application/json"
    )


def test_create_writes_the_number_and_the_phone(cast: Cast) -> None:
    answer = create(cast, phone="030 901820", contact_preferences={"sms": True})
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert body["phone"] == "+4930901820", "a national number, of the clinic's country"
    assert len(body["mrn"]) == 9
    assert luhn(body["mrn"])
    assert answer.headers["ETag"] == '"1"'
    with tenancy.scope(tenancy.SYSTEM):
        event = AuditEvent.objects.get(action="patient.created", entity_id=body["id"])
        assert [str(one) for one in event.subjects] == [body["id"]]
        assert event.actor_id == cast.receptionist.id
        assert OutboxEvent.objects.filter(topic="patient.created", payload__id=body["id"]).exists()


def luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"phone": "call me"}, "phone"),
        ({"given_name": ""}, "given_name"),
        ({"given_name": "a" * 201}, "given_name"),
        ({"given_name": "a\x00"}, "given_name"),
        ({"email": "x"}, "email"),
        ({"birth_date": "2020-13-01"}, "birth_date"),
        ({"sex": "x"}, "sex"),
        ({"contact_preferences": {"fax": True}}, "contact_preferences.fax"),
        ({"contact_preferences": {"a\x00": True}}, "contact_preferences.a\x00"),
        ({"clinic": "x"}, "clinic"),
        ({"surname": "x"}, "surname"),
        ({"notes": "n" * 4001}, "notes"),
    ],
)
def test_create_refuses(cast: Cast, fields: dict[str, Any], field: str) -> None:
    answer = create(cast, **fields)
    assert answer.status_code == 400
    assert field in answer.json()["errors"], answer.json()


def test_a_taken_record_number_is_a_conflict(cast: Cast, outsider: Cast) -> None:
    assert create(cast, mrn="X-1").status_code == 201
    again = create(cast, mrn="X-1")
    assert again.status_code == 409
    assert again.json()["detail"] == "The clinic has a patient with this record number."
    assert create(outsider, mrn="X-1").status_code == 201, "another clinic counts for itself"


def test_the_same_key_creates_once(cast: Cast) -> None:
    client = signed_in(cast.receptionist)
    body = {"clinic": str(cast.clinic.id), "given_name": "Once"}
    sent: dict[str, Any] = {
        "content_type": "application/json",
        "headers": {"Idempotency-Key": uuid4().hex},
    }
    first = client.post("/api/v1/patients", body, **sent)
    second = client.post("/api/v1/patients", body, **sent)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    other = client.post("/api/v1/patients", body | {"given_name": "Other"}, **sent)
    assert other.json()["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.django_db(transaction=True)
def test_record_numbers_never_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread draws the same numbers in the same order; each still gets one of its own."""
    cast = build_cast("home")
    drawn = threading.local()

    def same_numbers(_: int) -> int:
        if not hasattr(drawn, "numbers"):
            drawn.numbers = itertools.count(10_000_000)
        return next(drawn.numbers)

    monkeypatch.setattr(service.secrets, "randbelow", same_numbers)
    ready = threading.Barrier(6)
    numbers: list[str] = []

    def run() -> None:
        try:
            ready.wait(5)
            with tenancy.scope([cast.clinic.id]):
                patient = patient_create(clinic=cast.clinic, fields={"given_name": "New"})
            numbers.append(patient.mrn)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(numbers) == len(set(numbers)) == 6


def test_a_number_that_is_taken_is_not_drawn(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([1, 1, 2])
    monkeypatch.setattr(service.secrets, "randbelow", lambda _: next(draws))
    with tenancy.scope([cast.clinic.id]):
        first = patient_create(clinic=cast.clinic, fields={"given_name": "New"})
        assert mrn_reserve(clinic_id=cast.clinic.id) != first.mrn


def change(cast: Cast, user: Any, patient: Patient, body: dict[str, Any], **headers: str) -> Any:
    return signed_in(user).patch(
        f"/api/v1/patients/{patient.id}", body, content_type="application/json", headers=headers
    )


def test_a_patient_changes_own_contact_data_only(cast: Cast) -> None:
    done = change(cast, cast.patient_user, cast.patient, {"email": "a@example.test"})
    assert done.status_code == 200
    refused = change(
        cast, cast.patient_user, cast.patient, {"given_name": "X", "email": "b@b.test"}
    )
    assert refused.status_code == 403
    with tenancy.scope([cast.clinic.id]):
        row = Patient.objects.get(id=cast.patient.id)
    assert (row.email, row.given_name) == ("a@example.test", "Anna"), "a refusal leaves nothing"


def test_a_patient_may_put_the_whole_chart_back(cast: Cast) -> None:
    client = signed_in(cast.patient_user)
    body = client.get(f"/api/v1/patients/{cast.patient.id}").json()
    answer = client.put(
        f"/api/v1/patients/{cast.patient.id}",
        body | {"language": "de"},
        content_type="application/json",
    )
    assert answer.status_code == 200, answer.json()
    assert answer.json()["language"] == "de"


def test_if_match(cast: Cast) -> None:
    first = change(cast, cast.nurse, cast.patient, {"region": "Berlin"}, **{"If-Match": '"1"'})
    assert first.headers["ETag"] == '"2"'
    late = change(cast, cast.nurse, cast.patient, {"region": "Bonn"}, **{"If-Match": '"1"'})
    assert late.json()["code"] == "PRECONDITION_FAILED"
    weak = change(cast, cast.nurse, cast.patient, {"region": "Bonn"}, **{"If-Match": 'W/"2"'})
    assert weak.status_code == 200, "compression weakens tags; the version is the same"
    odd = change(cast, cast.nurse, cast.patient, {"region": "Ulm"}, **{"If-Match": '"x"'})
    assert odd.status_code == 412


def test_a_chart_does_not_move_to_another_clinic(cast: Cast, outsider: Cast) -> None:
    answer = change(cast, cast.nurse, cast.patient, {"clinic": str(outsider.clinic.id)})
    assert answer.status_code == 400


def test_notes_are_for_who_may_read_clinical_text(cast: Cast) -> None:
    assert change(cast, cast.nurse, cast.patient, {"notes": "allergic"}).status_code == 200
    for user, expected in [
        (cast.receptionist, "allergic"),
        (cast.doctor_user, "allergic"),
        (cast.finance, None),
        (cast.support, None),
        (cast.pharmacist, None),
        (cast.patient_user, None),
    ]:
        client = signed_in(user)
        one = client.get(f"/api/v1/patients/{cast.patient.id}").json()
        listed = client.get("/api/v1/patients", {"mrn": cast.patient.mrn}).json()["results"][0]
        assert one["notes"] == listed["notes"] == expected


def reads(action: str) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(action=action))


def test_every_chart_shown_is_written_down(cast: Cast) -> None:
    client = signed_in(cast.receptionist)
    client.get(f"/api/v1/patients/{cast.patient.id}")
    client.get("/api/v1/patients")
    client.get("/api/v1/patients", {"q": "Nachbar"})
    client.get(f"/api/v1/clinics/{cast.clinic.id}/patients")
    (read,), listed, (searched,) = (
        reads("patient.read"),
        reads("patient.listed"),
        reads("patient.searched"),
    )
    assert (read.entity_id, read.actor_id) == (cast.patient.id, cast.receptionist.id)
    assert len(listed) == 2
    assert set(listed[0].subjects) == {cast.patient.id, cast.neighbour.id}
    assert searched.subjects == [cast.neighbour.id]
    assert {event.clinic_id for event in (read, searched, *listed)} == {cast.clinic.id}


def test_a_refused_look_is_not_a_look(cast: Cast, outsider: Cast) -> None:
    signed_in(cast.receptionist).get(f"/api/v1/patients/{outsider.patient.id}")
    assert reads("patient.read") == []


def test_a_proxy_reaches_the_childs_chart(cast: Cast) -> None:
    parent, _ = users.user_get_or_invite(email="parent@example.test")
    with tenancy.scope([cast.clinic.id]):
        cast.neighbour.proxies.create(clinic=cast.clinic, user=parent, relation="PARENT")
    client = signed_in(parent)
    assert client.get(f"/api/v1/patients/{cast.neighbour.id}").status_code == 200
    assert client.get(f"/api/v1/patients/{cast.patient.id}").status_code == 404
