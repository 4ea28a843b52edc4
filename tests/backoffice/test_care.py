"""Continuing care in the back office: what its pages say, and what their buttons do."""

from datetime import timedelta
from typing import Any

import pytest

from appointments.models import Appointment
from core import tenancy
from followups.models import FollowUpPlan, WaitlistEntry
from tests.appointments.moments import NOW, berlin
from tests.backoffice.care_rows import invitation_made, plan_made, waiting_made
from tests.backoffice.filled import entry_form, plan_form
from tests.backoffice.sight import listed
from tests.backoffice.world import World, acts, at_the_desk, fresh, page, text, visit_in
from tests.backoffice.writing import added, saved

# --- Series ---------------------------------------------------------------------------------------


def test_a_series_shows_its_next_visits_and_what_was_left_out(home: World) -> None:
    coming = visit_in(home, "SCHEDULED", starts_at=berlin(7, 9), ends_at=berlin(7, 9, 30))
    with tenancy.scope(tenancy.SYSTEM):
        Appointment.objects.filter(pk=coming.pk).update(series=home.series, series_sequence=3)
    shown = at_the_desk(home.clinic_admin).get(
        page("appointments_appointmentseries_change", home.series.pk)
    )
    assert [visit.pk for visit, _at in shown.context["coming"]] == [coming.pk]
    assert page("appointments_appointment_change", coming.pk) in shown.content.decode()
    assert "The doctor is on leave" in text(shown)


def test_a_series_that_is_over_is_listed_when_asked_for(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        type(home.series).objects.filter(pk=home.series.pk).update(status="ENDED")
    client, address = (
        at_the_desk(home.clinic_admin),
        page("appointments_appointmentseries_changelist"),
    )

    def found(query: str) -> set[Any]:
        return {row.pk for row in client.get(address + query).context["cl"].result_list}

    assert found("") == set()
    assert found("?status=ENDED") == found("?status=all") == {home.series.pk}
    assert found(f"?q={home.patient.mrn}") == {home.series.pk}


# --- Plans ----------------------------------------------------------------------------------------


def test_a_plan_is_booked_with_its_visit_and_says_so(home: World) -> None:
    """The first Monday of July is a day of the doctor's."""
    client = at_the_desk(home.doctor_user)
    answer = added(client, "followups_followupplan", plan_form(home) | {"book": "on"})
    assert answer.status_code == 302
    assert "The visit is booked." in text(client.get(answer.headers["Location"]))
    with tenancy.scope(tenancy.SYSTEM):
        plan = FollowUpPlan.objects.exclude(pk=home.plan.pk).get(clinic=home.clinic)
        assert plan.follow_up_appointment is not None
        assert plan.medications == ["One tablet each morning", "A second one"]


def test_a_plan_that_cannot_be_booked_waits_and_says_why(home: World) -> None:
    client = at_the_desk(home.doctor_user)
    form = plan_form(home) | {"book": "on", "scheduled_for": "2035-07-01"}  # a Sunday
    answer = added(client, "followups_followupplan", form)
    assert "Outside working hours" in text(client.get(answer.headers["Location"]))
    with tenancy.scope(tenancy.SYSTEM):
        plan = FollowUpPlan.objects.exclude(pk=home.plan.pk).get(clinic=home.clinic)
        assert (plan.status, plan.waiting_code) == ("scheduled", "OUTSIDE_WORKING_HOURS")


def test_a_plan_that_follows_a_visit_needs_nothing_but_its_day(home: World) -> None:
    form = {
        "appointment": home.visit.pk,
        "days_after": "14",
        "follow_up_type": "routine",
        "priority": "NORMAL",
    }
    assert added(at_the_desk(home.doctor_user), "followups_followupplan", form).status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        plan = FollowUpPlan.objects.exclude(pk=home.plan.pk).get(clinic=home.clinic)
        assert (plan.patient_id, plan.doctor_id) == (home.visit.patient_id, home.visit.doctor_id)
        assert plan.scheduled_for == (NOW + timedelta(days=14)).date()


def test_what_waits_is_listed_until_something_else_is_asked_for(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        over = plan_made(home.cast, home.word, status="cancelled", cancel_reason="Moved away")
    client = at_the_desk(home.receptionist)
    assert listed(client, FollowUpPlan) == {home.plan.pk}
    address = page("followups_followupplan_changelist")
    for query, found in (
        ("?status=cancelled", {over.pk}),
        ("?status=all", {over.pk, home.plan.pk}),
        ("?status=all&from=2035-07-05", set()),
        ("?status=all&to=2035-07-05", {over.pk, home.plan.pk}),
        (f"?q={home.patient.mrn}", {over.pk, home.plan.pk}),
    ):
        shown = client.get(address + query).context["cl"].result_list
        assert {row.pk for row in shown} == found, query


@pytest.mark.parametrize(
    ("role", "reads"),
    [("clinic_admin", True), ("receptionist", True), ("doctor_user", True), ("support", False)],
)
def test_what_the_doctor_says_is_clinical(role: str, reads: bool, home: World) -> None:
    address = page("followups_followupplan_change", home.plan.pk)
    shown = text(at_the_desk(home.user(role)).get(address))
    assert home.patient.full_name in shown
    assert ("planinstructions" in shown) is reads
    assert ("planmedication" in shown) is reads


def test_the_page_of_a_plan_shows_how_its_patient_was_asked(home: World) -> None:
    shown = text(
        at_the_desk(home.receptionist).get(page("followups_followupplan_change", home.plan.pk))
    )
    assert "Rang twice" in shown
    assert "No answer" in shown


def test_a_plan_is_cancelled_with_a_reason(home: World) -> None:
    client, address = (
        at_the_desk(home.doctor_user),
        page("followups_followupplan_cancel", home.plan.pk),
    )
    assert client.post(address, {"version": 1, "reason": ""}).status_code == 400
    assert client.post(address, {"version": 9, "reason": "because"}).status_code == 400
    assert fresh(home.plan).status == "scheduled"
    assert client.post(address, {"version": 1, "reason": "because"}).status_code == 302
    assert (fresh(home.plan).status, fresh(home.plan).cancel_reason) == ("cancelled", "because")
    shown = client.get(page("followups_followupplan_change", home.plan.pk))
    assert 'name="_save"' not in text(shown)


# --- Invitations ----------------------------------------------------------------------------------


def test_an_invitation_is_withdrawn_once(home: World) -> None:
    client, address = (
        at_the_desk(home.receptionist),
        page("followups_followupinvitation_withdraw", home.invitation.pk),
    )
    assert client.post(address, {"version": 9}).status_code == 412
    assert fresh(home.invitation).status == "OPEN"
    assert client.post(address, {"version": 1}).status_code == 302
    assert fresh(home.invitation).status == "WITHDRAWN"
    (act,) = acts("followup.invitation_withdrawn", home.invitation.pk)
    assert act.actor_id == home.receptionist.pk
    assert client.post(address, {"version": 2}).status_code == 302  # still so, and no second act
    assert len(acts("followup.invitation_withdrawn")) == 1


@pytest.mark.parametrize(
    "fields",
    [{"status": "ACCEPTED"}, {"status": "EXPIRED"}, {"expires_at": NOW - timedelta(minutes=1)}],
    ids=["answered", "closed", "over"],
)
def test_an_invitation_that_is_over_is_not_withdrawn(fields: dict[str, Any], home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        made = invitation_made(plan_made(home.cast, home.word), **fields)
    client = at_the_desk(home.receptionist)
    address = page("followups_followupinvitation_withdraw", made.pk)
    assert client.post(address, {"version": 1}).status_code == 409
    assert fresh(made).status == made.status


def test_the_times_of_an_invitation_are_on_the_clocks_of_the_place(home: World) -> None:
    address = page("followups_followupinvitation_change", home.invitation.pk)
    shown = text(at_the_desk(home.receptionist).get(address))
    assert "Mon 9 Jul, 09:00" in shown
    assert "Mon 9 Jul, 10:00" in shown


# --- The waitlist ---------------------------------------------------------------------------------


def test_an_entry_keeps_the_days_and_doctors_that_were_chosen(home: World) -> None:
    answer = added(at_the_desk(home.receptionist), "followups_waitlistentry", entry_form(home))
    assert answer.status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        entry = WaitlistEntry.objects.get(patient=home.neighbour)
    assert (entry.weekdays, entry.doctors) == ([1, 3], [home.doctor.pk])
    saved(at_the_desk(home.receptionist), "followups_waitlistentry", entry, weekdays=["5"])
    assert fresh(entry).weekdays == [5]
    assert fresh(entry).doctors == [home.doctor.pk]


def test_an_entry_for_a_visit_takes_the_rest_from_it(home: World) -> None:
    later = visit_in(home, "SCHEDULED", starts_at=berlin(14, 9), ends_at=berlin(14, 9, 30))
    with tenancy.scope(tenancy.SYSTEM):
        WaitlistEntry.objects.filter(pk=home.waiting.pk).update(status="WITHDRAWN")
    form = {"appointment": later.pk, "urgency": "HIGH"}
    assert added(at_the_desk(home.receptionist), "followups_waitlistentry", form).status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        entry = WaitlistEntry.objects.get(appointment=later)
    assert (entry.patient_id, entry.service_id) == (later.patient_id, later.service_id)
    assert entry.latest == later.local_day


def test_a_clinician_sees_who_waits_for_them(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        anybody = waiting_made(home.cast, home.word, patient=home.neighbour, doctors=[])
    client = at_the_desk(home.doctor_user)
    assert listed(client, WaitlistEntry) == {home.waiting.pk}
    assert client.get(page("followups_waitlistentry_change", anybody.pk)).status_code == 404


def test_taking_somebody_off_the_list_ends_their_offers(home: World) -> None:
    client = at_the_desk(home.receptionist)
    address = page("followups_waitlistentry_withdraw", home.waiting.pk)
    assert client.post(address, {"version": 1}).status_code == 302
    assert fresh(home.waiting).status == "WITHDRAWN"
    assert fresh(home.offer).status == "WITHDRAWN"
    shown = client.get(page("followups_waitlistentry_change", home.waiting.pk))
    assert 'name="_save"' not in text(shown)


def test_the_ledger_is_found_by_entry_and_by_freed_time(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    for name, row in (("waitlistentry", home.waiting), ("waitlistopening", home.opening)):
        shown = client.get(page(f"followups_{name}_change", row.pk))
        (tool,) = [tool for tool in shown.context["tools"] if "waitlistoffer" in tool.href]
        found = client.get(tool.href).context["cl"].result_list
        assert [offer.pk for offer in found] == [home.offer.pk]


@pytest.mark.parametrize("name", ["contactattempt", "waitlistopening", "waitlistoffer"])
def test_records_are_never_written_here(name: str, home: World) -> None:
    row = {
        "contactattempt": home.asked,
        "waitlistopening": home.opening,
        "waitlistoffer": home.offer,
    }[name]
    client = at_the_desk(home.clinic_admin)
    for what in ("change", "delete"):
        forged = {"status": "ACCEPTED", "note": "forged", "post": "yes"}
        address = page(f"followups_{name}_{what}", row.pk)
        assert client.post(address, forged).status_code == 403
    assert fresh(row) is not None


@pytest.mark.parametrize(
    ("name", "attribute", "action"),
    [
        ("followups_followupplan", "plan", "follow_up_plan.read"),
        ("followups_contactattempt", "asked", "contact_attempt.read"),
        ("followups_followupinvitation", "invitation", "follow_up_invitation.read"),
        ("followups_waitlistentry", "waiting", "waitlist_entry.read"),
        ("followups_waitlistoffer", "offer", "waitlist_offer.read"),
        ("appointments_appointmentseries", "series", "appointment_series.read"),
    ],
)
def test_reading_is_written_down(name: str, attribute: str, action: str, home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    client.get(page(f"{name}_change", getattr(home, attribute).pk))
    client.get(page(f"{name}_changelist"))
    for act in acts(action):
        assert act.subjects == [home.patient.pk]
        assert act.actor_id == home.clinic_admin.pk
    assert len(acts(action)) == 2
