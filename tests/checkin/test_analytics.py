"""The figures, held to a plain count: in two zones, and over a change of clocks."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkin.models import CheckInMethod, QueueState
from clinics.models import Patient, ScheduleException
from core import ids, tenancy
from tests.appointments.scene import House, Scene
from tests.appointments.traces import refused
from tests.checkin.figures import arrived, entry, minutes, past, refusal
from tests.checkin.talking import statements

REPORTS = ("wait-times", "check-ins", "no-shows", "utilisation", "lead-times")
#: A week of Berlin in which the clocks go on: Sunday the 25th has 23 hours.
FIRST, LAST = date(2035, 3, 19), date(2035, 3, 26)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def wall(zone: ZoneInfo, day: int, hour: int, minute: int = 0) -> datetime:
    """A wall-clock time in March 2035."""
    return datetime(2035, 3, day, hour, minute, tzinfo=zone).astimezone(ZoneInfo("UTC"))


def ask(house: House, report: str, by: Any = None, **query: Any) -> dict[str, Any]:
    """A report's answer, of the week unless said."""
    asked = {"clinic": house.clinic.id, "from": FIRST, "to": LAST} | query
    answer = (by or house.admin).api.get(f"analytics/{report}", **asked)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def by_key(answer: dict[str, Any], *names: str) -> dict[str | None, Any]:
    return {row["key"]: tuple(row[name] for name in names) for row in answer["results"]}


def grouped(rows: list[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def middles(values: list[float]) -> tuple[float, float, float]:
    """Median, the ninth tenth, mean; as people reckon them."""
    ordered = sorted(values)
    place = 0.9 * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    ninth = ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    return tuple(
        pytest.approx(value, abs=0.051)
        for value in (statistics.median(ordered), ninth, statistics.fmean(ordered))
    )  # type: ignore[return-value]  # comparisons


WAIT = ("wait_median", "wait_p90", "wait_mean")


def test_waits_are_those_of_a_plain_count(cast: Scene) -> None:
    own, away = cast.own, cast.own.add_location("America/New_York")
    other = own.add_doctor()
    rows = []
    for number in range(60):
        zone, place = (NEW_YORK, away) if number % 3 == 0 else (BERLIN, own.location)
        day, hour = 19 + number % 8, (8, 9, 23)[number % 5 % 3]
        came, waited = wall(zone, day, hour, number % 50), float((number * 7) % 41)
        rows.append((place, other if number % 2 else own.doctor, day, hour, waited))
        entry(own, came, waited=waited, location=place, doctor=rows[-1][1])
    entry(own, wall(BERLIN, 18, 23, 59), waited=500)  # the day before
    entry(own, wall(NEW_YORK, 27, 0, 1), waited=500, location=away)  # the day after
    entry(cast.other, wall(BERLIN, 20, 9), waited=500)

    keys: dict[str, Callable[[Any], str]] = {
        "hour": lambda row: str(row[3]),
        "weekday": lambda row: str(date(2035, 3, row[2]).isoweekday()),
        "day": lambda row: f"2035-03-{row[2]}",
        "week": lambda row: "2035-03-26" if row[2] == 26 else "2035-03-19",
        "location": lambda row: str(row[0].id),
        "doctor": lambda row: str(row[1].id),
    }
    for group, key in keys.items():
        answer = ask(own, "wait-times", group=group)
        wanted = {
            name: (len(some), *middles([row[4] for row in some]))
            for name, some in grouped(rows, key).items()
        }
        assert by_key(answer, "seen", *WAIT) == wanted, group
        total = answer["total"]
        assert (total["seen"], *(total[name] for name in WAIT)) == (
            60,
            *middles([row[4] for row in rows]),
        )
    halves = middles([row[4] / 2 for row in rows])
    assert tuple(total[f"call_{kind}"] for kind in ("median", "p90", "mean")) == halves
    assert ask(own, "wait-times", location=away.id)["total"]["seen"] == 20
    assert ask(own, "wait-times", doctor=other.id)["total"]["seen"] == 30


def test_who_came_early_or_left_or_was_swept(cast: Scene) -> None:
    own = cast.own
    came = wall(BERLIN, 20, 9)
    for _ in range(5):
        entry(own, came, waited=40, due_at=came + minutes(30))
    entry(own, came, waited=None, state=QueueState.LEFT)
    entry(own, came, waited=None, state=QueueState.LEFT, swept=True)
    entry(own, came, waited=20, doctor=None)
    total = ask(own, "wait-times")["total"]
    assert (total["arrived"], total["seen"], total["left"]) == (8, 6, 1)
    assert (total["wait_median"], total["delay_median"]) == (40, 10)
    rows = ask(own, "wait-times", group="doctor")["results"]
    assert [(row["key"], row["label"], row["seen"]) for row in rows] == [
        (str(own.doctor.id), "Dr First", 5),
        (None, "Whoever is free", 1),
    ]


def test_few_persons_have_counts_and_no_middle(cast: Scene) -> None:
    own, chart = cast.own, cast.own.add_chart()
    for day in range(19, 25):  # six waits of one person
        entry(own, wall(BERLIN, day, 9), waited=30, patient=chart, guest_name="")
        past(own, wall(BERLIN, day, 9), "NO_SHOW", chart=chart)
    waits, missed = ask(own, "wait-times")["total"], ask(own, "no-shows")["total"]
    assert (waits["seen"], waits["wait_median"], waits["wait_mean"]) == (6, None, None)
    assert (missed["no_shows"], missed["rate"]) == (6, None)
    for day in range(19, 23):
        entry(own, wall(BERLIN, day, 10), waited=30)
        past(own, wall(BERLIN, day, 10), "COMPLETED")
    assert ask(own, "wait-times")["total"]["wait_median"] == 30
    assert ask(own, "no-shows")["total"]["rate"] == 0.6


def test_check_ins_by_hour_method_and_timing(cast: Scene) -> None:
    own = cast.own
    early = {31: "EARLY_30", 30: "EARLY_15", 15: "EARLY_5", 5: "ON_TIME", -5: "ON_TIME"}
    early |= {-6: "LATE_5", -15: "LATE_5", -16: "LATE_15"}
    methods = itertools.cycle([CheckInMethod.KIOSK, CheckInMethod.MANUAL])
    for number, before in enumerate(early):
        method = next(methods)
        arrived(
            own,
            wall(BERLIN, 25, 12 + number),
            before,
            method=method,
            forced=method == CheckInMethod.MANUAL and number < 3,
        )
    arrived(own, wall(BERLIN, 25, 3, 10), 30)  # 01:40, twenty minutes before the clocks go on
    arrived(own, wall(BERLIN, 22, 9), 5, undone_at=wall(BERLIN, 22, 10))
    arrived(own, wall(BERLIN, 27, 0, 5), 10)  # still the 26th
    refusal(own, wall(BERLIN, 19, 0, 1), "TOO_EARLY")
    refusal(own, wall(BERLIN, 26, 23, 59), "TOO_EARLY", received_at=wall(BERLIN, 29, 9))
    refusal(own, wall(BERLIN, 20, 9), "WRONG_LOCATION", location_id=None)
    refusal(own, wall(BERLIN, 18, 23, 59), "TOO_LATE")
    refusal(own, wall(BERLIN, 27, 0, 0), "TOO_LATE")
    refusal(cast.other, wall(BERLIN, 20, 9), "TOO_LATE")

    total = ask(own, "check-ins")["total"]
    assert (total["checked_in"], total["forced"], total["refused"]) == (10, 1, 3)
    days = by_key(ask(own, "check-ins", group="day"), "checked_in", "refused")
    assert days == {
        "2035-03-19": (0, 1),
        "2035-03-20": (0, 1),
        "2035-03-25": (9, 0),
        "2035-03-26": (1, 1),
    }
    hours = by_key(ask(own, "check-ins", group="hour"), "checked_in")
    # Half an hour before 03:10 of that night is 01:40; nobody arrived at two.
    assert hours["1"] == (1,)
    assert "2" not in hours
    assert by_key(ask(own, "check-ins", group="reason"), "checked_in", "refused") == {
        "TOO_EARLY": (0, 2),
        "WRONG_LOCATION": (0, 1),
    }
    kinds = by_key(ask(own, "check-ins", group="method"), "checked_in", "refused")
    assert kinds == {"QR_SELF": (0, 3), "KIOSK": (6, 0), "MANUAL": (4, 0)}
    timing = ask(own, "check-ins", group="timing")
    assert by_key(timing, "checked_in") == {
        "EARLY_30": (1,),
        "EARLY_15": (2,),
        "EARLY_5": (2,),
        "ON_TIME": (2,),
        "LATE_5": (2,),
        "LATE_15": (1,),
    }
    assert [row["key"] for row in timing["results"]] == list(by_key(timing))
    assert timing["results"][0]["label"] == "More than 30 minutes early"


def test_no_shows_by_lead_hour_and_check_in(cast: Scene) -> None:
    own = cast.own
    status = itertools.cycle(["COMPLETED", "NO_SHOW", "COMPLETED", "CHECKED_IN"])
    rows = []
    for number in range(40):
        lead = (0, 1, 3, 4, 7, 8, 14, 15, 30, 31, 90, 91, 200)[number % 13]
        starts, became = wall(BERLIN, 19 + number % 8, 8 + number % 3), next(status)
        past(own, starts, became, lead=lead)
        rows.append((starts.astimezone(BERLIN), became, lead))
    past(own, wall(BERLIN, 20, 15), "SCHEDULED")  # nobody has said what became of it
    past(own, wall(BERLIN, 20, 15), "CANCELLED", late_cancellation=True)
    past(own, wall(BERLIN, 20, 15), "CANCELLED")
    past(cast.other, wall(BERLIN, 20, 9), "NO_SHOW")

    def bucket(lead: int) -> str:
        ends = ((0, "0"), (3, "1-3"), (7, "4-7"), (14, "8-14"), (30, "15-30"), (90, "31-90"))
        return next((name for end, name in ends if lead <= end), "91+")

    def counted(some: list[Any]) -> tuple[int, int]:
        missed = sum(row[1] == "NO_SHOW" for row in some)
        return len(some) - missed, missed

    leads = ask(own, "no-shows", group="lead")
    wanted = {key: counted(some) for key, some in grouped(rows, lambda r: bucket(r[2])).items()}
    assert by_key(leads, "attended", "no_shows") == wanted
    assert [row["key"] for row in leads["results"]][:3] == ["0", "1-3", "4-7"]
    hours = by_key(ask(own, "no-shows", group="hour"), "attended", "no_shows")
    wanted = {key: counted(some) for key, some in grouped(rows, lambda r: str(r[0].hour)).items()}
    assert {key: value for key, value in hours.items() if key != "15"} == wanted
    total = ask(own, "no-shows")["total"]
    assert total == {"attended": 30, "no_shows": 10, "rate": 0.25, "late_cancelled": 1}
    arrived(own, wall(BERLIN, 21, 16), 20)
    timing = by_key(ask(own, "no-shows", group="timing"), "attended", "no_shows")
    assert timing == {"EARLY_15": (1, 0), "NONE": (30, 10)}


def test_lead_times(cast: Scene) -> None:
    own = cast.own
    leads = [0.1, 1, 2, 5, 9, 20, 40, 100]
    for lead in leads:
        past(own, wall(BERLIN, 21, 9), "SCHEDULED", lead=lead)
    past(own, wall(BERLIN, 21, 9), "CANCELLED", lead=300)
    past(own, wall(BERLIN, 21, 9), "COMPLETED", lead=-1)  # written down afterwards
    whole = [float(int(lead)) for lead in leads]
    answer = ask(own, "lead-times", group="lead")
    total = answer["total"]
    assert (total["booked"], *(total[f"lead_{name}"] for name in ("median", "p90", "mean"))) == (
        8,
        *middles(whole),
    )
    assert by_key(answer, "booked") == {
        "0": (1,),
        "1-3": (2,),
        "4-7": (1,),
        "8-14": (1,),
        "15-30": (1,),
        "31-90": (1,),
        "91+": (1,),
    }


def test_the_use_of_the_hours(cast: Scene) -> None:
    own = cast.own  # 08:00 to 17:00 each day: 540 minutes
    with tenancy.scope(tenancy.SYSTEM):
        ScheduleException.objects.create(
            clinic=own.clinic,
            doctor=own.doctor,
            kind="LEAVE",
            start_date=date(2035, 3, 20),
            end_date=date(2035, 3, 20),
            start_time=time(8),
            end_time=time(12),
        )
    past(own, wall(BERLIN, 19, 9))
    past(own, wall(BERLIN, 19, 9, 15), "NO_SHOW")  # beside it: a quarter of an hour more
    past(own, wall(BERLIN, 19, 16, 45))  # half of it after the end
    past(own, wall(BERLIN, 20, 9))  # within the leave
    past(own, wall(BERLIN, 21, 9), "CANCELLED")
    past(own, wall(BERLIN, 22, 9), location=None, type="VIDEO")
    names = ("working", "booked", "attended", "outside")
    days = by_key(ask(own, "utilisation", group="day"), *names)
    assert days["2035-03-19"] == (540, 60, 45, 15)
    assert days["2035-03-20"] == (300, 0, 0, 30)
    assert days["2035-03-21"] == (540, 0, 0, 0)
    assert days["2035-03-22"] == (540, 30, 30, 0)
    answer = ask(own, "utilisation", group="doctor")
    assert by_key(answer, *names, "booked_rate") == {
        str(own.doctor.id): (8 * 540 - 240, 90, 75, 45, round(90 / 4080, 4))
    }
    places = by_key(ask(own, "utilisation", group="location"), "working", "booked")
    assert places == {str(own.location.id): (4080, 60), None: (0, 30)}


def test_the_night_of_the_clocks_has_an_hour_less(cast: Scene) -> None:
    own, other = cast.own, cast.own.add_doctor()
    own.add_hours(other, time(0), time(6))
    past(own, wall(BERLIN, 25, 1), doctor=other, ends_at=wall(BERLIN, 25, 4))
    days = by_key(ask(own, "utilisation", group="day", doctor=other.id), "working", "booked")
    assert days["2035-03-24"] == (360, 0)
    assert days["2035-03-25"] == (300, 120)


@pytest.mark.parametrize("report", REPORTS)
def test_doctors_see_their_own_and_strangers_nothing(cast: Scene, report: str) -> None:
    own, other = cast.own, cast.own.add_doctor()
    own.add_hours(other)
    for doctor in (own.doctor, other, other):
        entry(own, wall(BERLIN, 20, 9), doctor=doctor)
        arrived(own, wall(BERLIN, 20, 9, 0), 5, doctor=doctor)
    field = {
        "wait-times": "seen",
        "check-ins": "checked_in",
        "no-shows": "attended",
        "utilisation": "booked",
        "lead-times": "booked",
    }[report]
    whole = ask(own, report)["total"][field]
    mine = ask(own, report, own.doctor_user)
    assert whole == (60 if report == "utilisation" else 3)
    assert mine["total"][field] == (30 if report == "utilisation" else 1)
    assert ask(own, report, own.doctor_user, doctor=own.doctor.id) == mine
    groups = ask(own, report, own.doctor_user, group="doctor")["results"]
    assert {row["key"] for row in groups} == {str(own.doctor.id)}
    query = {"clinic": own.clinic.id, "from": FIRST, "to": LAST}
    get = own.doctor_user.api.get
    refused(get(f"analytics/{report}", **query, doctor=other.id), 403, "PERMISSION_DENIED")
    refused(get(f"analytics/{report}", **query, doctor=ids.uuid7()), 403, "PERMISSION_DENIED")
    stranger = cast.other.admin.api.get(f"analytics/{report}", **query)
    refused(stranger, 404, "NOT_FOUND")
    assert ask(cast.other, report, group="doctor")["total"][field] == 0
    foreign = ask(cast.other, report, doctor=own.doctor.id, location=own.location.id)
    assert foreign["total"][field] == 0


def test_each_right_has_its_reports(cast: Scene) -> None:
    own = cast.own
    query = {"clinic": own.clinic.id, "from": FIRST, "to": LAST}
    for report in ("utilisation", "lead-times"):
        refused(own.nurse.api.get(f"analytics/{report}", **query), 403, "PERMISSION_DENIED")
    for report in ("wait-times", "check-ins", "no-shows"):
        assert own.nurse.api.get(f"analytics/{report}", **query).status_code == 200
        refused(own.patient.api.get(f"analytics/{report}", **query), 403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"clinic": ""}, "clinic"),
        ({"clinic": "x"}, "clinic"),
        ({"from": ""}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2035-02-30"}, "from"),
        ({"to": "2035-03-18"}, "to"),
        ({"to": "2036-03-19"}, "to"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"group": "patient"}, "group"),
        ({"group": "hour) --"}, "group"),
        ({"format": "xml"}, "format"),
        ({"doctor": "x"}, "doctor"),
        ({"patient": "x"}, "patient"),
    ],
)
def test_bad_questions(cast: Scene, wrong: dict[str, str], field: str) -> None:
    query = {"clinic": cast.own.clinic.id, "from": FIRST, "to": LAST} | wrong
    answer = cast.own.admin.api.get("analytics/wait-times", **query)
    refused(answer, 400, "VALIDATION_ERROR")
    assert list(answer.json()["errors"]) == [field]


def test_a_year_is_the_longest(cast: Scene) -> None:
    query = {"clinic": cast.own.clinic.id, "from": FIRST, "to": FIRST + timedelta(days=365)}
    assert cast.own.admin.api.get("analytics/utilisation", **query).status_code == 200


def test_a_file_is_safe_in_a_spreadsheet(cast: Scene) -> None:
    own = cast.own
    with tenancy.scope(tenancy.SYSTEM):
        own.doctor.display_name = '=HYPERLINK("x"),"'
        own.doctor.save(update_fields=["display_name"])
    entry(own, wall(BERLIN, 20, 9), waited=30)
    query = {"clinic": own.clinic.id, "from": FIRST, "to": LAST, "format": "csv"}
    answer = own.admin.api.get("analytics/wait-times", **query, group="doctor")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "wait-times-2035-03-19-2035-03-26.csv" in answer.headers["Content-Disposition"]
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("key,label,arrived,seen,left,wait_median")
    assert lines[1].startswith(f'{own.doctor.id},"\'=HYPERLINK(""x""),""",1,1,0,,')
    whole = own.admin.api.get("analytics/wait-times", **query).content.decode("utf-8-sig")
    assert whole.splitlines()[1].startswith("1,1,0,,")


def test_statements_do_not_grow_with_rows(cast: Scene) -> None:
    own = cast.own

    def counted() -> dict[tuple[str, str], int]:
        found = {}
        for report in REPORTS:
            for group in ("doctor", "weekday"):
                with CaptureQueriesContext(
                    connection,
                ) as seen:
                    ask(own, report, group=group)
                found[report, group] = statements(seen)
        return found

    entry(own, wall(BERLIN, 20, 9))
    arrived(own, wall(BERLIN, 20, 9), 5)
    before = counted()
    for number in range(12):
        doctor = own.add_doctor()
        entry(own, wall(BERLIN, 19 + number % 7, 9), doctor=doctor)
        arrived(own, wall(BERLIN, 19 + number % 7, 10), 5, doctor=doctor)
    assert counted() == before
    assert max(before.values()) <= 4


def test_charts_are_not_named(cast: Scene) -> None:
    own = cast.own
    chart: Patient = own.add_chart()
    entry(own, wall(BERLIN, 20, 9), patient=chart, guest_name="")
    arrived(own, wall(BERLIN, 20, 9), 5, chart=chart)
    for report in REPORTS:
        said = str(ask(own, report, group="doctor"))
        assert str(chart.id) not in said
        assert chart.given_name not in said
