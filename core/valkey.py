"""Valkey behind a circuit breaker: dead, it costs a few short time-outs and then nothing.

Nothing that decides a booking is read from here.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import pybreaker
import redis
from django.conf import settings

T = TypeVar("T")

breaker = pybreaker.CircuitBreaker(fail_max=3, reset_timeout=5, name="valkey")


class Unavailable(Exception):
    """Valkey did not answer, or did not answer a moment ago."""


@cache
def client() -> redis.Redis:
    """One client, and its connection pool, a process."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.25, socket_connect_timeout=0.25, retry=None
    )


def call(operation: Callable[[redis.Redis], T]) -> T:
    """Run `operation` with the client. Raises Unavailable when Valkey is not to be had."""
    try:
        result: Any = breaker.call(operation, client())
    except (redis.RedisError, pybreaker.CircuitBreakerError, OSError) as error:
        raise Unavailable from error
    return cast(T, result)


_own = threading.local()


class Script:
    """A Lua script, run on a connection that this thread keeps for itself.

    It runs with every request; the client's pool, retries and wrappers would cost more than it.
    """

    def __init__(self, body: str) -> None:
        self.body = body
        self.sha = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The script's answer. Raises Unavailable when Valkey is not to be had."""
        return call(lambda _: self._run([len(keys), *keys, *arguments]))

    def _run(self, arguments: list[Any]) -> Any:
        kept = getattr(_own, "connection", None)
        if kept is not None:
            try:
                return self._ask(kept, arguments)
            except redis.ConnectionError:  # the server was started anew: try a fresh connection
                kept.disconnect()
        pool = client().connection_pool  # made as the pool makes them, but never given back
        _own.connection = pool.connection_class(**pool.connection_kwargs)
        return self._ask(_own.connection, arguments)

    def _ask(self, connection: Any, arguments: list[Any]) -> Any:
        try:
            connection.send_command("EVALSHA", self.sha, *arguments)
            try:
                return connection.read_response()
            except redis.exceptions.NoScriptError:
                connection.send_command("EVAL", self.body, *arguments)
                return connection.read_response()
        except redis.TimeoutError:
            connection.disconnect()  # a late answer must not be taken for the next one
            raise
