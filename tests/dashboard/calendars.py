"""The board of a clinic with calendars, as the pages show it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from dashboard.board import Board, Card, Column, Free
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Person
from tests.dashboard.desk import Desk

TODAY = NOW.date()


@dataclass(frozen=True, slots=True)
class Offer:
    """A free time on the board, as its link would book it."""

    doctor: UUID
    starts_at: datetime
    location: UUID | None
    service: UUID | None


def at_desk(house: House, who: Person | None = None) -> Desk:
    """The house's desk, with its receptionist at it unless told."""
    return Desk(house.clinic, (who or house.reception).user)


def day(house: House, on: date = TODAY, who: Person | None = None, **query: Any) -> Any:
    """The page of a day, which has to open."""
    return opened(at_desk(house, who).get("desk-day", query, day=on))


def week(house: House, on: date = TODAY, who: Person | None = None, **query: Any) -> Any:
    """The page of a week."""
    return opened(at_desk(house, who).get("desk-week", query, day=on))


def opened(answer: Any) -> Any:
    assert answer.status_code == 200, (answer.status_code, answer.content.decode()[:800])
    return answer


def board_of(answer: Any) -> Board:
    found: Board = answer.context["board"]
    return found


def column(answer: Any, doctor: Any) -> Column:
    return next(one for one in board_of(answer).columns if one.doctor == doctor.id)


def cards(answer: Any, doctor: Any) -> list[Card]:
    return [item for item in column(answer, doctor).items if isinstance(item, Card)]


def free(answer: Any, doctor: Any) -> list[Free]:
    return [item for item in column(answer, doctor).items if isinstance(item, Free)]


def times(answer: Any, doctor: Any) -> list[str]:
    """The local times of the free starts in a column."""
    return [item.time for item in free(answer, doctor)]


def shades(answer: Any, doctor: Any, kind: str) -> list[tuple[str, str]]:
    """Where a kind of shade lies in a column, and what it says."""
    return [(one.place, one.text) for one in column(answer, doctor).shades if one.kind == kind]


def offers(answer: Any) -> Iterator[Offer]:
    """The free times of the whole board, read from their links in the page."""
    for link in re.findall(r'<a class="free [^>]*href="([^"]+)"', answer.content.decode()):
        found = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
        ids = {name: UUID(found[name][0]) for name in ("location", "service") if name in found}
        yield Offer(
            doctor=UUID(found["doctor"][0]),
            starts_at=datetime.fromisoformat(found["starts_at"][0]),
            location=ids.get("location"),
            service=ids.get("service"),
        )
