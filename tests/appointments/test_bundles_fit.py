"""The search against one that tries everything: the same bundles, whatever the calendars."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations, product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appointments import bundling
from appointments.bundling import Fitting, Item, Seat, Spacing, Start, TooLong

DAY = datetime(2035, 6, 5, tzinfo=UTC)
DOCTORS = [UUID(int=number) for number in (1, 2, 3)]


def start_at(minutes: int, length: int, doctors: list[UUID]) -> Start:
    at = DAY + timedelta(minutes=minutes)
    seats = tuple(Seat(doctor, None, "UTC") for doctor in doctors)
    return Start(at, at + timedelta(minutes=length), at.date(), seats)


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    made = []
    for _ in range(draw(st.integers(2, 3))):
        length = draw(st.sampled_from([15, 30, 45]))
        moments = draw(
            st.sets(st.integers(0, 12).map(lambda n: n * 15), min_size=1, max_size=5)
        ) | draw(st.sets(st.integers(96, 100).map(lambda n: n * 15), max_size=2))
        starts = [
            start_at(
                minutes,
                length,
                sorted(draw(st.sets(st.sampled_from(DOCTORS), min_size=1, max_size=2))),
            )
            for minutes in sorted(moments)
        ]
        before, after = (timedelta(minutes=draw(st.sampled_from([0, 0, 15]))) for _ in range(2))
        made.append(Item(starts, before, after))
    return made


spacings = st.builds(
    Spacing,
    in_order=st.booleans(),
    same_day=st.booleans(),
    min_gap=st.sampled_from([timedelta(), timedelta(minutes=15)]),
    max_gap=st.sampled_from([None, None, timedelta(minutes=30), timedelta(days=1)]),
)


def fits(
    asked: list[Item], order: tuple[int, ...], chain: list[tuple[Start, Seat]], spacing: Spacing
) -> bool:
    """The rules, one by one."""
    for place, (start, seat) in enumerate(chain):
        item = asked[order[place]]
        for earlier in range(place):
            other, taken = chain[earlier]
            of = asked[order[earlier]]
            clash = start.starts_at - item.before < other.ends_at + of.after
            if seat.doctor == taken.doctor and clash:
                return False
        if place:
            gap = start.starts_at - chain[place - 1][0].ends_at
            if gap < spacing.min_gap or (spacing.max_gap is not None and gap > spacing.max_gap):
                return False
            if spacing.same_day and start.day != chain[0][0].day:
                return False
    return True


def everything(asked: list[Item], spacing: Spacing) -> dict[datetime, datetime]:
    """For each moment at which a bundle can begin, when the first of them is over."""
    found: dict[datetime, datetime] = {}
    numbers = tuple(range(len(asked)))
    for order in [numbers] if spacing.in_order else permutations(numbers):
        choices = [
            [(start, seat) for start in asked[number].starts for seat in start.seats]
            for number in order
        ]
        for chain in product(*choices):
            if fits(asked, order, list(chain), spacing):
                begin, over = chain[0][0].starts_at, chain[-1][0].ends_at
                found[begin] = min(found.get(begin, over), over)
    return found


@settings(max_examples=150, deadline=None)
@given(asked=items(), spacing=spacings)
def test_it_finds_what_trying_everything_finds(asked: list[Item], spacing: Spacing):
    fitting = Fitting(asked, spacing)
    found = {}
    for moment in fitting.beginnings():
        chain = fitting.bundle_at(moment)
        if chain is not None:
            order = tuple(placed.item for placed in chain)
            assert fits(asked, order, [(one.start, one.seat) for one in chain], spacing)
            found[moment] = chain[-1].start.ends_at
    assert found == everything(asked, spacing)


def test_a_full_day_allows_one_visit_of_the_doctor_on_it():
    (doctor, *_) = DOCTORS
    starts = [start_at(day * 1440 + minutes, 30, [doctor]) for day in (0, 1) for minutes in (0, 60)]
    fitting = Fitting([Item(starts)] * 2, Spacing(same_day=False))
    assert fitting.bundle_at(DAY)[-1].start.starts_at == DAY + timedelta(minutes=60)
    fitting.only_once(doctor, date(2035, 6, 5), date(2035, 6, 5))
    assert fitting.bundle_at(DAY)[-1].start.starts_at == DAY + timedelta(days=1)
    assert fitting.bundle_at(DAY + timedelta(days=1)) is not None


@pytest.mark.parametrize("max_gap", [None, timedelta(hours=2)])
@pytest.mark.parametrize("after", [timedelta(), timedelta(minutes=15)])
def test_it_is_bounded_when_nothing_fits(max_gap: timedelta | None, after: timedelta):
    """Six items in any order over a month, of which one is free after it: the worst of all."""
    full = [
        start_at(day * 1440 + minutes, 15, DOCTORS)
        for day in range(31)
        for minutes in range(480, 1020, 15)
    ]
    asked = [Item(full, after=after)] * 5 + [Item([start_at(40 * 1440, 15, DOCTORS)])]
    fitting = Fitting(asked, Spacing(in_order=False, max_gap=max_gap))
    try:
        assert not any(fitting.bundle_at(moment) for moment in fitting.beginnings())
    except TooLong:
        assert fitting.steps > bundling.MOST_STEPS
    assert 10_000 < fitting.steps <= bundling.MOST_STEPS + 1
