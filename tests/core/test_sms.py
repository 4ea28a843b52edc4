"""Text messages, against a gateway that really listens."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from core import sms
from core.errors import ErrorCode, KairosError
from tests.support.http_stand_in import Answer, StandIn, nobody_listens, standing_in

TO, TEXT, KEY = "+491701234567", "Your code is 123456. 🙂", "0198-event"


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """How long was waited between tries; nobody waits."""
    waited: list[float] = []
    monkeypatch.setattr(sms, "_wait", waited.append)
    return waited


@pytest.fixture
def gateway(settings) -> Iterator[StandIn]:
    with standing_in() as found:
        settings.SMS_URL, settings.SMS_TOKEN = f"{found.url}/v2/send", "sesame"
        settings.SMS_SENDER = "Clinic"
        yield found


def send(**fields: str) -> None:
    sms.send(**({"to": TO, "text": TEXT, "key": KEY} | fields))


def refusal(**fields: str) -> ErrorCode:
    with pytest.raises(KairosError) as error:
        send(**fields)
    said = f"{error.value} {error.value.detail} {error.value.errors}"
    assert TO not in said
    assert "123456" not in said
    return error.value.code


def test_the_gateway_gets_the_message(gateway, pauses):
    gateway.statuses(202)
    send()
    (asked,) = gateway.asked
    assert asked.path == "/v2/send"
    assert asked.json == {"to": TO, "text": TEXT, "sender": "Clinic", "id": KEY}
    assert asked.headers["authorization"] == "Bearer sesame"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["idempotency-key"] == KEY
    assert pauses == [0.0]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_it_is_tried_again_with_the_same_id(gateway, pauses, status):
    gateway.statuses(status, status, 200)
    send()
    assert [asked.json["id"] for asked in gateway.asked] == [KEY] * 3
    assert pauses == [0.0, *sms.PAUSES]


def test_three_failures_are_enough(gateway):
    gateway.otherwise = Answer(500)
    assert refusal() == ErrorCode.SERVICE_UNAVAILABLE
    assert len(gateway.asked) == 3


def test_a_gateway_that_hangs(gateway, monkeypatch):
    monkeypatch.setattr(sms, "TIMEOUT", 0.2)
    gateway.plan(Answer(stay=True), Answer(drip=True))
    send()
    assert len(gateway.asked) == 3


def test_a_gateway_that_is_not_there(settings):
    settings.SMS_URL, settings.SMS_TOKEN = f"http://127.0.0.1:{nobody_listens()}", "sesame"
    assert refusal() == ErrorCode.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_number_is_not_tried_again(gateway, status):
    gateway.statuses(status)
    assert refusal() == ErrorCode.VALIDATION_ERROR
    assert len(gateway.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_gateway_that_does_not_know_us_is_not_asked_again(gateway, status):
    gateway.plan(Answer(status, {"Location": gateway.url}))
    assert refusal() == ErrorCode.SERVICE_UNAVAILABLE
    assert len(gateway.asked) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"to": "01701234567"},
        {"to": "+49 170 1234567"},
        {"to": "+491701234567\n"},
        {"to": ""},
        {"text": " "},
        {"text": "x" * 1001},
        {"key": ""},
        {"key": "x" * 101},
        {"key": "a\r\nX-Evil: 1"},
    ],
)
def test_bad_input_reaches_nobody(gateway, fields):
    with pytest.raises(KairosError) as error:
        send(**fields)
    assert error.value.code == ErrorCode.VALIDATION_ERROR
    assert gateway.asked == []


def test_without_a_gateway(settings):
    settings.SMS_URL = ""
    assert not sms.is_configured()
    assert refusal() == ErrorCode.SERVICE_UNAVAILABLE


def test_neither_number_nor_text_is_logged(gateway):
    gateway.statuses(500, 422, 500, 500, 500)
    with capture_logs() as lines:
        refusal()
        refusal()
    assert len(lines) >= 5
    assert all(line["key"] == KEY for line in lines)
    assert TO not in str(lines)
    assert "123456" not in str(lines)
    assert "sesame" not in str(lines)
