"""Checking in from the back office: in the window at once, outside it with a reason."""

from typing import Any

import pytest

from appointments.models import Appointment
from checkin.models import CheckIn, CheckInAttempt
from clinics.models import Clinic
from core import tenancy
from tests.backoffice.test_visits import step
from tests.backoffice.world import World, fresh, text, visit_in


@pytest.fixture
def afternoon(home: World) -> Appointment:
    """A visit of today, hours before its check-in opens."""
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(checkin_opens_minutes=30)
    return visit_in(home, "SCHEDULED")


def arrival(visit: Appointment) -> dict[str, Any]:
    with tenancy.scope(tenancy.SYSTEM):
        return CheckIn.objects.values("forced", "reason", "method").get(appointment=visit)


def test_in_the_window_it_is_one_press(home: World) -> None:
    visit = visit_in(home, "SCHEDULED")
    assert step(home.receptionist, visit, "check_in", version=1).status_code == 302
    assert fresh(visit).status == "CHECKED_IN"
    assert arrival(visit) == {"forced": False, "reason": "", "method": "MANUAL"}


@pytest.mark.parametrize("role", ["receptionist", "nurse", "clinic_admin"])
def test_outside_it_the_form_says_when_and_takes_a_reason(
    home: World, afternoon: Appointment, role: str
) -> None:
    user = home.user(role)
    refused = step(user, afternoon, "check_in", version=1)
    assert refused.status_code == 400
    page = text(refused)
    assert "Too early to check in. It is open on" in page
    assert "Check in anyway" in page
    assert fresh(afternoon).status == "SCHEDULED"
    forced = step(user, afternoon, "check_in", version=1, reason="Asked by the doctor")
    assert forced.status_code == 302
    assert fresh(afternoon).status == "CHECKED_IN"
    assert arrival(afternoon) == {
        "forced": True,
        "reason": "Asked by the doctor",
        "method": "MANUAL",
    }
    with tenancy.scope(tenancy.SYSTEM):
        tried = CheckInAttempt.objects.filter(appointment_id=afternoon.pk).order_by("id")
        assert list(tried.values_list("outcome", "forced")) == [
            ("REFUSED", False),
            ("CHECKED_IN", True),
        ]


def test_who_may_not_check_in_is_refused_with_a_reason_too(
    home: World, afternoon: Appointment
) -> None:
    answer = step(home.doctor_user, afternoon, "check_in", version=1, reason="because")
    assert answer.status_code == 403
    assert fresh(afternoon).status == "SCHEDULED"
