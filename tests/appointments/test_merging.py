"""Two charts of one person: what a merge moves, what it refuses, and that it can be undone."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Appointment
from appointments.services.bulk import NewVisit, Step, appointments_insert
from appointments.services.merging import merge_preview, patients_merge
from clinics.models import Patient
from clinics.principal import Principal
from clinics.selectors.patients import patients_search
from core import clock, ids, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from tests import budgets
from tests.appointments.merging_acts import (
    REASON,
    chart,
    double,
    everything,
    let_act,
    merge,
    merged,
    patient_of,
    preview,
    proxies,
    undo,
    undone,
)
from tests.appointments.moments import berlin
from tests.appointments.scene import Person, Scene, person
from tests.appointments.traces import refused

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
