"""Two devices that type one code at the same moment: one is paired."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from checkin.models import CheckInDevice, DeviceKind
from checkin.services import devices
from core import context, tenancy
from core.errors import KairosError
from tests.appointments.scene import House, house
from tests.support.databases import databases

CONTENDERS = 6


@pytest.fixture(scope="module")
def ground(django_db_setup, django_db_blocker) -> Iterator[House]:
    """A clinic, committed."""
    with django_db_blocker.unblock():
        yield house("ground")
        connection.close()
    databases.is_dirty = True


@pytest.fixture(autouse=True)
def _generous(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


def contend(ground: House, code: str) -> tuple[Counter[str], list[str]]:
    """All pair with one code, each in a thread of its own: what they were told, and the tokens."""
    tokens: list[str] = []

    def pair(number: int) -> str:
        context.begin(f"race-{number}", f"192.0.2.{number}")
        try:
            tokens.append(devices.device_pair(pairing_code=code)[1])
        except KairosError as refusal:
            return refusal.code.value
        finally:
            connection.close()
        return "paired"

    with ThreadPoolExecutor(CONTENDERS) as threads:
        return Counter(threads.map(pair, range(CONTENDERS))), tokens


def found_before_any_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on before everyone has found the device waiting."""
    everyone = threading.Barrier(CONTENDERS, timeout=20)
    make = devices._new_token

    def make_together(*ids: Any) -> str:
        everyone.wait()
        return make(*ids)

    monkeypatch.setattr(devices, "_new_token", make_together)


def waiting(ground: House) -> str:
    with tenancy.scope([ground.clinic.id]):
        return devices.device_make(
            by=ground.admin.principal(),
            clinic=ground.clinic,
            location=ground.location,
            kind=DeviceKind.KIOSK,
            name="Tablet",
        )[1]


def good(tokens: list[str]) -> int:
    """How many of the tokens open something."""
    count = 0
    for token in tokens:
        with tenancy.scope(()):
            try:
                devices.device_by_token(token)
            except KairosError:
                continue
        count += 1
    return count


def test_one_of_them_wins_and_the_others_are_told(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = waiting(ground)
    found_before_any_pairs(monkeypatch)
    told, tokens = contend(ground, code)
    assert told == {"paired": 1, "INVALID_CREDENTIALS": CONTENDERS - 1}
    assert good(tokens) == 1


def test_without_the_comparison_all_believe_that_they_are_paired(
    ground: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the same race, with the hash left out of the deciding statement."""
    code = waiting(ground)
    found_before_any_pairs(monkeypatch)
    narrowed = QuerySet.filter

    def by_key_alone(self: Any, *args: Any, **wanted: Any) -> Any:
        if self.model is CheckInDevice and set(wanted) == {"pk", "pairing_hash"}:
            del wanted["pairing_hash"]
        return narrowed(self, *args, **wanted)

    monkeypatch.setattr(QuerySet, "filter", by_key_alone)
    told, tokens = contend(ground, code)
    assert told == {"paired": CONTENDERS}
    assert good(tokens) == 1
