"""The board in a browser: its cells, what is on it, and whether it is what the server would say."""

from datetime import datetime, time
from typing import Any

from appointments.models import Appointment
from clinics.models import Doctor
from core import tenancy
from tests.backoffice.browser.scene import Scene
from tests.dashboard.browser.conftest import Desk
from tests.dashboard.care import another_doctor, more_hours
from tests.support.browser import expect
from tests.support.polling import eventually

SECOND = "Dr Zwei"

_AS_SERVED = """async () => {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const of = (one) => [...one.querySelectorAll("#columns > .column")]
    .map((column) => `${column.id}:${column.dataset.stamp}`).join(" ");
  return of(page) !== "" && of(page) === of(document);
}"""


def second_doctor(scene: Scene) -> Doctor:
    """A colleague with the same hours, every day."""
    doctor = another_doctor(scene.cast, SECOND)
    more_hours(scene.cast, doctor, range(1, 8), time(6), time(22))
    return doctor


def minute(scene: Scene, at: datetime) -> int:
    here = at.astimezone(scene.zone)
    return here.hour * 60 + here.minute


def free(desk: Desk, doctor: Any, at: datetime) -> Any:
    """The free time of a doctor at that moment of the day that is open."""
    return desk.page.locator(f"#d{doctor.id}-{minute(desk.scene, at)}")


def card(desk: Desk, visit: Any, doctor: Any = None) -> Any:
    """The visit's card, in the column of a doctor where one is said."""
    column = f"#d{doctor.id} " if doctor is not None else ""
    return desk.page.locator(f"{column}#v{visit.id}")


def open_board(desk: Desk) -> None:
    """Today's board, once it hears."""
    desk.open("desk-today")
    hears(desk)


def hears(desk: Desk, state: str = "open", timeout: float = 10) -> None:
    expect(desk.page.locator("#live")).to_have_attribute(
        "data-state", state, timeout=timeout * 1000
    )


def as_served(desk: Desk) -> bool:
    """Whether every column stands as a fresh load of the page has it."""
    return bool(desk.page.evaluate(_AS_SERVED))


def become_as_served(desk: Desk, timeout: float = 10) -> None:
    eventually(lambda: as_served(desk), timeout=timeout)


def fresh(scene: Scene, visit: Appointment) -> Appointment:
    """The visit as it is now."""
    with tenancy.scope([scene.cast.clinic.id]):
        return Appointment.objects.get(pk=visit.pk)
