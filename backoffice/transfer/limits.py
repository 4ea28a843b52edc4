"""How much is taken, and for how long it is kept."""

from datetime import timedelta

from django.conf import settings

#: Pieces in which a file is stored and sent.
BLOCK = 1 << 20
#: A workbook unpacks to this many times its limit at most, or it is a bomb.
UNPACKED_TIMES = 12


def max_bytes() -> int:
    """The largest file (`TRANSFER_MAX_BYTES`)."""
    return int(settings.TRANSFER_MAX_BYTES)


def max_lines() -> int:
    """The most lines of a file (`TRANSFER_MAX_LINES`)."""
    return int(settings.TRANSFER_MAX_LINES)


def request_lines() -> int:
    """Files with more lines are worked on by Celery (`TRANSFER_REQUEST_LINES`)."""
    return int(settings.TRANSFER_REQUEST_LINES)


def kept() -> timedelta:
    """How long a file and its report are kept (`TRANSFER_KEEP_DAYS`)."""
    return timedelta(days=settings.TRANSFER_KEEP_DAYS)
