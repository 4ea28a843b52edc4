"""What a row of the walk is, who is who in it, and the rows that panels have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from tests.backoffice.world import SUPER, page, visit_in
from tests.matrix.table import ADMIN, BOOKED, MANAGERS, STAFF

ALL = STAFF | {SUPER}
NOBODY: frozenset[str] = frozenset()
INSTALLATION = frozenset({SUPER})
VISIT_READERS = ALL - {"pharmacist", "lab"}
#: Of a visit of the cast's doctor; the therapist and the counselor have their own to book.
VISIT_BOOKERS = frozenset({ADMIN, "receptionist", "doctor_user", SUPER})
TREATERS = frozenset({ADMIN, "doctor_user", SUPER})
ARRIVALS = frozenset({ADMIN, "receptionist", "nurse", SUPER})
PLACES_READERS = frozenset({ADMIN, "receptionist", SUPER})
QUEUE_READERS = BOOKED | {ADMIN, "receptionist", "nurse", "support", SUPER}
HOURS_READERS = BOOKED | {ADMIN, "receptionist", SUPER}
HOURS_WRITERS = BOOKED | {ADMIN, SUPER}
CHART_WRITERS = frozenset({ADMIN, "receptionist", "doctor_user", "nurse", SUPER})
EXPORTERS = frozenset({ADMIN, "receptionist", SUPER})
PLAN_READERS = BOOKED | {ADMIN, "receptionist", "nurse", "support", SUPER}
PLAN_WRITERS = frozenset({ADMIN, "doctor_user", SUPER})
#: Chasing is booking: the desk's and the doctor's.
CHASERS = PLAN_WRITERS | {"receptionist"}
WAITLIST = BOOKED | {ADMIN, "receptionist", SUPER}
#: They have working hours of their own, and these are the doctor's.
OTHERS = frozenset({"therapist", "counselor"})

#: The cast's rows are the doctor's: to other clinicians they are not there.
UNSEEN = dict.fromkeys(OTHERS, 404)

Body = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One page and method: POST where there is a `body`.

    `may` get `ok`; everybody else of the staff gets `refused`, unless `also` names another answer.
    `elsewhere` is what those who may get for a foreign or unknown thing; None: the page is about no
    single thing. `public` pages answer anyone.
    """

    path: Callable[[Any], str]
    may: frozenset[str] = ALL
    ok: int = 200
    body: Body | None = None
    refused: int = 403
    also: Mapping[str, int] = field(default_factory=dict)
    elsewhere: int | None = 404
    public: bool = False

    @property
    def method(self) -> str:
        return "post" if self.body else "get"

    def expected(self, role: str) -> int:
        if self.public:
            return self.ok
        if role in self.also:
            return self.also[role]
        return self.ok if role in self.may else self.refused

    def elsewhere_for(self, role: str) -> int:
        """What an unknown thing answers: to those who may not, what an own one does."""
        return self.elsewhere or self.ok if role in self.may else self.expected(role)


class Unknown:
    """A world whose every id exists nowhere."""

    def __getattr__(self, name: str) -> Any:
        if name == "memberships":
            return {"therapist": self.membership}
        key: Any = 999_999 if name == "job" else uuid4()
        return SimpleNamespace(pk=key, version=1, email="nobody@new.test")


def about(name: str, attribute: str, *more: str, query: str = "") -> Callable[[Any], str]:
    return lambda world: page(name, getattr(world, attribute).pk, *more) + query


def site(name: str, *args: Any, query: str = "") -> Callable[[Any], str]:
    return lambda world: page(name, *args) + query


def nothing(world: Any) -> dict[str, Any]:
    return {}


Table = dict[tuple[str, str, str], Row]


def panel(
    name: str,
    attribute: str,
    *,
    reads: frozenset[str],
    adds: frozenset[str] = NOBODY,
    changes: frozenset[str] = NOBODY,
    removes: frozenset[str] = NOBODY,
    may_add_somewhere: frozenset[str] = NOBODY,
    blind: frozenset[str] = NOBODY,
    new: Body = nothing,
    changed: Body = nothing,
) -> Table:
    """The pages that every table has.

    `may_add_somewhere` may open the form, but not for this; `blind` read the list, but this row is
    not in it.
    """
    unseen = dict.fromkeys(blind, 404)

    def hidden(allowed: frozenset[str]) -> dict[str, int]:
        return dict.fromkeys(blind & allowed, 404)

    def post(body: Body) -> Body:
        return lambda world: {"_save": "1", **body(world)}

    def on(what: str) -> Callable[[Any], str]:
        return about(f"{name}_{what}", attribute)

    rows: Table = {
        ("changelist", "get", ""): Row(site(f"{name}_changelist"), reads, elsewhere=None),
        ("add", "get", ""): Row(site(f"{name}_add"), adds | may_add_somewhere, elsewhere=None),
        ("add", "post", ""): Row(site(f"{name}_add"), adds, 302, post(new), elsewhere=None),
        ("change", "get", ""): Row(on("change"), reads - blind, also=unseen),
        ("change", "post", ""): Row(
            on("change"), changes - blind, 302, post(changed), also=hidden(changes)
        ),
        ("delete", "get", ""): Row(on("delete"), removes - blind, also=hidden(removes)),
        ("delete", "post", ""): Row(
            on("delete"),
            removes - blind,
            302,
            lambda world: {"post": "yes"},
            also=hidden(removes),
        ),
        ("history", "get", ""): Row(
            on("history"),
            MANAGERS & reads,
            refused=404,
            also=dict.fromkeys(reads - blind - MANAGERS, 403),
        ),
    }
    return {(f"{name}_{what}", method, kind): row for (what, method, kind), row in rows.items()}


def read(world: Any, attribute: str, **values: Any) -> dict[str, Any]:
    return {"version_read": getattr(world, attribute).version, **values}


def step(verb: str, status: str, may: frozenset[str]) -> Table:
    """A move's page and its button, for a visit in that status."""
    name = "appointments_appointment_move"

    def path(world: Any) -> str:
        visit = uuid4() if isinstance(world, Unknown) else visit_in(world, status).pk
        return page(name, visit, verb)

    def body(world: Any) -> dict[str, Any]:
        return {"version": 1, "reason": "because"}

    also = dict.fromkeys(ALL - VISIT_READERS, 404)
    return {
        (name, "get", verb): Row(path, may, also=also),
        (name, "post", verb): Row(path, may, 302, body, also=also),
    }


def visit_page(what: str, may: frozenset[str], visit: str, body: Body) -> Table:
    path = about(f"appointments_appointment_{what}", visit)
    also = dict.fromkeys(ALL - VISIT_READERS, 404)
    name = f"appointments_appointment_{what}"
    return {
        (name, "get", ""): Row(path, may, also=also),
        (name, "post", ""): Row(
            path,
            may,
            302,
            lambda world: {"version": getattr(world, visit).version, **body(world)},
            also=also,
        ),
    }


def button(
    name: str, attribute: str, may: frozenset[str], *, ok: int = 302, refused: int = 403
) -> Table:
    """Pages that only take a POST."""
    path = about(name, attribute)
    return {
        (name, "get", ""): Row(path, NOBODY, refused=405, elsewhere=405),
        (name, "post", ""): Row(path, may, ok, nothing_posted, refused=refused),
    }


def on_version(
    name: str,
    attribute: str,
    may: frozenset[str] = MANAGERS,
    *,
    also: Mapping[str, int] | None = None,
) -> Table:
    """A button that posts the version that it was drawn for."""
    path = about(name, attribute)
    return {
        (name, "get", ""): Row(path, NOBODY, refused=405, elsewhere=405),
        (name, "post", ""): Row(
            path,
            may,
            302,
            lambda world: {"version": getattr(getattr(world, attribute), "version", 0)},
            also=also or {},
        ),
    }


def nothing_posted(world: Any) -> dict[str, Any]:
    return {"version": 0}
