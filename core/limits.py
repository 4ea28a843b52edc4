"""Sliding-window limits, atomic in Valkey.

Two counters a window: the present one, and the one before it weighted by how much of it still lies
inside the sliding window. One script decides and counts for all keys of a request at once, so that
concurrent requests can never pass more than the limit, and a refused request is not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core import clock, valkey
from core.errors import ErrorCode, KairosError

WINDOW_SECONDS = 60

_SCRIPT = """
local now, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local slot = math.floor(now / window)
local into = (now % window) / window
local tightest, remaining, refused = 1, math.huge, 0
for i, key in ipairs(KEYS) do
    local limit = tonumber(ARGV[2 + i])
    local current = tonumber(redis.call('GET', key .. ':' .. slot) or '0')
    local before = tonumber(redis.call('GET', key .. ':' .. (slot - 1)) or '0')
    local left = math.floor(limit - current - before * (1 - into))
    if left < remaining then tightest, remaining = i, left end
    if left < 1 and refused == 0 then refused = i end
end
if refused > 0 then
    return {refused, 0, math.ceil(window - (now % window))}
end
for _, key in ipairs(KEYS) do
    local full = key .. ':' .. slot
    if redis.call('INCR', full) == 1 then redis.call('EXPIRE', full, window * 2) end
end
return {0, remaining - 1, math.ceil(window - (now % window)), tightest}
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` a minute for `key` (a class of operation and whom it is about)."""

    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the tightest limit, and in how many seconds its window turns."""

    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """`RateLimit` and its policy, as in the IETF draft on rate-limit header fields."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_seconds}',
        }


_count = valkey.Script(_SCRIPT)


def consume(limits: Sequence[Limit], *, fail_closed: bool = False) -> Allowance | None:
    """Count one request against every limit, or refuse it.

    Raises RATE_LIMIT_EXCEEDED with `Retry-After`. With Valkey dead the request passes (None),
    except that `fail_closed` raises SERVICE_UNAVAILABLE: guessing passwords must not become free.
    """
    if not limits:
        return None
    try:
        answer = _count(
            [f"limit:{limit.key}" for limit in limits],
            [
                f"{clock.now().timestamp():.3f}",
                WINDOW_SECONDS,
                *(limit.count for limit in limits),
            ],
        )
    except valkey.Unavailable:
        if fail_closed:
            raise KairosError(ErrorCode.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"}) from None
        return None
    refused, remaining, reset = answer[:3]
    if refused:
        allowance = Allowance(limits[refused - 1].count, 0, reset)
        raise KairosError(
            ErrorCode.RATE_LIMIT_EXCEEDED,
            headers={**allowance.headers(), "Retry-After": str(reset)},
        )
    return Allowance(limits[answer[3] - 1].count, remaining, reset)
