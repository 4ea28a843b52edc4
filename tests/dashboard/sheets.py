"""The sheet of a new visit as tests fill it in."""

from datetime import datetime
from typing import Any

from accounts.models import User
from appointments.models import Appointment, BusyTime
from clinics.models import Patient
from core import tenancy
from tests.appointments.moments import berlin
from tests.casts import Cast
from tests.dashboard.desk import Desk
from tests.support.forms import form_of


def desk_in(cast: Cast, user: User | None = None) -> Desk:
    """Reception's desk in the cast's clinic, or somebody else's."""
    return Desk(cast.clinic, user or cast.receptionist)


def opened(cast: Cast, desk: Desk, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """What the form would send that is opened for a time; Monday at nine unless said."""
    asked = {"doctor": cast.doctor.id, "starts_at": (at or berlin(0, 9)).isoformat()} | more
    answer = desk.get("desk-book", asked)
    assert answer.status_code == 200, answer.content
    return sent_by(answer)


def sent_by(answer: Any, form_id: str = "book") -> dict[str, Any]:
    """What the form of a page would send."""
    found = form_of(answer, form_id=form_id)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def for_patient(values: dict[str, Any], patient: Patient, **more: Any) -> dict[str, Any]:
    """The form with this patient chosen."""
    return values | {"who": "chosen", "patient": str(patient.id)} | more


def for_new(values: dict[str, Any], **fields: str) -> dict[str, Any]:
    """The form with a new chart."""
    blank = dict.fromkeys(
        ("given_name", "family_name", "birth_date", "phone", "email", "sex", "notes"), ""
    )
    chart = {f"new-{name}": value for name, value in (blank | fields).items()}
    return values | {"who": "new"} | chart


def visits(cast: Cast) -> list[Appointment]:
    with tenancy.scope([cast.clinic.id]):
        return list(Appointment.objects.filter(clinic=cast.clinic).order_by("id"))


def holds(cast: Cast) -> list[BusyTime]:
    with tenancy.scope([cast.clinic.id]):
        return list(BusyTime.objects.filter(clinic=cast.clinic, kind="HELD").order_by("id"))


def charts(cast: Cast) -> list[Patient]:
    with tenancy.scope([cast.clinic.id]):
        return list(Patient.objects.filter(clinic=cast.clinic).order_by("id"))
