"""A doctor's week is saved together, or not at all."""

from datetime import time
from typing import Any

import pytest

from clinics.models import Location, ScheduleTemplate
from core import tenancy
from tests.backoffice.world import World, acts, at_the_desk, page, text
from tests.support.forms import form_of

Values = dict[str, Any]


def hours(world: World) -> list[tuple[int, str, str]]:
    """(weekday, from, to) of the doctor's week."""
    with tenancy.scope(tenancy.SYSTEM):
        rows = ScheduleTemplate.objects.filter(doctor=world.doctor).order_by(
            "weekday", "start_time"
        )
        return [(row.weekday, f"{row.start_time:%H:%M}", f"{row.end_time:%H:%M}") for row in rows]


MONDAY = (1, "09:00", "12:00")


def opened(world: World, role: str = "clinic_admin") -> Values:
    answer = at_the_desk(world.user(role)).get(page("clinics_doctor_hours", world.doctor.pk))
    assert answer.status_code == 200
    return form_of(answer, css="bo-section")


def save(world: World, values: Values, role: str = "clinic_admin") -> Any:
    address = page("clinics_doctor_hours", world.doctor.pk)
    return at_the_desk(world.user(role)).post(address, values)


def row(number: int, weekday: int, start: str, end: str) -> Values:
    return {
        f"hours-{number}-weekday": str(weekday),
        f"hours-{number}-start_time": start,
        f"hours-{number}-end_time": end,
    }


def new_row(world: World, number: int, weekday: int, start: str, end: str) -> Values:
    return row(number, weekday, start, end) | {f"hours-{number}-location": str(world.location.pk)}


def test_saving_the_week_as_it_was_opened_writes_nothing(home: World) -> None:
    known = len(acts("schedule_template.created") + acts("schedule_template.changed"))
    assert save(home, opened(home)).status_code == 302
    assert hours(home) == [MONDAY]
    assert len(acts("schedule_template.created") + acts("schedule_template.changed")) == known


def test_rows_are_added_changed_and_removed_together(home: World) -> None:
    values = opened(home) | new_row(home, 1, 2, "08:00", "12:00")
    assert save(home, values | row(0, 1, "10:00", "12:00")).status_code == 302
    assert hours(home) == [(1, "10:00", "12:00"), (2, "08:00", "12:00")]
    (change,) = acts("schedule_template.changed", home.template.pk)
    assert change.actor_id == home.clinic_admin.pk
    values = opened(home)
    assert save(home, values | {"hours-0-DELETE": "on"}).status_code == 302
    assert hours(home) == [(2, "08:00", "12:00")]


def test_the_place_of_a_removed_row_is_free_for_another(home: World) -> None:
    values = opened(home) | {"hours-0-DELETE": "on"} | new_row(home, 1, 1, "09:00", "11:00")
    assert save(home, values).status_code == 302
    assert hours(home) == [(1, "09:00", "11:00")]


def test_a_row_is_removed_though_its_fields_were_emptied(home: World) -> None:
    values = opened(home) | row(0, 1, "", "") | {"hours-0-DELETE": "on"}
    assert save(home, values).status_code == 302
    assert hours(home) == []


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (("1", "09:30", "10:30"), "overlap"),
        (("2", "12:00", "08:00"), "after the start"),
        (("2", "12:00", ""), "required"),
        (("9", "09:00", "10:00"), "valid choice"),
        (("2", "25:00", "26:00"), "valid time"),
    ],
)
def test_a_bad_row_is_named_and_no_row_is_saved(
    bad: tuple[str, str, str], sentence: str, home: World
) -> None:
    values = opened(home) | row(0, 1, "10:00", "12:00")
    values |= new_row(home, 1, 3, "08:00", "12:00")
    values |= new_row(home, 2, int(bad[0]), bad[1], bad[2])
    answer = save(home, values)
    assert answer.status_code == 400
    assert sentence in text(answer)
    assert hours(home) == [MONDAY]


def test_the_second_of_two_who_change_a_row_is_told(home: World) -> None:
    mine = opened(home) | row(0, 1, "09:00", "10:00")
    assert save(home, opened(home) | row(0, 1, "09:00", "11:00")).status_code == 302
    answer = save(home, mine)
    assert answer.status_code == 400
    assert "Somebody else changed this" in text(answer)
    assert hours(home) == [(1, "09:00", "11:00")]


def test_foreign_rows_and_places_are_as_unknown_ones(home: World, abroad: World) -> None:
    values = opened(home)
    for forged in (
        {"hours-0-id": str(abroad.template.pk), **row(0, 1, "09:00", "10:00")},
        {"hours-0-id": str(abroad.template.pk), "hours-0-DELETE": "on"},
        {"hours-0-location": str(abroad.location.pk)},
        new_row(home, 1, 4, "09:00", "10:00") | {"hours-1-location": str(abroad.location.pk)},
    ):
        assert save(home, values | forged).status_code == 400, forged
        assert (hours(home), hours(abroad)) == ([MONDAY], [MONDAY])


def test_a_place_that_was_closed_does_not_keep_the_week_from_saving(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        Location.objects.filter(pk=home.location.pk).update(is_active=False)
        other = Location.objects.create(clinic=home.clinic, name="Open", timezone="Europe/Berlin")
    values = opened(home) | new_row(home, 1, 2, "08:00", "12:00")
    values["hours-1-location"] = str(other.pk)
    assert save(home, values).status_code == 302
    assert hours(home) == [MONDAY, (2, "08:00", "12:00")]


def test_a_doctor_changes_their_own_week_and_reception_reads_it(home: World) -> None:
    assert save(home, opened(home, "doctor_user") | row(0, 1, "09:00", "11:00"), "doctor_user")
    assert hours(home) == [(1, "09:00", "11:00")]
    shown = at_the_desk(home.receptionist).get(page("clinics_doctor_hours", home.doctor.pk))
    assert "09:00–11:00" in text(shown)
    assert "Save the week" not in text(shown)


@pytest.mark.parametrize(
    "broken", [{}, {"hours-TOTAL_FORMS": "x"}, {"hours-TOTAL_FORMS": "100000"}]
)
def test_a_broken_form_is_a_refusal(broken: Values, home: World) -> None:
    answer = save(home, broken)
    assert answer.status_code == 400
    assert hours(home) == [MONDAY]


def test_the_end_of_the_day_is_midnight(home: World) -> None:
    assert save(home, opened(home) | row(0, 1, "09:00", "00:00")).status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        assert ScheduleTemplate.objects.get(pk=home.template.pk).end_time == time(0)
