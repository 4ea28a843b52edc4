"""Two charts of one person: what a merge moves, what it refuses, and that it can be undone."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from appointments.models import Appointment, BusyTime, PatientMerge
from appointments.services.bulk import NewVisit, Step, appointments_insert
from appointments.services.merging import merge_preview, patients_merge
from clinics.models import Patient, PatientProxy
from clinics.principal import Principal
from clinics.selectors.patients import patients_search
from core import clock, ids, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from tests import budgets
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, Person, Scene, person
from tests.appointments.traces import nothing_left_behind, refused, without_request

REASON = {"reason": "Entered twice"}


def double(house: House, user: Person | None = None, **fields: Any) -> Patient:
    """A second chart of the house's patient."""
    chart = house.add_chart(user)
    if fields:
        with tenancy.scope(tenancy.SYSTEM):
            Patient.objects.filter(pk=chart.pk).update(**fields)
    return chart


def merge(
    house: House, gone: Patient, kept: Patient | None = None, by: Person | None = None, **body: Any
) -> Any:
    keep = kept or house.chart
    return (by or house.reception).api.post(
        f"patients/{keep.id}/merge", REASON | {"duplicate": gone.id} | body
    )


def merged(house: House, gone: Patient, kept: Patient | None = None, **body: Any) -> dict[str, Any]:
    answer = merge(house, gone, kept, **body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def undo(house: House, made: dict[str, Any], by: Person | None = None) -> Any:
    return (by or house.reception).api.post(f"patient-merges/{made['id']}/undo", REASON)


def undone(house: House, made: dict[str, Any]) -> dict[str, Any]:
    answer = undo(house, made)
    assert answer.status_code == 200, answer.content
    return answer.json()


def preview(house: House, gone: Patient, by: Person | None = None) -> Any:
    path = f"patients/{house.chart.id}/merge-preview"
    return (by or house.reception).api.get(path, duplicate=gone.id)


def chart(patient: Patient) -> Patient:
    with tenancy.scope(tenancy.SYSTEM):
        return Patient.objects.get(pk=patient.pk)


def patient_of(visit: dict[str, Any]) -> tuple[UUID, set[UUID | None]]:
    """Whose the visit is, and whose its claims are."""
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=visit["id"]).patient_id, set(
            BusyTime.objects.filter(appointment_id=visit["id"]).values_list("patient_id", flat=True)
        )


def let_act(house: House, patient: Patient, user: Person, until: date | None = None) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.create(
            clinic=house.clinic,
            patient=patient,
            user=user.user,
            relation="CARER",
            valid_until=until,
        )


def proxies(patient: Patient) -> dict[UUID, date | None]:
    with tenancy.scope(tenancy.SYSTEM):
        return dict(
            PatientProxy.objects.filter(patient=patient).values_list("user_id", "valid_until")
        )


def everything(*charts: Patient) -> list[dict[str, Any]]:
    """Every row of the charts, less what rises with each change."""
    which = [one.id for one in charts]
    with tenancy.scope(tenancy.SYSTEM):
        rows: list[dict[str, Any]] = [
            *Patient.objects.filter(id__in=which).order_by("id").values(),
            *PatientProxy.objects.filter(patient_id__in=which).order_by("id").values(),
            *Appointment.objects.filter(patient_id__in=which).order_by("id").values(),
            *BusyTime.objects.filter(patient_id__in=which).order_by("id").values(),
        ]
    for row in rows:
        row.pop("version", None)
        row.pop("updated_at", None)
    return rows


# --- Merging --------------------------------------------------------------------------------------


def test_visits_go_over_with_their_claims_and_rise_in_version(cast: Scene):
    own = cast.own
    gone = double(own)
    open_visit = own.book(berlin(), patient=gone.id)
    past = own.book(berlin(hour=10), patient=gone.id)
    own.reception.api.post(f"appointments/{past['id']}/cancel", REASON)
    stays = own.book(berlin(hour=11))
    made = merged(own, gone)
    assert patient_of(open_visit) == (own.chart.id, {own.chart.id})
    assert patient_of(past) == (own.chart.id, set())
    assert patient_of(stays) == (own.chart.id, {own.chart.id})
    assert set(made["appointments"]) == {open_visit["id"], past["id"]}
    now = own.reception.api.get(f"appointments/{open_visit['id']}")
    assert (now.json()["patient"], now.json()["version"]) == (str(own.chart.id), 2)
    stale = own.reception.api.patch(
        f"appointments/{open_visit['id']}", {"reason": "x"}, **{"If-Match": '"1"'}
    )
    refused(stale, 412, "PRECONDITION_FAILED")


def test_the_duplicate_stays_as_it_was_and_points_to_the_kept(cast: Scene):
    gone = double(cast.own, phone="+4930901820", external_id="OLD-7", notes="Afraid of needles")
    merged(cast.own, gone)
    after = chart(gone)
    assert (after.merged_into_id, after.is_active) == (cast.own.chart.id, False)
    assert (after.mrn, after.external_id) == (gone.mrn, "OLD-7")
    assert (after.phone, after.notes) == ("+4930901820", "Afraid of needles")
    shown = cast.own.reception.api.get(f"patients/{gone.id}").json()
    assert shown["merged_into"] == str(cast.own.chart.id)


def test_what_is_empty_is_taken_and_nothing_else_unless_told(cast: Scene):
    gone = double(
        cast.own,
        family_name="Doe",
        birth_date=date(1980, 2, 29),
        sex="female",
        phone="+4930901820",
        contact_preferences={"sms": True},
    )
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=cast.own.chart.pk).update(phone="+4930555", sex="unknown")
    made = merged(cast.own, gone)
    kept = chart(cast.own.chart)
    assert (kept.family_name, kept.birth_date, kept.sex) == ("Doe", date(1980, 2, 29), "female")
    assert kept.contact_preferences == {"sms": True}
    assert (kept.phone, kept.given_name) == ("+4930555", cast.own.chart.given_name)
    assert set(made["taken"]) == {"family_name", "birth_date", "sex", "contact_preferences"}


def test_told_which_fields_to_take_it_takes_those(cast: Scene):
    gone = double(cast.own, family_name="Doe", given_name="Jane", phone="+4930901820")
    merged(cast.own, gone, take=["given_name", "phone"])
    kept = chart(cast.own.chart)
    assert (kept.given_name, kept.phone, kept.family_name) == ("Jane", "+4930901820", "")


def test_an_account_goes_over_to_a_chart_without_one(cast: Scene):
    own = cast.own
    kept, gone = double(own), own.chart  # the house's chart has the patient's account
    visit = own.book(berlin(), patient=kept.id)
    merged(own, gone, kept)
    assert (chart(kept).user_id, chart(gone).user_id) == (own.patient.id, None)
    seen = own.patient.api.get("appointments/my-appointments").json()["results"]
    assert [row["id"] for row in seen] == [visit["id"]]


def test_of_two_accounts_each_keeps_its_own_and_the_preview_says_so(cast: Scene):
    second = person("second")
    gone = double(cast.own, second)
    told = preview(cast.own, gone).json()
    assert [(one["kind"], one["blocking"]) for one in told["conflicts"]] == [
        ("TWO_ACCOUNTS", False)
    ]
    assert told["possible"]
    merged(cast.own, gone)
    assert chart(cast.own.chart).user_id == cast.own.patient.id
    refused(second.api.get("patients"), 403, "PERMISSION_DENIED")


def test_proxies_go_over_and_who_acts_for_both_keeps_the_longer_right(cast: Scene):
    own = cast.own
    gone = double(own)
    mother, father, aunt = person("mother"), person("father"), person("aunt")
    let_act(own, gone, mother)
    let_act(own, own.chart, father, date(2035, 7, 1))
    let_act(own, gone, father, date(2036, 7, 1))
    let_act(own, own.chart, aunt)
    let_act(own, gone, aunt, date(2036, 7, 1))
    counted = preview(own, gone).json()["moves"]
    assert (counted["proxies"], counted["proxies_shared"]) == (1, 2)
    merged(own, gone)
    assert proxies(gone) == {}
    assert proxies(own.chart) == {mother.id: None, father.id: date(2036, 7, 1), aunt.id: None}
    assert [row["id"] for row in mother.api.get("patients").json()["results"]] == [
        str(own.chart.id)
    ]


def test_both_charts_are_in_the_trail_and_announced(cast: Scene):
    gone = double(cast.own, region="Berlin")
    visit = cast.own.book(berlin(), patient=gone.id)
    made = merged(cast.own, gone)
    undone(cast.own, made)
    with tenancy.scope(tenancy.SYSTEM):
        for action, before, after in (
            ("patient.merged", "", "Berlin"),
            ("patient.unmerged", "Berlin", ""),
        ):
            act = AuditEvent.objects.get(action=action)
            assert set(act.subjects) == {cast.own.chart.id, gone.id}
            assert act.changes["region"] == [before, after]
            assert act.changes["reason"] == [None, "Entered twice"]
            assert [visit["id"]] in act.changes["appointments"]
            assert act.actor_id == cast.own.reception.id
            event = OutboxEvent.objects.get(topic=action)
            assert event.payload["kept"] == str(cast.own.chart.id)
            assert event.payload["duplicate"] == str(gone.id)


# --- The preview ----------------------------------------------------------------------------------


def test_the_preview_compares_counts_and_changes_nothing(cast: Scene):
    own = cast.own
    gone = double(own, family_name="Doe", notes="Deaf")
    own.book(berlin(), patient=gone.id)
    cancelled = own.book(berlin(hour=10), patient=gone.id)
    own.reception.api.post(f"appointments/{cancelled['id']}/cancel", REASON)
    before = everything(own.chart, gone)
    told = preview(own, gone).json()
    assert everything(own.chart, gone) == before
    fields = {pair["name"]: pair for pair in told["fields_compared"]}
    assert fields["family_name"] == {
        "name": "family_name",
        "kept": "",
        "duplicate": "Doe",
        "takes": "duplicate",
    }
    assert fields["given_name"]["takes"] == "kept"
    assert fields["notes"]["duplicate"] == "Deaf"
    assert told["moves"] == {
        "visits": 2,
        "open_visits": 1,
        "proxies": 0,
        "proxies_shared": 0,
        "account": False,
    }
    assert (told["conflicts"], told["possible"]) == ([], True)
    assert told["duplicate"]["mrn"] == gone.mrn
    with tenancy.scope(tenancy.SYSTEM):
        act = AuditEvent.objects.get(action="patient.compared")
        assert set(act.subjects) == {own.chart.id, gone.id}


def test_what_the_preview_promises_is_what_the_merge_does(cast: Scene):
    gone = double(cast.own, family_name="Doe", phone="+4930901820")
    told = preview(cast.own, gone).json()
    made = merged(cast.own, gone, duplicate_version=told["duplicate"]["version"])
    promised = {pair["name"] for pair in told["fields_compared"] if pair["takes"] == "duplicate"}
    assert set(made["taken"]) == promised


# --- Refusals -------------------------------------------------------------------------------------


def test_two_visits_at_one_time_are_refused_and_nothing_is_half_done(cast: Scene):
    own = cast.own
    gone = double(own, family_name="Doe")
    second = own.add_doctor()
    own.add_hours(second)
    own.book(berlin(hour=9), patient=gone.id)
    own.book(berlin(hour=10), patient=gone.id, doctor=second.id)
    own.book(berlin(hour=10))
    told = preview(own, gone).json()
    assert not told["possible"]
    assert [(one["kind"], one["starts_at"]) for one in told["conflicts"]] == [
        ("VISITS_AT_ONCE", "2035-06-05T08:00:00Z")
    ]
    before = everything(own.chart, gone)
    with nothing_left_behind():
        body = refused(merge(own, gone), 409, "PATIENT_CONFLICT")
    assert "cancel or move one of them" in body["detail"]
    assert body["starts_at"] == ["2035-06-05T08:00:00Z"]
    assert everything(own.chart, gone) == before


def test_the_constraint_refuses_where_the_look_before_missed_it(cast: Scene, monkeypatch):
    monkeypatch.setattr("appointments.services.merging.visits_at_once", lambda *_: [])
    own = cast.own
    gone = double(own)
    second = own.add_doctor()
    own.add_hours(second)
    own.book(berlin(), patient=gone.id, doctor=second.id)
    own.book(berlin())
    before = everything(own.chart, gone)
    refused(merge(own, gone), 409, "PATIENT_CONFLICT")
    assert everything(own.chart, gone) == before


@pytest.mark.parametrize(("expires", "status"), [(-1, 201), (5, 409)])
def test_a_hold_is_in_the_way_until_it_expires(cast: Scene, expires: int, status: int):
    own = cast.own
    gone = double(own)
    second = own.add_doctor()
    own.add_hours(second)
    own.book(berlin(), patient=gone.id, doctor=second.id)
    held = own.reception.api.post("slots/holds", own.request(berlin()))
    assert held.status_code == 201
    with tenancy.scope(tenancy.SYSTEM):
        BusyTime.objects.filter(pk=held.json()["id"]).update(
            expires_at=NOW + timedelta(minutes=expires)
        )
    assert preview(own, gone).json()["possible"] == (status == 201)
    assert merge(own, gone).status_code == status


def test_one_chart_twice_an_unknown_one_and_no_reason(cast: Scene):
    own = cast.own
    gone = double(own)
    with nothing_left_behind():
        refused(merge(own, own.chart), 400, "VALIDATION_ERROR", duplicate="same chart")
        refused(merge(own, gone, reason=" "), 400, "VALIDATION_ERROR")
        refused(merge(own, gone, take=["mrn"]), 400, "VALIDATION_ERROR")
        refused(merge(own, gone, duplicate="x"), 400, "VALIDATION_ERROR")
        path = f"patients/{own.chart.id}/merge-preview"
        refused(own.reception.api.get(path), 400, "VALIDATION_ERROR", duplicate="id of a chart")
        refused(own.reception.api.get(path, duplicate=gone.id, x=1), 400, "VALIDATION_ERROR")
        undo_of = {"id": ids.uuid7()}
        refused(undo(own, undo_of), 404, "NOT_FOUND")


def test_a_foreign_chart_is_as_an_unknown_one(cast: Scene):
    """On either side, for staff of the one clinic, of both, and of the whole installation."""
    own, other = cast.own, cast.other
    everywhere = person("everywhere")
    everywhere.user.is_superuser = True
    everywhere.user.save(update_fields=["is_superuser"])
    gone = double(own)
    unknown = Patient(id=ids.uuid7())
    for by in (own.reception, everywhere):
        answers = [
            (merge(own, other.chart, by=by), merge(own, unknown, by=by)),
            (preview(own, other.chart, by=by), preview(own, unknown, by=by)),
        ]
        for foreign, none in answers:
            assert without_request(refused(foreign, 404, "NOT_FOUND")) == without_request(
                refused(none, 404, "NOT_FOUND")
            )
    for by in (other.reception, other.admin, own.patient, other.patient):
        refused(merge(own, gone, by=by), 404, "NOT_FOUND")
        refused(merge(own, gone, unknown, by=by), 404, "NOT_FOUND")
    assert chart(gone).merged_into_id is None


def test_a_merge_of_another_clinic_is_not_there(cast: Scene):
    made = merged(cast.own, double(cast.own))
    for by in (cast.other.reception, cast.other.admin, cast.own.patient, cast.other.patient):
        refused(undo(cast.own, made, by=by), 404, "NOT_FOUND")
    with tenancy.scope([cast.other.clinic.id]):
        assert not PatientMerge.objects.exists()
    with tenancy.scope([cast.own.clinic.id]):
        assert PatientMerge.objects.get().undone_at is None


def test_a_merged_or_inactive_chart_is_not_merged_again(cast: Scene):
    own = cast.own
    gone, third, inactive = double(own), double(own), double(own, is_active=False)
    merged(own, gone)
    for pair in ((gone, own.chart), (gone, third), (third, gone)):
        body = refused(merge(own, *pair), 409, "CONFLICT")
        assert f"{gone.mrn} was merged" in body["detail"]
    body = refused(merge(own, inactive), 409, "CONFLICT")
    assert "not active" in body["detail"]
    refused(preview(own, gone), 409, "CONFLICT")


@pytest.mark.parametrize("stale", ["kept", "duplicate"])
def test_versions_that_have_passed_are_refused(cast: Scene, stale: str):
    own = cast.own
    gone = double(own)
    changed = own.chart if stale == "kept" else gone
    own.reception.api.patch(f"patients/{changed.id}", {"region": "Berlin"})
    body = REASON | {"duplicate": gone.id, "duplicate_version": 1}
    answer = own.reception.api.post(f"patients/{own.chart.id}/merge", body, **{"If-Match": '"1"'})
    refused(answer, 412, "PRECONDITION_FAILED")
    body["duplicate_version"] = chart(gone).version
    tag = f'"{chart(own.chart).version}"'
    fresh = own.reception.api.post(f"patients/{own.chart.id}/merge", body, **{"If-Match": tag})
    assert fresh.status_code == 201, fresh.content


def test_one_idempotency_key_merges_once(cast: Scene):
    gone = double(cast.own)
    body = REASON | {"duplicate": gone.id}
    path = f"patients/{cast.own.chart.id}/merge"
    answers = [
        cast.own.reception.api.post(path, body, **{"Idempotency-Key": "merge"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


# --- What a merged chart is afterwards ------------------------------------------------------------


def test_nothing_new_goes_into_a_merged_chart(cast: Scene):
    own = cast.own
    gone = double(own)
    merged(own, gone)
    booking = own.request(berlin(), patient=gone.id)
    refused(own.reception.api.post("appointments", booking), 404, "NOT_FOUND", patient="not found")
    refused(own.reception.api.post("slots/holds", booking), 404, "NOT_FOUND")
    answer = own.reception.api.patch(f"patients/{gone.id}", {"region": "Berlin"})
    assert "merged" in refused(answer, 409, "CONFLICT")["detail"]


def test_who_acted_for_a_chart_that_is_closed_does_so_no_longer(cast: Scene):
    carer = person("carer")
    gone = double(cast.own)
    let_act(cast.own, gone, carer)
    assert carer.api.get(f"patients/{gone.id}").status_code == 200
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=gone.pk).update(is_active=False)
    refused(carer.api.get(f"patients/{gone.id}"), 403, "PERMISSION_DENIED")


def test_an_import_follows_the_merge(cast: Scene):
    own = cast.own
    first, second = double(own), double(own)
    merged(own, first, second)
    merged(own, second)
    start = berlin(-30)
    visit = Appointment(
        id=ids.uuid7(),
        clinic=own.clinic,
        location=own.location,
        doctor=own.doctor,
        patient=first,
        type="IN_PERSON",
        status="COMPLETED",
        starts_at=start,
        ends_at=start + timedelta(minutes=30),
        timezone="Europe/Berlin",
        source="IMPORT",
    )
    history = [Step(verb="import", to_status="COMPLETED", at=clock.now())]
    with tenancy.scope([own.clinic.id]):
        assert not appointments_insert(
            clinic_id=own.clinic.id,
            visits=[NewVisit(appointment=visit, history=history)],
            action="appointments.imported",
        )
        assert Appointment.objects.get(pk=visit.id).patient_id == own.chart.id


@pytest.mark.parametrize("text", ["whole", "beginning"])
def test_a_record_number_finds_the_kept_chart(cast: Scene, text: str):
    own = cast.own
    first, second = double(own, mrn="OLD-4711"), double(own)
    typed = "old-4711" if text == "whole" else "OLD-47"
    search = lambda: [row.id for row in patients_search([own.clinic.id], typed)]  # noqa: E731
    with tenancy.scope([own.clinic.id, cast.other.clinic.id]):
        assert search() == [first.id]
        made = merged(own, first, second)
        assert search() == [second.id]
        later = merged(own, second)
        assert search() == [own.chart.id]
        assert patients_search([cast.other.clinic.id], typed) == []
        undone(own, later)
        undone(own, made)
        assert search() == [first.id]


# --- Undoing --------------------------------------------------------------------------------------


def test_undone_at_once_everything_is_as_it_was(cast: Scene):
    own = cast.own
    kept = double(own, family_name="", phone="+4930555")
    gone = own.chart
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=gone.pk).update(
            birth_date=date(1980, 2, 29),
            family_name="Doe",
            contact_preferences={"sms": False},
            notes="Deaf",
            sex="male",
        )
    mother, father, aunt = person("mother"), person("father"), person("aunt")
    let_act(own, gone, mother)
    let_act(own, kept, father, date(2035, 7, 1))
    let_act(own, gone, father)
    let_act(own, kept, aunt)
    let_act(own, gone, aunt, date(2035, 7, 1))
    own.book(berlin(), patient=gone.id)
    own.book(berlin(hour=10), patient=kept.id)
    cancelled = own.book(berlin(hour=11), patient=gone.id)
    own.reception.api.post(f"appointments/{cancelled['id']}/cancel", REASON)
    before = everything(kept, gone)
    made = merged(own, gone, kept, take=["birth_date", "phone", "notes", "contact_preferences"])
    assert everything(kept, gone) != before
    back = undone(own, made)
    assert everything(kept, gone) == before
    assert back["not_restored"] == {}
    assert back["undo_reason"] == "Entered twice"
    assert back["undone_by"] == str(own.reception.id)
    # And it can be merged once more.
    assert merge(own, gone, kept).status_code == 201


def test_what_came_after_the_merge_stays_and_is_reported(cast: Scene):
    own = cast.own
    gone = double(own, family_name="Doe", region="Berlin", phone="+4930901820")
    mother, father = person("mother"), person("father")
    let_act(own, gone, mother)
    let_act(own, gone, father)
    moved = own.book(berlin(), patient=gone.id)
    made = merged(own, gone)
    later = own.book(berlin(hour=10))
    own.reception.api.post(f"appointments/{moved['id']}/reschedule", {"starts_at": berlin(2)})
    own.reception.api.patch(f"patients/{own.chart.id}", {"family_name": "Smith"})
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.get(patient=own.chart, user=mother.user).delete()
    back = undone(own, made)
    assert patient_of(moved) == (gone.id, {gone.id})  # moved in time since: still its visit
    assert patient_of(later) == (own.chart.id, {own.chart.id})
    kept = chart(own.chart)
    assert (kept.family_name, kept.region, kept.phone) == ("Smith", "", "")
    assert proxies(own.chart) == {}
    assert list(proxies(gone)) == [father.id]
    assert back["not_restored"]["fields"] == ["family_name"]
    assert len(back["not_restored"]["proxies"]) == 1
    assert (chart(gone).merged_into_id, chart(gone).is_active) == (None, True)


def test_an_account_goes_back_unless_it_was_changed_since(cast: Scene):
    own = cast.own
    for changed in (False, True):
        user = person("twice")
        kept, gone = double(own), double(own, user)
        made = merged(own, gone, kept)
        if changed:
            with tenancy.scope(tenancy.SYSTEM):
                Patient.objects.filter(pk=kept.pk).update(user=None)
        back = undone(own, made)
        assert back["not_restored"] == ({"account": True} if changed else {})
        assert chart(gone).user_id == (None if changed else user.id)
        assert chart(kept).user_id is None


def test_a_merge_is_undone_once_and_in_its_turn(cast: Scene):
    own = cast.own
    first, second, third = double(own), double(own), double(own)
    one = merged(own, first, second)
    two = merged(own, third, second)
    three = merged(own, second)
    for early in (one, two):
        assert "undo it first" in refused(undo(own, early), 409, "CONFLICT")["detail"]
    undone(own, three)
    refused(undo(own, three), 409, "CONFLICT")
    refused(undo(own, one), 409, "CONFLICT")
    undone(own, two)
    undone(own, one)
    assert [chart(one).merged_into_id for one in (first, second, third)] == [None, None, None]


def test_the_database_keeps_one_merge_a_chart(cast: Scene):
    """Whoever gets past the services: not twice at once, and not into itself."""
    gone = double(cast.own)
    merged(cast.own, gone)
    fields = {"clinic": cast.own.clinic, "merged_by": cast.own.reception.user, "reason": "x"}
    with tenancy.scope(tenancy.SYSTEM):
        for kept, constraint in ((cast.own.chart, "merge_once"), (gone, "merge_two")):
            with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
                PatientMerge.objects.create(kept=kept, duplicate=gone, **fields)


# --- Rights and cost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"),
    [("admin", 201), ("reception", 201), ("nurse", 201), ("doctor_user", 201), ("patient", 404)],
)
def test_who_writes_charts_may_merge(cast: Scene, who: str, status: int):
    by: Person = getattr(cast.own, who)
    assert merge(cast.own, double(cast.own), by=by).status_code == status


def test_who_only_reads_charts_may_not(cast: Scene):
    """A therapist sees both charts; it is the right to write that is missing."""
    clinic = cast.own.clinic.id
    reader = Principal(
        user_id=cast.own.nurse.id,
        session_id=None,
        is_super_admin=False,
        locale="en",
        timezone="UTC",
        doctor_id=None,
        roles={clinic: frozenset({"THERAPIST"})},
        held={clinic: frozenset({"patient_read"})},
    )
    gone = double(cast.own)
    with tenancy.scope([cast.own.clinic.id]):
        for act in (
            lambda: merge_preview(by=reader, keep=cast.own.chart.id, duplicate=gone.id),
            lambda: patients_merge(
                by=reader, keep=cast.own.chart.id, duplicate=gone.id, reason="x"
            ),
        ):
            with pytest.raises(KairosError) as refusal:
                act()
            assert refusal.value.code == ErrorCode.PERMISSION_DENIED


#: Transactions, and the scope of a request inside the test's own transaction.
_PLUMBING = ("SAVEPOINT", "RELEASE", "SELECT set_config('app.clinics'")


def test_the_statements_are_the_same_at_1_3_and_30_visits(cast: Scene, settings: Any):
    settings.OUTBOX_KICK = False
    own = cast.own
    taken: dict[str, set[int]] = {"preview": set(), "merge": set(), "undo": set()}
    day = 1
    for number in (1, 3, 30):
        gone = double(own)
        for visit in range(number):
            own.book(
                berlin(day + visit // 10, 8 + visit % 10 // 2, 30 * (visit % 2)), patient=gone.id
            )
        day += 3
        made: dict[str, Any] = {}
        for name, act in (
            ("preview", lambda chart=gone: preview(own, chart)),
            ("merge", lambda chart=gone: merge(own, chart)),
            ("undo", lambda made=made: undo(own, made)),
        ):
            with CaptureQueriesContext(connection) as captured:
                answer = act()
            assert answer.status_code in {200, 201}, answer.content
            made.update(answer.json())
            taken[name].add(
                sum(not query["sql"].startswith(_PLUMBING) for query in captured.captured_queries)
            )
    assert taken == {
        "preview": {budgets.MERGE_PREVIEW},
        "merge": {budgets.MERGE},
        "undo": {budgets.MERGE_UNDO},
    }
