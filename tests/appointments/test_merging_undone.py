"""A merge is taken back: what was as it was, and what came after it stays."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from appointments.models import AppointmentSeries, PatientMerge
from clinics.models import Patient, PatientProxy
from core import tenancy
from tests.appointments.merging_acts import (
    REASON,
    chart,
    double,
    everything,
    let_act,
    merge,
    merged,
    patient_of,
    proxies,
    undo,
    undone,
)
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene, person
from tests.appointments.test_series import create
from tests.appointments.traces import refused


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


def test_a_series_goes_over_with_its_visits_and_comes_back(cast: Scene):
    gone = double(cast.own)
    made = create(cast.own, patient=gone.id)
    merge_made = merged(cast.own, gone)
    assert series_patient(made) == cast.own.chart.id
    undone(cast.own, merge_made)
    assert series_patient(made) == gone.id


def series_patient(made: dict[str, Any]) -> UUID:
    with tenancy.scope(tenancy.SYSTEM):
        return AppointmentSeries.objects.get(pk=made["id"]).patient_id
