"""A one-time code on its way: from the outbox through a real worker to a gateway that listens."""

import re
from collections.abc import Iterator

import pytest

from checkin.services.one_time import one_time_prove, one_time_send
from core import outbox, tenancy
from tests.appointments.scene import house
from tests.checkin.patients import PHONE, STRANGE, with_phone
from tests.support.http_stand_in import StandIn, standing_in
from tests.support.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gateway(monkeypatch) -> Iterator[StandIn]:
    """Known to the worker by its environment, which is set before it starts."""
    with standing_in() as found:
        found.statuses(500, 202)
        monkeypatch.setenv("SMS_URL", f"{found.url}/send")
        monkeypatch.setenv("SMS_TOKEN", "sesame")
        yield found


def test_the_gateway_gets_it_for_a_known_number_alone(gateway, celery_worker_process):
    clinic = house("quay")
    with_phone(clinic.chart)
    with tenancy.scope([clinic.clinic.id]):
        for phone in (STRANGE, PHONE):
            one_time_send(clinic=clinic.clinic, phone=phone, address=None)
    outbox.relay()
    assert eventually(lambda: len(gateway.asked) == 2, timeout=40)  # the first try was not taken
    first, second = (asked.json for asked in gateway.asked)
    assert first == second
    assert second["to"] == PHONE
    code = re.findall(r"\d{6}", second["text"])[0]
    with tenancy.scope([clinic.clinic.id]):
        by = one_time_prove(clinic=clinic.clinic, phone=PHONE, code=code)
    assert by is not None
    assert by.own_patients() == {clinic.chart.id}
