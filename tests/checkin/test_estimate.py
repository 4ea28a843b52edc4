"""How long one waits: ranges that are sober, ordered, and right often enough."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.estimate import HISTORY, STEP, Habits, Past, Serving, Wait, Waiting, habits, waits

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def here(*, doctor: str | None = "A", due: float | None = None, **more) -> Waiting:
    more = {"minutes": 20.0, "arrived_at": at(-5)} | more
    return Waiting(doctor=doctor, due_at=None if due is None else at(due), **more)


def visits(lasting: list[float], *, pause: float = 2, days_ago: int = 1, **more) -> list[Past]:
    """Visits of walk-ins who were there at once, one after the other from eight o'clock."""
    past, moment = [], at(-120) - timedelta(days=days_ago)
    opened = moment
    for minutes in lasting:
        done = moment + timedelta(minutes=minutes)
        past.append(Past(opened, moment, done, **more))
        moment = done + timedelta(minutes=pause)
    return past


def only(queue: list[Waiting], serving: Serving, now: datetime = NOW) -> list[Wait | None]:
    return waits(queue, {"A": serving}, now=now)


def test_an_empty_queue_has_no_waits() -> None:
    assert waits([], {}, now=NOW) == []


def test_nobody_at_work_is_no_promise() -> None:
    assert waits([here(), here(doctor=None)], {}, now=NOW) == [None, None]
    assert only([here(doctor="B")], Serving()) == [None]


def test_bookings_stand_in_without_a_history() -> None:
    first, second, third = only([here(), here(), here()], Serving())
    assert first is not None
    assert first.high <= 15
    assert second is not None
    assert second.low >= 10
    assert second.high <= 50
    assert third is not None
    assert third.low >= 30


def test_nothing_known_of_somebody_ahead_is_nothing_known() -> None:
    queue = [here(minutes=None), here(), here(doctor=None)]
    first, second, third = only(queue, Serving())
    assert first is not None
    assert (second, third) == (None, None)
    assert only([here()], Serving(started_at=at(-3))) == [None]


def test_nothing_known_of_somebody_who_goes_to_anyone() -> None:
    doctors = {"A": Serving(), "B": Serving()}
    first, second, third = waits(
        [here(doctor=None, minutes=None), here(doctor=None), here(doctor="B")], doctors, now=NOW
    )
    assert first is not None
    assert (second, third) == (None, None)


def test_what_really_happens_outweighs_what_is_booked() -> None:
    slow = habits(visits([40.0] * 12, minutes=20.0), now=NOW)
    by_bookings = only([here(), here(), here()], Serving())[2]
    by_visits = only([here(), here(), here()], Serving(habits=slow))[2]
    assert by_bookings is not None
    assert by_visits is not None
    assert by_visits.low > by_bookings.low
    assert by_visits.low <= 2 * 42 <= by_visits.high + STEP


def test_a_service_has_its_own_length() -> None:
    past = visits([10.0] * 40, service="short") + visits([50.0] * 40, service="long", days_ago=4)
    known = Serving(habits=habits(past, now=NOW))
    after_short = only([here(service="short"), here()], known)[1]
    after_long = only([here(service="long"), here()], known)[1]
    assert after_short is not None
    assert after_long is not None
    assert after_short.high <= after_long.low


def test_a_visit_that_was_forgotten_open_is_not_learnt() -> None:
    past = visits([10.0, 10.0, 600.0], days_ago=2)
    assert [took for _, took, _, _ in habits(past, now=NOW).took] == [10.0, 10.0]


def test_an_older_visit_than_the_newest_two_hundred_changes_nothing() -> None:
    newest = visits([10.0] * HISTORY, days_ago=2)
    older = visits([200.0] * 5, days_ago=30)
    assert habits([*newest, *older], now=NOW) == habits(newest, now=NOW)


def test_a_slow_day_is_noticed() -> None:
    before = visits([18.0, 20.0, 22.0] * 10, days_ago=3)
    today = visits([30.0, 31.0, 29.0], days_ago=0)
    assert habits(before + today, now=NOW).pace > 1.1
    assert habits(before, now=NOW).pace == 1


def test_the_present_patient_s_time_counts() -> None:
    known = habits(visits([20.0] * 30), now=NOW)
    just_begun = only([here()], Serving(habits=known, started_at=at(-1)))[0]
    nearly_done = only([here()], Serving(habits=known, started_at=at(-16)))[0]
    assert just_begun is not None
    assert nearly_done is not None
    assert nearly_done.high < just_begun.low + STEP
    assert nearly_done.low <= 6 <= nearly_done.high


def test_somebody_far_over_their_time_is_not_over_at_once_or_never() -> None:
    known = habits(visits([20.0] * 30), now=NOW)
    (wait,) = only([here()], Serving(habits=known, started_at=at(-90)))
    assert wait is not None
    assert 10 <= wait.high <= 60


@pytest.mark.parametrize(("early", "seen"), [(True, 15), (False, 45)])
def test_whether_a_doctor_begins_early_is_learnt(early: bool, seen: int) -> None:
    """Forty minutes early, and the doctor is free: what happened to others happens again."""
    past = []
    for days in range(1, 20):
        due = NOW - timedelta(days=days)
        started = due - timedelta(minutes=28) if early else due + timedelta(minutes=1)
        arrived = due - timedelta(minutes=30)
        past.append(Past(arrived, started, started + timedelta(minutes=20), due))
    known = Serving(habits=habits(past, now=NOW), free_since=at(-10))
    (wait,) = only([here(due=40)], known)
    assert wait is not None
    assert wait.low <= seen
    assert (wait.high <= seen) == early


def test_the_hours_begin_when_they_begin() -> None:
    (wait,) = only([here()], Serving(opens_at=at(30)))
    assert wait is not None
    assert wait.low >= 30


def test_two_doctors_are_quicker_than_one() -> None:
    queue = [here(doctor=None) for _ in range(8)]
    one = only(queue, Serving())[-1]
    two = waits(queue, {"A": Serving(), "B": Serving()}, now=NOW)[-1]
    assert one is not None
    assert two is not None
    assert two.high < one.high * 0.75


def test_another_doctor_s_queue_does_not_matter() -> None:
    doctors = {"A": Serving(), "B": Serving()}
    queue = [here(doctor="B") for _ in range(6)]
    after_theirs = waits([*queue, here()], doctors, now=NOW)[-1]
    assert after_theirs is not None
    assert after_theirs.high <= 15


minutes = st.floats(1, 120)
people = st.builds(
    here,
    doctor=st.sampled_from(["A", None]),
    due=st.none() | st.floats(-60, 120),
    minutes=minutes,
    service=st.sampled_from(["short", "long"]),
)
queues = st.lists(people, min_size=1, max_size=12)
pasts = st.lists(minutes, max_size=40).map(lambda took: visits(took, service="short"))
elapsed = st.none() | st.floats(-5, 500)


def serving_of(past: list[Past], inside: float | None) -> Serving:
    started = None if inside is None else at(-inside)
    return Serving(habits(past, now=NOW), started_at=started, minutes=15.0)


@given(queues, pasts, elapsed)
def test_ranges_are_in_fives_in_order_and_never_negative(queue, past, inside) -> None:
    answers = only(queue, serving_of(past, inside))
    assert all(answer is not None for answer in answers)
    for wait in answers:
        assert 0 <= wait.low < wait.high
        assert wait.low % STEP == wait.high % STEP == 0
    for before, after in pairwise(answers):
        assert before.low <= after.low
        assert before.high <= after.high


@given(queues, people, pasts, elapsed)
def test_who_comes_after_changes_nothing_before(queue, last, past, inside) -> None:
    serving = serving_of(past, inside)
    assert only([*queue, last], serving)[:-1] == only(queue, serving)


@given(queues, pasts, elapsed)
def test_the_same_question_has_the_same_answer(queue, past, inside) -> None:
    assert only(queue, serving_of(past, inside)) == only(queue, serving_of(past, inside))


@given(queues, pasts, st.floats(0, 60))
def test_time_that_passes_is_no_longer_waited(queue, past, passed) -> None:
    """Before the hours begin nothing happens but that time passes: the range moves with it."""
    serving = Serving(habits(past, now=NOW), opens_at=at(60), minutes=15.0)
    # Whoever's time is before the hours waits for the hours alone.
    queue = [replace(one, due_at=one.due_at and max(one.due_at, at(60))) for one in queue]
    sooner = only(queue, serving)
    later = only(queue, serving, at(passed))
    for before, after in zip(sooner, later, strict=True):
        assert after.low <= before.low
        assert after.high <= before.high
        assert after.low >= before.low - passed - STEP - 0.01
        assert after.high >= before.high - passed - STEP - 0.01


@given(st.integers(1, 15), st.floats(0, 14))
def test_a_visit_that_goes_on_shortens_the_wait(ahead: int, passed: float) -> None:
    known = habits(visits([15.0, 16.0, 17.0] * 20), now=NOW)
    queue = [here() for _ in range(ahead)]
    before = only(queue, Serving(known, started_at=NOW))
    after = only(queue, Serving(known, started_at=NOW), at(passed))
    for one, other in zip(before, after, strict=True):
        assert other.low <= one.low
        assert other.high <= one.high


@given(st.integers(0, 20))
def test_one_less_ahead_is_never_more_to_wait(ahead: int) -> None:
    known = habits(visits([15.0, 16.0, 17.0] * 20), now=NOW)
    longer = only([here() for _ in range(ahead + 2)], Serving(known))[-1]
    shorter = only([here() for _ in range(ahead + 1)], Serving(known))[-1]
    assert longer is not None
    assert shorter is not None
    assert shorter.low <= longer.low
    assert shorter.high <= longer.high


def test_four_of_five_waits_end_in_their_range() -> None:
    """Drawn as the history was drawn, and beside the mean times the people ahead."""
    source = random.Random(11)

    def lasts() -> float:
        return source.lognormvariate(2.8, 0.5)

    inside, ours, naive = [], [], []
    for _ in range(200):
        took = [lasts() for _ in range(60)]
        known = habits(visits(took, minutes=20.0, days_ago=3), now=NOW)
        elapsed = source.uniform(0, 25)
        present = lasts()
        while present <= elapsed:
            present = lasts()
        ahead = source.randrange(3)  # further back chance outweighs whatever is known
        real = present - elapsed + 2 + sum(lasts() + 2 for _ in range(ahead))
        wait = only([here() for _ in range(ahead + 1)], Serving(known, at(-elapsed)))[-1]
        assert wait is not None
        inside.append(wait.low <= real <= wait.high)
        ours.append(abs((wait.low + wait.high) / 2 - real))
        naive.append(abs(fmean(took) * (ahead + 1) - real))
    assert 0.7 <= fmean(inside) <= 0.95
    assert fmean(ours) < fmean(naive)


def test_what_is_learnt_once_is_kept() -> None:
    known = Habits()
    only([here()], Serving(known))
    kept = dict(known.known)
    only([here(), here()], Serving(known))
    assert {key: known.known[key] for key in kept} == kept
    assert all(known.known[key] is kept[key] for key in kept)
