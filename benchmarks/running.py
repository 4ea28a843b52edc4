"""The measurements of a run, in order: floors, cases, and the checks of what was written."""

from collections.abc import Callable, Sequence
from statistics import median
from time import sleep

from benchmarks.asking import Asking
from benchmarks.cases import CASES
from benchmarks.floor_pgbench import Script, pgbench
from benchmarks.measuring import CONNECTIONS, Figures, once_over
from benchmarks.population import People
from benchmarks.serving import served
from benchmarks.statements import statements_a_request
from benchmarks.world import World
from core import clock

WARM_UP_SECONDS = 2.0
_SETTLE_SECONDS = 0.5
_COUNTED = 13  # requests of which the statements are counted
_FLOOR_BOOKINGS = 12_000  # of each run through pgbench, where there are as many free times
_FLOOR_WARM_UP = 1_600

Say = Callable[[str], None]


def read_floor(world: World, people: People, seconds: float, repeat: int) -> Figures:
    """The one-query view under the same server."""
    moment = clock.now().isoformat().replace("+", "%2B")
    askings = [Asking(f"/floor?clinic={clinic}&from={moment}") for clinic in people.doctors_of]
    figures = Figures("floor-read", "floor: one-query view")
    # As the owner, for whom there is no row security: it has no scope to open.
    with served(
        world,
        "benchmarks.floor_wsgi:application",
        env={"DATABASE_ROLE": ""},
        probe=askings[0].path,
    ) as server:
        once_over(Figures("", ""), world, server, askings, WARM_UP_SECONDS, once=False)
        for _ in range(repeat):
            once_over(figures, world, server, askings, seconds, once=False)
    return figures


def booking_floor(world: World, people: People, repeat: int) -> float:
    """Transactions a second: the statements of a booking through pgbench; the median."""
    told, *bookings = people.bookings.take_plain(_FLOOR_WARM_UP + _FLOOR_BOOKINGS * repeat)
    script = Script(told)
    script.feed(people.database, bookings)
    each = min(_FLOOR_BOOKINGS, (len(bookings) - _FLOOR_WARM_UP) // repeat)

    def run(count: int) -> float:
        return pgbench(
            world, script.text, transactions=count, connections=CONNECTIONS, role="kairos_app"
        )

    run(_FLOOR_WARM_UP)
    return median(run(each) for _ in range(repeat))


def case_measure(name: str, world: World, people: People, seconds: float, repeat: int) -> Figures:
    """One case under the production server.

    Raises RuntimeError when answers and database disagree on how many visits were booked.
    """
    case = CASES[name]
    figures = Figures(case.name, case.what, aim=case.aim)
    counted = case.make(people, 0.1)[:_COUNTED]
    figures.statements = statements_a_request(counted)
    with served(world) as server:
        warm = case.make(people, WARM_UP_SECONDS)
        once_over(Figures("", ""), world, server, warm, WARM_UP_SECONDS, once=case.once)
        sleep(_SETTLE_SECONDS)
        for _ in range(repeat):
            askings = case.make(people, seconds)
            before = _booked(people)
            once_over(figures, world, server, askings, seconds, once=case.once)
            if case.once:
                _agree(figures, _booked(people) - before, len(askings))
    return figures


def _booked(people: People) -> int:
    row = people.database.execute(
        "SELECT count(*) FROM appointments_busytime WHERE kind = 'BOOKED'"
    ).fetchone()
    return int(row[0]) if row else 0


def _agree(figures: Figures, booked: int, offered: int) -> None:
    """Every accepted booking is there. The last few may have been cut off unanswered."""
    answered = figures.runs[-1].ok
    if not answered <= booked <= answered + CONNECTIONS and booked < offered:
        raise RuntimeError(
            f"{figures.name}: {answered} bookings were answered with yes, {booked} are there"
        )


def measure(
    names: Sequence[str], world: World, people: People, say: Say, *, seconds: float, repeat: int
) -> list[Figures]:
    """All of it. `say` is told what is going on."""
    figures: list[Figures] = []
    reads = [name for name in names if not CASES[name].once]
    floor: Figures | None = None
    if reads:
        say("floor of reads …")
        floor = read_floor(world, people, seconds, repeat)
        figures.append(floor)
    for name in names:
        say(f"{CASES[name].what} …")
        one = case_measure(name, world, people, seconds, repeat)
        if floor is not None and name in reads:
            one.floor, one.floor_name = floor.rate, "one-query view, same server"
        figures.append(one)
    writes = [one for one in figures if one.name == "book"]
    if writes:
        say("floor of bookings: pgbench …")
        writes[0].floor = booking_floor(world, people, repeat)
        writes[0].floor_name = "the same statements through pgbench"
    return figures
