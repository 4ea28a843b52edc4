"""Valkey behind a circuit breaker: dead, it costs a few short time-outs and then nothing.

Nothing that decides a booking is read from here.
"""

from collections.abc import Callable
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
