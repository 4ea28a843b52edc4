"""The kiosk's screens without its script: what they tell, to whom, and what they keep."""

import re
from typing import Any

import pytest
from django.test import Client

from checkin.device_auth import COOKIE
from checkin.models import CheckIn, CheckInAttempt, CheckInMethod, DeviceKind
from checkin.pages import kiosk as pages
from checkin.services import devices
from checkin.services.alerts import UNKNOWN_CODES
from core import context, tenancy
from tests.appointments.scene import House, Scene
from tests.checkin.arrivals import of_clinic, pass_of, visit
from tests.checkin.patients import PHONE, STRANGE, sent_to, with_phone


@pytest.fixture(autouse=True)
def _set_up(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)
    context.begin("a-test", "192.0.2.9")


@pytest.fixture
def texting(settings: Any) -> None:
    """Text messages can be sent."""
    settings.SMS_URL = "https://sms.example.invalid/send"


class Kiosk:
    """A kiosk of the house, as a browser."""

    def __init__(self, house: House) -> None:
        with tenancy.scope([house.clinic.id]):
            _, code = devices.device_make(
                by=house.admin.principal(),
                clinic=house.clinic,
                location=house.location,
                kind=DeviceKind.KIOSK,
                name="Tablet",
            )
        self.client = Client()
        self.client.cookies[COOKIE] = devices.device_pair(pairing_code=code)[1]

    def open(self, path: str = "en/") -> Any:
        return self.client.get(f"/kiosk/{path}")

    def show(self, code: str, language: str = "en", **more: Any) -> Any:
        page = self.open(f"{language}/code")
        return self.client.post(
            f"/kiosk/{language}/code", {"code": code, "nonce": field(page, "nonce"), **more}
        )

    def ask(self, phone: str = PHONE) -> Any:
        return self.client.post("/kiosk/en/phone", {"phone": phone})

    def type(self, asked: Any, digits: str) -> Any:
        return self.client.post(
            "/kiosk/en/digits", {"state": field(asked, "state"), "digits": digits}
        )


@pytest.fixture
def kiosk(cast: Scene) -> Kiosk:
    return Kiosk(cast.own)


def field(page: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.content.decode())
    assert found, page.content.decode()
    return found[1]


def text(page: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_a_code_gives_a_token_and_no_page_is_kept(cast: Scene, kiosk: Kiosk) -> None:
    found = visit(cast.own)
    done = kiosk.show(pass_of(found))
    assert done.status_code == 200
    assert "A001" in text(done)
    assert found.patient.family_name not in text(done)
    assert "no-store" in done.headers["Cache-Control"]
    assert done.headers["Refresh"].endswith("url=/kiosk/")
    (arrival,) = of_clinic(cast.own, CheckIn)
    assert (arrival.method, arrival.device_id is not None) == (CheckInMethod.KIOSK, True)
    assert set(kiosk.client.cookies) <= {COOKIE, "csrftoken"}
    again = kiosk.show(pass_of(found))
    assert "A001" in text(again)


def test_the_language_lasts_for_one_person(kiosk: Kiosk) -> None:
    page = kiosk.open("ar/").content.decode()
    assert 'lang="ar"' in page
    assert 'dir="rtl"' in page
    assert '<html lang="en"' in kiosk.open("").content.decode()
    assert kiosk.open("xx/").headers["Location"] == "/kiosk/"


def test_a_double_tap_is_one_question(cast: Scene, kiosk: Kiosk) -> None:
    page = kiosk.open("en/code")
    sent = {"code": pass_of(visit(cast.own)), "nonce": field(page, "nonce")}
    first, second = (kiosk.client.post("/kiosk/en/code", sent) for _ in range(2))
    assert "A001" in text(first)
    assert "A001" in text(second)
    assert len(of_clinic(cast.own, CheckInAttempt)) == 1
    other = kiosk.client.post("/kiosk/en/code", sent | {"code": pass_of(visit(cast.own))})
    assert other.status_code == 422
    assert "A002" not in text(other)


def test_a_family_chooses_by_first_names(cast: Scene, kiosk: Kiosk) -> None:
    chart = cast.own.add_chart()
    first, second = visit(cast.own, chart=chart), visit(cast.own, 20, chart=chart)
    asked = kiosk.show(pass_of(first))
    assert "Which visit?" in text(asked)
    assert chart.family_name not in text(asked)
    one = kiosk.client.post(
        "/kiosk/en/code",
        {"code": field(asked, "code"), "nonce": field(asked, "nonce"), "visit": str(second.id)},
    )
    assert "You are checked in" in text(one)
    assert [arrival.pk for arrival in of_clinic(cast.own, CheckIn)] == [second.id]


@pytest.mark.parametrize(
    ("code", "status"),
    [("4006381333931", 404), ("\x00\U0001f4a5" * 9, 404), ("A" * 76, 404), ("x" * 9000, 404)],
)
def test_what_is_no_code_is_said_with_whom_to_ask(kiosk: Kiosk, code: str, status: int) -> None:
    refused = kiosk.show(code)
    assert refused.status_code == status
    assert "reception" in text(refused)


def test_the_neighbours_visit_is_none(cast: Scene, kiosk: Kiosk) -> None:
    foreign = visit(cast.other)
    refused = kiosk.show(pass_of(foreign))
    assert refused.status_code == 404
    assert foreign.patient.given_name not in text(refused)
    assert of_clinic(cast.other, CheckInAttempt) == []


def test_too_early_says_from_when(cast: Scene, kiosk: Kiosk) -> None:
    refused = kiosk.show(pass_of(visit(cast.own, minutes=90)))
    assert "It is too early to check in" in text(refused)
    assert refused.status_code == 409


def test_one_that_was_slowed_down_says_so(cast: Scene, kiosk: Kiosk, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"slowed": 1}
    for number in range(UNKNOWN_CODES + 1):
        assert kiosk.show(f"40063813{number:05d}").status_code == 404
    slowed = kiosk.show(pass_of(visit(cast.own)))
    assert slowed.status_code == 429
    assert "Just a moment, please" in text(slowed)
    assert int(slowed.headers["Retry-After"]) > 0


def test_it_is_one_kind_of_device(cast: Scene) -> None:
    own = cast.own
    with tenancy.scope([own.clinic.id]):
        _, token = devices.device_lend(
            by=own.reception.principal(), clinic=own.clinic, location=own.location
        )
    browser = Client()
    browser.cookies[COOKIE] = token
    for path in ("", "en/", "en/code", "en/phone", "en/digits", "en/chosen"):
        assert browser.post(f"/kiosk/{path}").headers["Location"] == "/scan/"
        assert Client().post(f"/kiosk/{path}").headers["Location"] == "/pair"


def test_without_text_messages_the_phone_is_not_offered(kiosk: Kiosk) -> None:
    assert "Get a code by phone" not in text(kiosk.open())
    assert kiosk.ask().headers["Location"] == "/kiosk/"


def test_a_phone_number_is_proven_and_checks_in(cast: Scene, kiosk: Kiosk, texting: None) -> None:
    assert "Get a code by phone" in text(kiosk.open())
    mine = visit(cast.own, chart=with_phone(cast.own.add_chart()))
    asked = kiosk.ask()
    right = sent_to(cast.own)[-1][1]
    wrong = kiosk.type(asked, "000000" if right != "000000" else "111111")
    assert wrong.status_code == 401
    done = kiosk.type(wrong, right)
    assert "A001" in text(done)
    assert [arrival.pk for arrival in of_clinic(cast.own, CheckIn)] == [mine.id]
    assert kiosk.type(asked, right).status_code == 401  # it was used
    assert PHONE not in text(done)


def test_two_visits_of_a_number_are_chosen_from(cast: Scene, kiosk: Kiosk, texting: None) -> None:
    visits = [visit(cast.own, chart=with_phone(cast.own.add_chart())) for _ in range(2)]
    foreign = visit(cast.own)
    asked = kiosk.type(kiosk.ask(), sent_to(cast.own)[-1][1])
    assert "Which visit?" in text(asked)
    assert visits[0].patient.given_name in text(asked)
    state = field(asked, "state")
    sent = {"state": state, "nonce": field(asked, "nonce")}

    # Only what was proven can be chosen, and only from here.
    assert "Which visit?" in text(
        kiosk.client.post("/kiosk/en/chosen", sent | {"visit": str(foreign.id)})
    )
    beside = Kiosk(cast.own).client.post("/kiosk/en/chosen", sent | {"everyone": "1"})
    assert beside.headers["Location"] == "/kiosk/"
    assert of_clinic(cast.own, CheckIn) == []

    done = kiosk.client.post("/kiosk/en/chosen", sent | {"everyone": "1"})
    assert "A001" in text(done)
    assert "A002" in text(done)
    assert {arrival.pk for arrival in of_clinic(cast.own, CheckIn)} == {one.id for one in visits}


_VARIES = re.compile(r'name="(?:state|nonce|csrfmiddlewaretoken)" value="[^"]*"')


def test_a_known_and_an_unknown_number_are_answered_alike(
    cast: Scene, kiosk: Kiosk, texting: None
) -> None:
    visit(cast.own, chart=with_phone(cast.own.add_chart()))
    said = []
    for number in (PHONE, STRANGE):
        asked = kiosk.ask(number)
        right = sent_to(cast.own)[-1][1]
        wrong = kiosk.type(asked, "000000" if right != "000000" else "111111")
        said.append(
            [(page.status_code, _VARIES.sub("", page.content.decode())) for page in (asked, wrong)]
        )
    assert said[0] == said[1]


def test_a_step_that_was_left_is_over(
    cast: Scene, kiosk: Kiosk, texting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(cast.own, chart=with_phone(cast.own.add_chart()))
    asked = kiosk.ask()
    monkeypatch.setattr(pages, "STEP_SECONDS", -1)
    left = kiosk.type(asked, sent_to(cast.own)[-1][1])
    assert left.headers["Location"] == "/kiosk/"
    monkeypatch.undo()
    forged = kiosk.client.post("/kiosk/en/digits", {"state": "forged", "digits": "123456"})
    assert forged.headers["Location"] == "/kiosk/"
