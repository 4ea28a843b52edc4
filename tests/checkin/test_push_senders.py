"""The two ways of pushing: encryption by the standard's own example, and Firebase's two steps."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.management import call_command

from checkin.push import fcm, vapid
from checkin.push.encryption import BLOCK, MAX_PLAINTEXT, RECORD_SIZE, encrypt, point
from checkin.push.fcm import FcmSender
from checkin.push.interface import Address, Message, Result, retry_after
from config.env import Environment, load
from core import clock
from deploy.local.push_key import push_settings
from tests.checkin.browser_stand_in import Subscriber
from tests.support.http_stand_in import Answer, StandIn, standing_in

MESSAGE = Message("Token A007", "Please come in.", "t" * 32, "en", "ltr", 540)
ADDRESS = Address("device:token_1")
SCOPE = "scope.of.messaging"
# RFC 8291, section 5
EXAMPLE = {
    "plaintext": b"When I grow up, I want to be a watermelon",
    "sender": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "receiver": (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    ),
    "receiver_private": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "salt": "DGv6ra1nlYgDCS1FRnbzlw",
    "body": (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    ),
}


def raw(name: str) -> bytes:
    return vapid.from_base64url(str(EXAMPLE[name]))


def private(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw(name), "big"), ec.SECP256R1())


# --- Web Push -------------------------------------------------------------------------------------


def test_the_example_of_the_standard():
    body = encrypt(
        EXAMPLE["plaintext"],  # type: ignore[arg-type]
        receiver=raw("receiver"),
        auth=raw("auth"),
        sender=private("sender"),
        salt=raw("salt"),
        block=1,
    )
    assert vapid.to_base64url(body) == EXAMPLE["body"]
    browser = Subscriber(private("receiver_private"), raw("auth"))
    assert browser.read(body) == EXAMPLE["plaintext"]


@pytest.mark.parametrize("length", [0, 1, 100, BLOCK - 1, BLOCK, MAX_PLAINTEXT])
def test_each_message_is_sealed_anew_and_its_length_tells_little(length):
    browser = Subscriber()
    bodies = [encrypt(b"x" * length, receiver=browser.point, auth=browser.secret) for _ in range(2)]
    assert bodies[0] != bodies[1]
    assert bodies[0][:16] != bodies[1][:16]
    assert bodies[0][21:86] != bodies[1][21:86]
    assert [browser.read(body) for body in bodies] == [b"x" * length] * 2
    assert (len(bodies[0]) - 86 - 16) % BLOCK == 0
    assert len(bodies[0]) <= RECORD_SIZE


def test_a_long_message_and_wrong_keys_are_refused():
    browser = Subscriber()
    for plaintext, receiver, auth in (
        (b"x" * (MAX_PLAINTEXT + 1), browser.point, browser.secret),
        (b"x", browser.point, b"short"),
        (b"x", b"\x04" + b"\x01" * 64, browser.secret),
        (b"x", b"", browser.secret),
    ):
        with pytest.raises(ValueError, match=r".*"):
            encrypt(plaintext, receiver=receiver, auth=auth)


def test_keys_are_new_each_time_and_fit_their_public_halves():
    made = [vapid.new_private_key() for _ in range(20)]
    assert len(set(made)) == 20
    for one in made:
        number = int.from_bytes(vapid.from_base64url(one), "big")
        key = ec.derive_private_key(number, ec.SECP256R1())
        assert vapid.public_key(one) == vapid.to_base64url(point(key))


def test_the_command_prints_a_key_that_the_environment_takes(capsys):
    call_command("make_push_key")
    said = capsys.readouterr()
    name, _, key = said.out.strip().partition("=")
    assert name == "VAPID_PRIVATE_KEY"
    assert vapid.public_key(key) in said.err
    environment(vapid_private_key=key, vapid_subject="mailto:it@example.org")


def test_make_run_makes_a_key_once_for_its_owner_alone(tmp_path):
    first = push_settings({}, tmp_path)
    assert push_settings({}, tmp_path) == first
    assert (tmp_path / "push.key").stat().st_mode & 0o777 == 0o600
    environment(**{name.lower(): value for name, value in first.items()})
    for given in ({"VAPID_PRIVATE_KEY": "own"}, {"VAPID_PRIVATE_KEY_FILE": "/run/own"}):
        assert push_settings(given, tmp_path) == {}


def test_the_wish_of_a_push_service_in_seconds():
    wishes = [None, "", "30", "0", "-1", "1.5", "٣", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 50]
    assert [retry_after(wish) for wish in wishes] == [
        *(None, None, 30, 0, None, None, None, None),
        86_400,
    ]


# --- Firebase -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def firebase(settings, account_key) -> Iterator[StandIn]:
    """Both the authority that gives tokens and the service that takes messages."""
    pem = account_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with standing_in() as found:
        settings.FCM_URL, settings.FCM_SCOPE = f"{found.url}/messages:send", SCOPE
        settings.FCM_CREDENTIALS = json.dumps(
            {
                "client_email": "push@project.example",
                "private_key": pem,
                "private_key_id": "key-1",
                "token_uri": f"{found.url}/token",
            }
        )
        yield found


def grant(value: str = "access-1", seconds: Any = 3600) -> Answer:
    given = {"access_token": value, "expires_in": seconds, "token_type": "Bearer"}
    return Answer(body=json.dumps(given).encode())


def test_a_signed_claim_becomes_a_token_and_the_message_is_sent(firebase, account_key):
    firebase.plan(grant())
    assert FcmSender().send(ADDRESS, MESSAGE).result is Result.SENT
    asked, sent = firebase.asked
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assertion = form["assertion"][0]
    claims = jwt.decode(
        assertion, account_key.public_key(), algorithms=["RS256"], audience=f"{firebase.url}/token"
    )
    assert (claims["iss"], claims["scope"]) == ("push@project.example", SCOPE)
    assert claims["exp"] - claims["iat"] <= 3600
    assert jwt.get_unverified_header(assertion)["kid"] == "key-1"
    assert sent.path == "/messages:send"
    assert sent.headers["authorization"] == "Bearer access-1"
    message = sent.json["message"]
    assert message["token"] == ADDRESS.endpoint
    assert message["notification"] == {"title": "Token A007", "body": "Please come in."}
    assert message["android"]["ttl"] == "540s"
    assert message["android"]["collapse_key"] == MESSAGE.topic
    expires = int(message["apns"]["headers"]["apns-expiration"])
    assert 500 < expires - clock.now().timestamp() <= 540


def test_a_token_is_kept_until_it_ends(firebase):
    firebase.plan(grant())
    present = datetime(2027, 3, 10, 8, 0, tzinfo=UTC)
    with time_machine.travel(present):
        for _ in range(3):
            FcmSender().send(ADDRESS, MESSAGE)
    with time_machine.travel(present + timedelta(minutes=59, seconds=1)):
        firebase.plan(grant("access-2"))
        FcmSender().send(ADDRESS, MESSAGE)
    assert [asked.path for asked in firebase.asked] == [
        "/token",
        *["/messages:send"] * 3,
        "/token",
        "/messages:send",
    ]
    assert firebase.asked[-1].headers["authorization"] == "Bearer access-2"


def test_a_token_taken_back_is_asked_for_anew(firebase):
    firebase.plan(grant(), Answer(401), grant("access-2"))
    assert FcmSender().send(ADDRESS, MESSAGE).result is Result.LATER
    assert FcmSender().send(ADDRESS, MESSAGE).result is Result.SENT
    assert firebase.asked[-1].headers["authorization"] == "Bearer access-2"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (404, Result.GONE),
        (400, Result.REFUSED),
        (403, Result.REFUSED),
        (429, Result.LATER),
        (503, Result.LATER),
    ],
)
def test_what_firebase_says_of_a_message(firebase, status, result):
    firebase.plan(grant(), Answer(status, {"Retry-After": "7"}))
    receipt = FcmSender().send(ADDRESS, MESSAGE)
    assert receipt.result is result
    assert receipt.retry_after == (7 if result is Result.LATER else None)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (Answer(500), Result.LATER),
        (Answer(400), Result.REFUSED),
        (Answer(200, body=b"<html>"), Result.LATER),
        (Answer(200, body=b"[]"), Result.LATER),
        (grant(seconds="soon"), Result.LATER),
    ],
)
def test_without_a_token_nothing_is_sent(firebase, answer, result):
    firebase.plan(answer)
    assert FcmSender().send(ADDRESS, MESSAGE).result is result
    assert [asked.path for asked in firebase.asked] == ["/token"]


def test_a_key_that_does_not_sign(firebase, settings):
    account = json.loads(settings.FCM_CREDENTIALS) | {"private_key": "no key"}
    settings.FCM_CREDENTIALS = json.dumps(account)
    receipt = FcmSender().send(ADDRESS, MESSAGE)
    assert (receipt.result, receipt.reason) == (Result.REFUSED, "private key")
    assert firebase.asked == []


@pytest.fixture(autouse=True)
def _no_token_kept() -> Iterator[None]:
    fcm._tokens.forget()
    yield
    fcm._tokens.forget()


# --- Environment ----------------------------------------------------------------------------------

ACCOUNT = json.dumps(
    {"client_email": "a@b", "private_key": "k", "token_uri": "https://auth.example.org/token"}
)


def environment(**values: Any) -> Environment:
    return Environment(debug=True, **values)


def test_a_whole_environment_is_taken():
    found = environment(
        sms_url="https://sms.example.org/v1",
        sms_token="t",
        push_hosts="example.org, example.net",
        fcm_credentials=ACCOUNT,
        fcm_url="https://fcm.example.org/send",
        fcm_scope=SCOPE,
    )
    assert found.push_hosts == ["example.org", "example.net"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sms_url": "http://sms.example.org", "sms_token": "t"}, "https://"),
        ({"sms_url": "sms.example.org", "sms_token": "t"}, "https://"),
        ({"sms_url": "https://sms.example.org"}, "SMS_URL needs SMS_TOKEN"),
        ({"vapid_private_key": "sesame-street", "vapid_subject": "mailto:a@b"}, "32 bytes"),
        ({"vapid_private_key": vapid.new_private_key()}, "needs VAPID_SUBJECT"),
        (
            {"vapid_private_key": vapid.new_private_key(), "vapid_subject": "a@b"},
            "mailto:",
        ),
        ({"fcm_credentials": "{"}, "service account"),
        ({"fcm_credentials": "{}"}, "service account"),
        ({"fcm_credentials": ACCOUNT.replace("https", "http")}, "token_uri"),
        ({"fcm_credentials": ACCOUNT}, "needs FCM_URL and FCM_SCOPE"),
    ],
)
def test_a_wrong_value_stops_the_start_without_telling_secrets(values, said, monkeypatch):
    for name, value in values.items():
        monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SystemExit, match=said) as stop:
        load()
    secrets = [values.get("vapid_private_key", ""), values.get("fcm_credentials", "")]
    assert not any(secret in str(stop.value) for secret in secrets if len(secret) > 2)


def test_the_service_account_is_given_as_a_file(tmp_path, monkeypatch):
    path = tmp_path / "account.json"
    path.write_text(ACCOUNT)
    monkeypatch.setenv("FCM_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("FCM_URL", "https://fcm.example.org/send")
    monkeypatch.setenv("FCM_SCOPE", SCOPE)
    assert json.loads(load().fcm_credentials.get_secret_value())["client_email"] == "a@b"
