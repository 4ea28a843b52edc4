"""One prepared request, for the wire and for calling the application in this process."""

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.wsgi import get_wsgi_application


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as a client makes it; `key` is an Idempotency-Key, `cookie` a page session's.

    `scheme` is whose token it is: a person's, or a device's.
    """

    path: str
    token: str | None = None
    method: str = "GET"
    body: bytes = b""
    key: str | None = None
    cookie: str | None = None
    scheme: str = "Bearer"

    @property
    def accept(self) -> str:
        return "text/html" if self.cookie else "application/json"

    def raw(self) -> bytes:
        """As it goes over the wire, HTTP/1.1 with keep-alive."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"Accept: {self.accept}", "Accept-Language: en"]
        if self.token:
            lines.append(f"Authorization: {self.scheme} {self.token}")
        if self.cookie:
            lines.append(f"Cookie: {self.cookie}")
        if self.key:
            lines.append(f"Idempotency-Key: {self.key}")
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def environ(self) -> dict[str, Any]:
        """As a WSGI server hands it over (PEP 3333)."""
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_ACCEPT": self.accept,
            "HTTP_ACCEPT_LANGUAGE": "en",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if self.token:
            environ["HTTP_AUTHORIZATION"] = f"{self.scheme} {self.token}"
        if self.cookie:
            environ["HTTP_COOKIE"] = self.cookie
        if self.key:
            environ["HTTP_IDEMPOTENCY_KEY"] = self.key
        if self.body:
            environ["CONTENT_TYPE"] = "application/json"
            environ["CONTENT_LENGTH"] = str(len(self.body))
        return environ


@cache
def application() -> Any:
    """Our WSGI application, in this process."""
    return get_wsgi_application()


def ask(asking: Asking) -> bytes:
    """Call the application in this process; the body of its answer.

    Raises RuntimeError for anything but a 2xx.
    """
    status = ""

    def start(line: str, _headers: Any, _error: Any = None) -> None:
        nonlocal status
        status = line

    answer = application()(asking.environ(), start)
    body = b"".join(answer)
    answer.close()
    if not status.startswith("2"):
        raise RuntimeError(f"{asking.method} {asking.path}: {status} {body[:300]!r}")
    return body
