"""An HTTP server in a thread of this process, in the place of somebody else's service."""

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core import clock, outgoing

#: What a name of a stand-in is said to be at: a public address, to which nothing is ever sent.
PUBLIC = "93.184.216.34"


@dataclass(frozen=True)
class Asked:
    """A request that came in. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered; `stay` keeps the request unanswered until the stand-in ends, `drip` sends
    the beginning of an answer a byte at a time, for ever."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stay: bool = False
    drip: bool = False


class StandIn:
    """Answers what was `planned`, one after the other, and then `otherwise`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.planned: deque[Answer] = deque()
        self.otherwise = Answer()
        self.over = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plan(self, *answers: Answer) -> None:
        self.planned.extend(answers)

    def statuses(self, *statuses: int) -> None:
        self.plan(*[Answer(status) for status in statuses])


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            stand_in.asked.append(Asked(self.path, names, body))
            answer = stand_in.planned.popleft() if stand_in.planned else stand_in.otherwise
            self.close_connection = True
            if answer.stay:
                stand_in.over.wait(30)
                return
            if answer.drip:
                self._drip()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def _drip(self) -> None:
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not stand_in.over.wait(0.05):
                    self.wfile.write(b"a")
            except OSError:
                return

        def log_message(self, format: str, *args: Any) -> None:
            """The requests are kept instead."""

    return Handler


@contextmanager
def standing_in(context: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    """A stand-in on a free port of this machine; with `context` over TLS."""
    stand_in = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    stand_in.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def nobody_listens() -> int:
    """A port of this machine that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def named_service(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, certified: str = ""
) -> Iterator[StandIn]:
    """A stand-in that `name` leads to, over TLS, with a certificate for `certified` or itself.

    Only what lies outside the process is replaced: what the name resolves to (a public address, so
    that the guard judges a real one), where a connection to that address ends, and which authority
    is trusted.
    """
    certificate = folder / "certificate.pem"
    certificate.write_bytes(_certificate(certified or name))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=str(certificate))
    with standing_in(served) as stand_in:

        def dial(address: str, port: int, seconds: float) -> socket.socket:
            assert (address, port) == (PUBLIC, 443)
            return socket.create_connection(("127.0.0.1", stand_in.port), timeout=seconds)

        monkeypatch.setattr(outgoing, "resolve", lambda host, port: [PUBLIC])
        monkeypatch.setattr(outgoing, "dial", dial)
        monkeypatch.setattr(outgoing, "tls_context", lambda: trusted)
        yield stand_in


def _certificate(name: str) -> bytes:
    """A key and a certificate that vouches for itself, as one PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=5000))
        .not_valid_after(clock.now() + timedelta(days=5000))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(
        Encoding.PEM
    )
