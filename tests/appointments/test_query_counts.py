"""Statements a request: the same at 1, 3 and 30 rows, and within the budget."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import budgets
from tests.appointments.scene import House, house

pytestmark = pytest.mark.django_db(transaction=True)
FIRST = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=2)


def start(number: int) -> datetime:
    """Ten half-hours a day."""
    return FIRST + timedelta(days=number // 10, minutes=30 * (number % 10))


class Counter:
    """Statements since the last look, transactions' own left out."""

    def __enter__(self) -> "Counter":
        self._captured = CaptureQueriesContext(connection)
        self._captured.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._captured.__exit__(None, None, None)

    @property
    def statements(self) -> list[str]:
        return [
            query["sql"]
            for query in self._captured.captured_queries
            if not query["sql"].startswith(("BEGIN", "COMMIT", "ROLLBACK"))
        ]


def fill(ground: House, present: int, wanted: int) -> None:
    """Rows of every list: appointments (the receptionist is also their doctor), exceptions."""
    for number in range(present, wanted):
        ground.book(start(number))
        body = {
            "clinic": ground.clinic.id,
            "kind": "CLOSED",
            "start_date": (FIRST + timedelta(days=60 + number)).date(),
            "end_date": (FIRST + timedelta(days=60 + number)).date(),
        }
        assert ground.admin.api.post("schedule-exceptions", body).status_code == 201


def test_lists_take_the_same_statements_at_1_3_and_30_rows(settings):
    settings.OUTBOX_KICK = False
    ground = house("ground")
    taken: dict[str, list[int]] = {path: [] for path in budgets.READS}
    present = 0
    for rows in (1, 3, 30):
        fill(ground, present, rows)
        present = rows
        for path, counts in taken.items():
            by = ground.patient if "my-" in path or "user/" in path else ground.reception
            query = path.format(user=ground.patient.id)
            more = "&limit=100" if "?" in query else "?limit=100"
            with Counter() as counter:
                answer = by.api.get(query + more)
            assert len(answer.json()["results"]) == rows, path
            counts.append(len(counter.statements))
    assert {path: set(counts) for path, counts in taken.items()} == {
        path: {budget} for path, budget in budgets.READS.items()
    }


def count(act) -> tuple[int, list[str]]:
    with Counter() as counter:
        answer = act()
    assert answer.status_code in {200, 201}, answer.content
    return len(counter.statements), counter.statements


def test_single_requests_keep_their_budgets(settings):
    settings.OUTBOX_KICK = False
    ground = house("ground")
    api = ground.reception.api
    for number in range(3):
        taken, told = count(lambda n=number: api.post("appointments", ground.request(start(n))))
        assert taken <= budgets.BOOK, told
    made = api.get("appointments").json()["results"][0]["id"]
    for path, budget in (
        (f"appointments/{made}", budgets.ONE_APPOINTMENT),
        (f"appointments/{made}/history", budgets.HISTORY),
        (
            f"appointments/doctor/{ground.doctor.id}/availability"
            f"?date={FIRST.date()}&service={ground.service.id}",
            budgets.AVAILABILITY,
        ),
    ):
        taken, told = count(lambda p=path: api.get(p))
        assert taken <= budget, (path, told)
    body = {"starts_at": start(7)}
    taken, told = count(lambda: api.post(f"appointments/{made}/reschedule", body))
    assert taken <= budgets.RESCHEDULE, told
    taken, told = count(lambda: api.post(f"appointments/{made}/confirm"))
    assert taken <= budgets.MOVE, told


@pytest.mark.parametrize("days", [1, 7, 31])
def test_slots_are_one_question_however_many_days_and_doctors(settings, days: int):
    ground = house("ground")
    doctors = [ground.doctor, *(ground.add_doctor() for _ in range(4))]
    for doctor in doctors[1:]:
        ground.add_hours(doctor)
    query = f"from={FIRST.date()}&to={(FIRST + timedelta(days=days - 1)).date()}&limit=2000"
    ids = ",".join(str(doctor.id) for doctor in doctors)
    taken, told = count(lambda: ground.reception.api.get(f"slots?doctors={ids}&{query}"))
    assert taken <= budgets.AVAILABILITY, told
