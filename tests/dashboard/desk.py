"""Somebody at the desk of a clinic: their pages, and what is sent from them."""

import json
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from clinics.models import Clinic
from tests.backoffice.world import World, at_the_desk


class Desk:
    """A person's browser at a clinic's desk, without JavaScript unless `htmx` is said."""

    def __init__(self, clinic: Clinic, user: User | None) -> None:
        self.clinic, self.user, self.client = clinic, user, at_the_desk(user)

    def address(self, name: str, **parts: Any) -> str:
        return reverse(name, kwargs={"slug": self.clinic.slug, **parts})

    def get(self, name: str, query: Any = None, *, htmx: bool = False, **parts: Any) -> Any:
        return self.client.get(self.address(name, **parts), query, headers=_headers(htmx))

    def post(self, name: str, data: Any = None, *, htmx: bool = False, **parts: Any) -> Any:
        return self.client.post(self.address(name, **parts), data or {}, headers=_headers(htmx))

    def step(self, visit: Any, verb: str, *, htmx: bool = False, **data: Any) -> Any:
        """A step of the visit as it is here, unless another version is said."""
        data.setdefault("version", visit.version)
        return self.post("desk-visit-step", data, htmx=htmx, visit_id=visit.id, verb=verb)


def desk_of(world: World, who: str = "receptionist", *, at: Clinic | None = None) -> Desk:
    """The desk of a person of the cast; in another clinic where one is said."""
    return Desk(at or world.clinic, world.user(who))


def told(answer: Any) -> dict[str, Any]:
    """What the open page is told after an act (`desk:done`)."""
    assert answer.status_code == 204, (answer.status_code, answer.content.decode()[:600])
    found: dict[str, Any] = json.loads(answer.headers["HX-Trigger"])["desk:done"]
    return found


def signed_out() -> Client:
    return Client()


def _headers(htmx: bool) -> dict[str, str]:
    return {"HX-Request": "true"} if htmx else {}
