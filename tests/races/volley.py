"""Many requests at one moment, each from a thread and a connection of its own."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.appointments.scene import Person

WIDTH = 32


@dataclass(frozen=True)
class Shot:
    """One request; `by` None is nobody."""

    by: Person | None
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: httpx.Headers

    @property
    def code(self) -> str | None:
        return self.body.get("code")


class Volley:
    """A crew of threads with open connections to the server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = threading.local()
        self._clients: list[httpx.Client] = []
        self._threads = ThreadPoolExecutor(WIDTH, "volley")

    def __enter__(self) -> "Volley":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for client in self._clients:
            client.close()

    def fire(self, shots: Sequence[Shot]) -> list[Answer]:
        """Send all at once (a barrier holds them until every thread is ready); answers in order."""
        if len(shots) > WIDTH:
            raise ValueError(f"at most {WIDTH} at once")
        barrier = threading.Barrier(len(shots), timeout=30)
        prepared = [
            (shot, {**(shot.by.headers if shot.by else {}), **shot.headers}) for shot in shots
        ]
        futures = [self._threads.submit(self._send, barrier, *pair) for pair in prepared]
        return [future.result() for future in futures]

    def send(self, shot: Shot) -> Answer:
        """One request alone."""
        return self.fire([shot])[0]

    def _send(self, barrier: threading.Barrier, shot: Shot, headers: dict[str, str]) -> Answer:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = httpx.Client(base_url=self._url, timeout=30)
            self._clients.append(client)
        content = json.dumps(shot.body, default=str)
        barrier.wait()
        answer = client.request(
            shot.method,
            f"/api/v1/{shot.path}",
            content=content,
            headers={"Content-Type": "application/json", **headers},
        )
        return Answer(answer.status_code, answer.json() if answer.content else {}, answer.headers)
