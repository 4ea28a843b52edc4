"""The clinic's front door, its colour, and the way there from the first page."""

import re

from tests.appointments.scene import Scene
from tests.portal.visitor import Visitor, text


def test_the_sheet_holds_tokens_and_nothing_else(guest: Visitor, cast: Scene) -> None:
    cast.own.policy(colour="#ffee00")
    for name in ("brand.css", "brand-dark.css"):
        answer = guest.open(f"/c/{guest.slug}/{name}")
        assert answer["Content-Type"] == "text/css"
        names = re.findall(r"(--[\w-]+): #[0-9a-f]{6}", answer.content.decode())
        assert names == ["--accent", "--accent-strong", "--accent-ground", "--on-accent"]


def test_it_names_what_is_there(guest: Visitor, cast: Scene) -> None:
    page = text(guest.open(guest.url("clinic", guest.slug)))
    for word in ("Own", "+4930901820000", "Dr First", "Main", "Visit", "30 minutes"):
        assert word in page
    assert cast.other.clinic.name not in page


def test_the_first_page_leads_there(guest: Visitor, patient: Visitor, cast: Scene) -> None:
    page = guest.open("/")
    assert guest.url("clinic", guest.slug) in page.content.decode()
    cast.own.policy(public_slots=False)
    assert guest.url("clinic", guest.slug) not in guest.open("/").content.decode()
    assert "My appointments" in text(patient.open("/"))
    reception = Visitor(cast.own, cast.own.reception.user)
    assert "My appointments" not in text(reception.open("/"))


def test_nothing_inline_and_nothing_from_elsewhere(guest: Visitor, patient: Visitor) -> None:
    pages = [guest.open(guest.url("clinic", guest.slug)), guest.times(), patient.open("/my")]
    for page in pages:
        html = page.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
        assert page["Content-Security-Policy"].startswith("default-src 'self'")
