"""A visitor's browser without JavaScript: pages, their forms, and what stands in them."""

import re
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from appointments.models import Appointment
from core import tenancy
from portal.slots import Picked
from tests.appointments.scene import House, Scene, scene

#: What a guest types.
PERSON = {
    "given_name": "Amal",
    "family_name": "Haddad",
    "birth_day": "7",
    "birth_month": "3",
    "birth_year": "1991",
    "phone": "+4930901820001",
    "email": "",
    "reason": "A cough",
}


def portal_scene(**policy: Any) -> Scene:
    """Two clinics that let patients change visits until an hour before."""
    made = scene(cancel_cutoff_minutes=60, **policy)
    for house in (made.own, made.other):
        house.policy(phone="+4930901820000", country="DE")
    return made


class Visitor:
    """One browser. Signed in when there is a user."""

    def __init__(self, house: House, user: User | None = None, **options: Any) -> None:
        self.house = house
        self.client = Client(**options)
        if user is not None:
            self.client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])

    @property
    def slug(self) -> str:
        return str(self.house.clinic.slug)

    def url(self, name: str, *args: Any) -> str:
        return reverse(f"portal-{name}", args=args)

    def open(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query)

    def times(self, house: House | None = None, **query: Any) -> Any:
        house = house or self.house
        return self.open(self.url("times", house.clinic.slug, house.service.id), **query)

    def slot(self, at: datetime, house: House | None = None, doctor: Any = "") -> str:
        """The value of a button; `doctor` left out: anyone."""
        house = house or self.house
        who = house.doctor.id if doctor == "" else doctor
        return str(Picked(at, house.location.id, who))

    def pick(self, at: datetime, doctor: Any = "", **form: Any) -> Any:
        """Press the button of a time; the answer."""
        where = self.url("hold", self.slug, self.house.service.id)
        return self.client.post(where, {"slot": self.slot(at, doctor=doctor), **form})

    def book(self, details: str, **form: Any) -> Any:
        """Send the details' form."""
        return self.client.post(details, PERSON | form)

    def booked(self, at: datetime, **form: Any) -> Appointment:
        """Pick and book; the visit."""
        held = self.pick(at)
        assert held.status_code == 302, text(held)
        answer = self.book(held["Location"], **form)
        assert answer.status_code == 302, text(answer)
        assert answer["Location"].startswith("/visit/"), answer["Location"]
        return latest(self.house)

    def link(self, visit: Appointment, name: str = "visit") -> str:
        """The personal link of a visit, as the service makes it."""
        from appointments.services.links import visit_link  # noqa: PLC0415 - after Django's setup

        return self.url(name, visit_link(visit))


def latest(house: House) -> Appointment:
    """The clinic's newest visit."""
    with tenancy.scope([house.clinic.id]):
        found = Appointment.objects.filter(clinic=house.clinic).order_by("-id").first()
    assert found is not None
    return found


def count(house: House) -> int:
    """How many visits the clinic has."""
    with tenancy.scope([house.clinic.id]):
        return Appointment.objects.filter(clinic=house.clinic).count()


def text(answer: Any) -> str:
    """What a person reads of a page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
