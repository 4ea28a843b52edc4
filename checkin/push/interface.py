"""What every way of pushing has in common."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Address:
    """Where to push to: an endpoint with the browser's keys, or an app's registration token."""

    endpoint: str
    p256dh: str = ""
    auth: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is shown. `topic` (at most 32 letters of base64url) lets a later message take its place.

    `seconds` is how long the push service keeps trying. It is always sent as urgent.
    """

    title: str
    body: str
    topic: str
    language: str
    direction: str
    seconds: int

    def shown(self) -> dict[str, str]:
        """What the page's service worker gets: `title`, `body`, `tag`, `lang`, `dir`."""
        return {
            "title": self.title,
            "body": self.body,
            "tag": self.topic,
            "lang": self.language,
            "dir": self.direction,
        }


class Result(Enum):
    """What became of a message."""

    SENT = "sent"
    GONE = "gone"  # nobody is there any more: forget the address
    LATER = "later"  # worth another try
    REFUSED = "refused"  # never, and not because of the address


@dataclass(frozen=True, slots=True)
class Receipt:
    """A result, for how many seconds the push service wishes us to wait, and why; no addresses."""

    result: Result
    retry_after: int | None = None
    reason: str = ""


class Sender(Protocol):
    """One way of pushing."""

    def is_configured(self) -> bool:
        """Whether this installation has what it needs for it."""

    def send(self, address: Address, message: Message) -> Receipt:
        """Hand over one message. Never raises for what the other side does."""


def retry_after(value: str | None) -> int | None:
    """The seconds of a `Retry-After` header; None without one, or when it names a date."""
    if value is None or not value.isascii() or not value.isdecimal():
        return None
    return min(int(value[:6]), 86_400)
