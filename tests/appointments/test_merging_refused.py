"""Charts that are not merged: clashing, foreign, merged already, changed meanwhile."""

from datetime import timedelta

import pytest

from appointments.models import BusyTime, PatientMerge
from clinics.models import Patient
from core import ids, tenancy
from tests.appointments.merging_acts import (
    REASON,
    chart,
    double,
    everything,
    merge,
    merged,
    preview,
    undo,
)
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Scene, person
from tests.appointments.traces import nothing_left_behind, refused, without_request


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
