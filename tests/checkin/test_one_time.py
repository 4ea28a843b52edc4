"""One-time codes: what proves a phone number, and that asking for one tells nothing."""

import logging
import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from checkin import tasks
from checkin.models import OneTimeCode
from checkin.services import one_time
from core import clock, sms, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from tests.casts import build_patient
from tests.checkin.arrivals import point, poster_of
from tests.checkin.patients import PHONE, STRANGE, Phone, sent_to, with_phone
from tests.portal.visitor import text


@pytest.fixture(autouse=True)
def _set_up(settings):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)
    settings.SMS_URL = "https://sms.example.invalid/send"


def ask(house, phone=PHONE):
    with tenancy.scope([house.clinic.id]):
        one_time.one_time_send(clinic=house.clinic, phone=phone, address="192.0.2.1")


def prove(house, code, phone=PHONE):
    with tenancy.scope([house.clinic.id]):
        return one_time.one_time_prove(clinic=house.clinic, phone=phone, code=code)


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06}"


def test_it_proves_every_chart_with_the_number(cast):
    charts = {with_phone(cast.own.chart).id, with_phone(cast.own.add_chart()).id}
    with_phone(cast.own.add_chart(), STRANGE)
    with_phone(cast.other.chart)
    ask(cast.own, "030 901820111" if cast.own.clinic.country else PHONE)
    ((to, code),) = sent_to(cast.own)
    assert to == PHONE
    by = prove(cast.own, f" {code[:3]} {code[3:]} ")
    assert by is not None
    assert by.charts == {cast.own.clinic.id: frozenset(charts)}
    assert by.is_guest
    assert by.account is None
    # Once.
    assert prove(cast.own, code) is None


def test_digits_of_other_scripts_are_digits(cast):
    with_phone(cast.own.chart)
    ask(cast.own)
    ((_to, code),) = sent_to(cast.own)
    assert prove(cast.own, code.translate({ord("0") + n: 0x660 + n for n in range(10)}))


def test_the_same_number_is_the_same_guest(cast):
    with_phone(cast.own.chart)
    found = []
    for _again in range(2):
        ask(cast.own)
        found.append(prove(cast.own, sent_to(cast.own)[-1][1]))
    assert found[0] == found[1]


def test_after_five_wrong_tries_the_right_one_is_too_late(cast):
    with_phone(cast.own.chart)
    ask(cast.own)
    ((_to, code),) = sent_to(cast.own)
    for _try in range(one_time.MOST_TRIES):
        assert prove(cast.own, wrong(code)) is None
    assert prove(cast.own, code) is None


def test_four_wrong_tries_are_forgiven(cast):
    with_phone(cast.own.chart)
    ask(cast.own)
    ((_to, code),) = sent_to(cast.own)
    for _try in range(one_time.MOST_TRIES - 1):
        assert prove(cast.own, wrong(code)) is None
    assert prove(cast.own, code)


def test_it_is_good_for_five_minutes(cast):
    with_phone(cast.own.chart)
    ask(cast.own)
    ((_to, code),) = sent_to(cast.own)
    with time_machine.travel(clock.now() + timedelta(minutes=5), tick=False):
        assert prove(cast.own, code) is None
        assert sent_to(cast.own) == []  # and a message that is late is not sent any more
    assert prove(cast.own, code)


def test_a_new_code_replaces_the_old(cast):
    with_phone(cast.own.chart)
    ask(cast.own)
    ask(cast.own)
    (_, old), (_, new) = sent_to(cast.own)
    if old != new:
        assert prove(cast.own, old) is None
    assert prove(cast.own, new)


def test_a_code_of_another_clinic_proves_nothing(cast):
    with_phone(cast.own.chart)
    with_phone(cast.other.chart)
    ask(cast.own)
    ((_to, code),) = sent_to(cast.own)
    assert prove(cast.other, code) is None
    assert prove(cast.own, code, STRANGE) is None


def test_a_number_is_sent_five_codes_an_hour_known_or_not(cast):
    with_phone(cast.own.chart)
    for phone in (PHONE, STRANGE):
        for _code in range(one_time.MOST_AN_HOUR):
            ask(cast.own, phone)
        with pytest.raises(KairosError) as refused:
            ask(cast.own, phone)
        assert refused.value.code == ErrorCode.RATE_LIMIT_EXCEEDED
    with time_machine.travel(clock.now() + timedelta(minutes=61), tick=False):
        ask(cast.own)


def test_an_address_is_limited(cast, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"one_time": 3}
    for number in range(3):
        ask(cast.own, f"+49309018202{number:02}")
    with pytest.raises(KairosError) as refused:
        ask(cast.own, "+4930901820203")
    assert refused.value.code == ErrorCode.RATE_LIMIT_EXCEEDED


@pytest.mark.parametrize("phone", ["", "   ", "12", "not a number", "+49" * 30])
def test_what_is_no_number_is_said(cast, phone):
    with pytest.raises(KairosError) as refused:
        ask(cast.own, phone)
    assert refused.value.code == ErrorCode.VALIDATION_ERROR
    assert not sent_to(cast.own)


@pytest.mark.parametrize("code", ["", "abc", "1" * 400, "12345\u0661"[:5], "\x00", "²²²²²²"])
def test_what_is_no_code_is_wrong(cast, code):
    with_phone(cast.own.chart)
    ask(cast.own)
    assert prove(cast.own, code) is None


def test_nothing_is_kept_in_clear(cast, caplog):
    caplog.set_level(logging.DEBUG)
    with_phone(cast.own.chart)
    ask(cast.own)
    ((to, code),) = sent_to(cast.own)
    prove(cast.own, code)
    with tenancy.scope(tenancy.SYSTEM):
        events = [str(row) for row in OutboxEvent.objects.values()]
        audits = list(AuditEvent.objects.filter(action__startswith="checkin.code").values())
        rows = [
            b"".join(bytes(row[name]) for name in ("phone_digest", "code_hash"))
            for row in OneTimeCode.objects.values()
        ]
    kept = " ".join([caplog.text, *events, *map(str, audits)])
    assert len(audits) == 2
    assert to.lstrip("+") not in kept
    assert not re.search(rf"\b{code}\b", kept)
    assert all(code.encode() not in row and to.encode() not in row for row in rows)


def test_the_message_is_in_the_language_of_who_asked(cast):
    with_phone(cast.own.chart)
    with translation.override("es"):
        ask(cast.own)
    with tenancy.scope([cast.own.clinic.id]):
        event = OutboxEvent.objects.get(topic=one_time.TOPIC)
        message = one_time.one_time_message(sealed=event.payload["sealed"])
    assert message is not None
    assert cast.own.clinic.name in message.text


def test_what_we_did_not_seal_is_not_sent(cast):
    with tenancy.scope([cast.own.clinic.id]):
        assert one_time.one_time_message(sealed="gAAAAA-forged") is None


def test_the_worker_sends_to_whom_the_clinic_knows(cast, monkeypatch):
    sent = []
    monkeypatch.setattr(sms, "send", lambda **message: sent.append(message))
    with_phone(cast.own.chart)
    clinic = str(cast.own.clinic.id)
    for phone in (PHONE, STRANGE):
        ask(cast.own, phone)
    with tenancy.scope([cast.own.clinic.id]):
        events = list(OutboxEvent.objects.filter(topic=one_time.TOPIC).order_by("id"))
    for event in events:
        tasks.one_time_send.run(clinic=clinic, sealed=event.payload["sealed"])
    (message,) = sent
    assert message["to"] == PHONE
    assert re.search(r"\d{6}", message["text"])


def test_what_is_over_is_forgotten(cast):
    ask(cast.own)
    assert one_time.one_time_prune() == 0
    with time_machine.travel(clock.now() + timedelta(minutes=66), tick=False):
        assert one_time.one_time_prune() == 1


# --- Nobody learns who is a patient -------------------------------------------------------------

_VARIES = re.compile(r'csrfmiddlewaretoken" value="\w+"|\+\d{8,}|[0-9a-f-]{36}')


def walk(cast, phone):
    """Everything that somebody is answered on the way to a wrong code."""
    guest = Phone(cast.own)
    code = poster_of(point(cast.own))
    pages = [
        guest.client.post(f"/q/{code}/phone", {"phone": phone}),
        guest.open(f"/q/{code}/code"),
        *(guest.client.post(f"/q/{code}/code", {"digits": "12 34 56"}) for _try in range(7)),
        guest.scan(code),
    ]
    return [
        (
            page.status_code,
            page.headers.get("Location", "").replace(code, "·"),
            _VARIES.sub("·", page.content.decode().replace(code, "·")),
        )
        for page in pages
    ]


def test_a_known_and_an_unknown_number_are_answered_alike(cast, monkeypatch):
    monkeypatch.setattr(one_time.secrets, "randbelow", lambda _below: 654321)
    with_phone(cast.own.chart)
    known, unknown = walk(cast, PHONE), walk(cast, STRANGE)
    assert known == unknown
    assert "654321" not in str(known)


def test_the_database_is_asked_the_same(cast):
    with_phone(cast.own.chart)

    def statements(phone):
        code = poster_of(point(cast.own))
        guest = Phone(cast.own)
        guest.scan(code)
        with CaptureQueriesContext(connection) as caught:
            guest.client.post(f"/q/{code}/phone", {"phone": phone})
            guest.client.post(f"/q/{code}/code", {"digits": "000"})
        return [re.sub(r"'[^']*'|\d+", "·", query["sql"])[:60] for query in caught]

    assert statements(PHONE) == statements(STRANGE)


def test_wrong_tries_are_counted_over_the_pages(cast):
    """A page that refuses must not undo the count."""
    with_phone(cast.own.chart)
    code = poster_of(point(cast.own))
    guest = Phone(cast.own)
    guest.client.post(f"/q/{code}/phone", {"phone": PHONE})
    ((_to, digits),) = sent_to(cast.own)
    for _try in range(one_time.MOST_TRIES):
        answer = guest.client.post(f"/q/{code}/code", {"digits": wrong(digits)})
        assert answer.status_code == 401
        assert "not right, or it is over" in text(answer)
    assert guest.client.post(f"/q/{code}/code", {"digits": digits}).status_code == 401


def test_a_shared_chart_of_another_clinic_is_not_proven(cast):
    """The outsider's clinic has a patient with the same number."""
    stranger = build_patient(cast.other.clinic, "Zoe", "Other", phone=PHONE)
    ask(cast.own)
    assert sent_to(cast.own) == []
    with_phone(cast.own.chart)
    ask(cast.own)
    by = prove(cast.own, sent_to(cast.own)[-1][1])
    assert by is not None
    assert stranger.id not in by.own_patients()
