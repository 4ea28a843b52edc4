"""HTTP requests to elsewhere: one POST, bounded in time and size, guarded where it may go.

Plain http is spoken only to this machine. Redirects are never followed, proxies of the environment
never used. `public=True` is for addresses that somebody outside gave us (a browser's push service):
the name is looked up once, every address found must be a public one, and the connection goes to
the address that was judged, so that a name which changes its mind gains nothing.
"""

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

#: More of an answer than this is not read.
MAX_ANSWER: Final = 64 << 10
_MAX_URL: Final = 2000
_TRIED_ADDRESSES: Final = 3
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
)
_PRINTABLE = re.compile(r"[!-\[\]-~]+")  # ASCII without blanks and backslashes
_NO_ROUTE_HOME: Final = tuple(
    ipaddress.ip_network(network)
    # Relayed to an IPv4 address inside: 6to4, Teredo, the two prefixes of NAT64.
    for network in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")
)


class Unreachable(Exception):
    """No answer was had, and another try may be worth it. Says why, never to which address."""


class Forbidden(Exception):
    """The address is not one that we may call. Says why, never which."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Names of `headers` are in lower case; of `body` at most `MAX_ANSWER`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Target:
    secure: bool
    host: str
    port: int
    path: str


def check_public_url(url: str, *, hosts: Sequence[str] = ()) -> None:
    """Whether an address given from outside has a form that we call; looks up nothing.

    https on its usual port, to a name (no bare address), without credentials or fragment; with
    `hosts`, to one of these or to a name below it. Raises Forbidden.
    """
    target = _target(url)
    if not target.secure or target.port != 443:
        raise Forbidden("not https on its usual port")
    if not _NAME.fullmatch(target.host):
        raise Forbidden("not the name of a host")
    suffixes = [host.lower().strip(".") for host in hosts]
    if suffixes and not any(
        target.host == suffix or target.host.endswith(f".{suffix}") for suffix in suffixes
    ):
        raise Forbidden("not one of the allowed hosts")


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float = 10.0,
    public: bool = False,
    hosts: Sequence[str] = (),
) -> Reply:
    """Send `body`, and wait at most `seconds` for connection and answer together.

    `public` and `hosts`: see the module and `check_public_url`. Raises Unreachable and Forbidden;
    any status, a redirect too, is an answer.
    """
    deadline = time.monotonic() + seconds
    target = _target(url)
    if public:
        check_public_url(url, hosts=hosts)
    try:
        addresses = resolve(target.host, target.port)
        if public and not all(is_public(address) for address in addresses):
            raise Forbidden("not a public address")
        return _ask(_connect(addresses, target, deadline), target, body, headers, deadline)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(type(error).__name__) from error


def is_public(address: str) -> bool:
    """Whether the address belongs to the open internet, and leads nowhere else from there."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (
        found.is_global
        and not (found.is_multicast or found.is_reserved or found.is_unspecified)
        and not getattr(found, "is_site_local", False)
        and not any(found in network for network in _NO_ROUTE_HOME)
    )


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, in the system's order. Raises OSError when there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise OSError("no address")
    return addresses


def dial(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to this very address. Raises OSError."""
    return socket.create_connection((address, port), timeout=seconds)


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates and names are verified; TLS 1.2 at the least."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _target(url: str) -> _Target:
    """Raises Forbidden for what cannot be read in one way only, and for http to elsewhere."""
    if len(url) > _MAX_URL or not _PRINTABLE.fullmatch(url):
        raise Forbidden("not an address")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden("not an address") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise Forbidden("not an address")
    if "@" in parts.netloc or parts.fragment:
        raise Forbidden("credentials or a fragment in the address")
    secure = parts.scheme == "https"
    if not secure and host not in _THIS_MACHINE:
        raise Forbidden("not encrypted")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(secure, host, port or (443 if secure else 80), path)


def _connect(addresses: list[str], target: _Target, deadline: float) -> socket.socket:
    failure = OSError("no address")
    for address in addresses[:_TRIED_ADDRESSES]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            return dial(address, target.port, left)
        except OSError as error:
            failure = error
    raise failure


def _ask(
    raw: socket.socket,
    target: _Target,
    body: bytes,
    headers: Mapping[str, str],
    deadline: float,
) -> Reply:
    # A time-out of the socket begins anew with each byte; the cut does not.
    cut = _Cut(raw, deadline)
    with cut, contextlib.ExitStack() as cleaning:
        cleaning.callback(raw.close)
        stream = raw
        if target.secure:
            stream = tls_context().wrap_socket(raw, server_hostname=target.host)
            cleaning.callback(stream.close)
        connection = (
            http.client.HTTPSConnection(target.host, target.port, context=tls_context())
            if target.secure
            else http.client.HTTPConnection(target.host, target.port)
        )
        connection.sock = stream
        cleaning.callback(connection.close)
        try:
            connection.request("POST", target.path, body=body, headers=dict(headers))
            with connection.getresponse() as answer:
                content = answer.read(MAX_ANSWER)
                names = {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException) as error:
            if cut.made:
                raise TimeoutError from error
            raise
        if cut.made:  # what was read by then may be a part
            raise TimeoutError
        return Reply(answer.status, names, content)


class _Cut:
    """Ends a connection at its deadline, whatever the other side does by then."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self.made = False
        self._handle = connected.dup()
        self._timer = threading.Timer(max(deadline - time.monotonic(), 0), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._handle.close()

    def _cut(self) -> None:
        self.made = True
        with contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)
