"""Requests to elsewhere: where they may go, and that nothing on the other side can hold us."""

import time
from pathlib import Path

import pytest

from core import outgoing
from core.outgoing import Forbidden, Unreachable, check_public_url, is_public, post
from tests.support.http_stand_in import Answer, named_service, nobody_listens, standing_in

NAME = "push.example.org"
URL = f"https://{NAME}/send/abc?d=1"


def ask(url: str, **more) -> outgoing.Reply:
    return post(url, body=b"hello", headers={"X-Test": "1"}, **more)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 - judged, not bound
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.254",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::ffff:93.184.216.34",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:a00:1::",
        "2001:0:5ef5:79fd::1",
        "not an address",
        "",
    ],
)
def test_an_address_inside_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "172.32.0.1"])
def test_an_address_of_the_open_internet_is(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example.org/",
        "http://localhost/",
        "https://push.example.org:8443/",
        "https://push.example.org:80/",
        "https://push.example.org:99999/",
        "https://user@push.example.org/",
        "https://user:word@push.example.org/",
        "https://@push.example.org/",
        "https://push.example.org/#part",
        "https://127.0.0.1/",
        "https://93.184.216.34/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[2606:4700::1111]/",
        "https://localhost/",
        "https://push/",
        "https://push.example.org./",
        "https://-push.example.org/",
        "https://push..example.org/",
        "https://push.example.org\\@inside/",
        "https://push.example.org /",
        "https://push.example.org/\r\nHost: inside",
        "https://push.éxample.org/",
        "//push.example.org/",
        "ftp://push.example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https://[",
        "",
        "https://push.example.org/" + "a" * 2000,
    ],
)
def test_an_odd_address_is_refused_unseen(url, monkeypatch):
    def never(*_: object) -> list[str]:
        raise AssertionError("looked up")

    monkeypatch.setattr(outgoing, "resolve", never)
    with pytest.raises(Forbidden):
        check_public_url(url)
    with pytest.raises(Forbidden):
        ask(url, public=True)


def test_only_allowed_hosts_and_what_is_below_them():
    hosts = ["example.org", ".Example.NET"]
    for good in ("https://example.org/", "https://a.b.example.org/", "https://x.EXAMPLE.net:443/"):
        check_public_url(good, hosts=hosts)
    for bad in ("https://badexample.org/", "https://example.org.evil.com/", "https://org/"):
        with pytest.raises(Forbidden):
            check_public_url(bad, hosts=hosts)
    check_public_url("https://anything.at.all.com/")


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["93.184.216.34", "127.0.0.1"],
        ["::ffff:169.254.169.254", "93.184.216.34"],
    ],
)
def test_a_name_that_leads_inside_is_not_called(found, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(outgoing, "resolve", lambda host, port: found)
    monkeypatch.setattr(outgoing, "dial", never)
    with pytest.raises(Forbidden):
        ask(URL, public=True)


def test_the_judged_address_is_the_one_connected_to(tmp_path, monkeypatch):
    """The name answers once; asked a second time it would lead inside."""
    with named_service(NAME, tmp_path, monkeypatch) as service:
        answers = iter([["93.184.216.34"], ["127.0.0.1"]])
        monkeypatch.setattr(outgoing, "resolve", lambda host, port: next(answers))
        assert ask(URL, public=True).status == 200
    asked = service.asked[0]
    assert (asked.path, asked.body) == ("/send/abc?d=1", b"hello")
    assert (asked.headers["host"], asked.headers["x-test"]) == (NAME, "1")
    with pytest.raises(Forbidden):
        ask(URL, public=True)


def test_a_certificate_of_another_name_is_no_answer(tmp_path, monkeypatch):
    other = named_service(NAME, tmp_path, monkeypatch, certified="other.example.org")
    with other as service, pytest.raises(Unreachable, match="SSL"):
        ask(URL, public=True)
    assert service.asked == []


def test_a_redirect_is_an_answer_and_not_followed(tmp_path, monkeypatch):
    with standing_in() as inside, named_service(NAME, tmp_path, monkeypatch) as service:
        service.plan(Answer(307, {"Location": f"{inside.url}/admin"}))
        assert ask(URL, public=True).status == 307
        assert (len(service.asked), inside.asked) == (1, [])


@pytest.mark.parametrize("slow", [Answer(stay=True), Answer(drip=True)])
def test_a_slow_answer_ends_at_the_deadline(slow):
    with standing_in() as service:
        service.plan(slow)
        started = time.monotonic()
        with pytest.raises(Unreachable, match="TimeoutError"):
            ask(service.url, seconds=0.5)
        assert time.monotonic() - started < 5


def test_a_long_answer_is_read_in_part():
    with standing_in() as service:
        service.plan(Answer(200, body=b"x" * (outgoing.MAX_ANSWER + 5)))
        assert len(ask(service.url).body) == outgoing.MAX_ANSWER


def test_nobody_there_and_no_such_name():
    with pytest.raises(Unreachable, match="ConnectionRefusedError"):
        ask(f"http://127.0.0.1:{nobody_listens()}")
    with pytest.raises(Unreachable, match="gaierror"):
        ask("https://nowhere.invalid/")


def test_plain_http_stays_on_this_machine():
    with pytest.raises(Forbidden, match="not encrypted"):
        ask("http://gateway.example.org/")


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with standing_in() as proxy, standing_in() as service:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert ask(service.url).status == 200
        assert (len(service.asked), proxy.asked) == (1, [])


def test_the_text_of_an_error_names_no_address(tmp_path: Path):
    with pytest.raises(Unreachable) as error:
        ask(f"http://127.0.0.1:{nobody_listens()}/secret")
    assert "127" not in str(error.value)
    assert "secret" not in str(error.value)
