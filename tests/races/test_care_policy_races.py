"""Rules saved for the first time by several at once: one of them made the row."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from core import tenancy
from core.errors import KairosError
from followups.models import CarePolicy
from followups.services.policy import DEFAULTS, policy_save
from tests.appointments.scene import House, Scene

AT_ONCE = 4


def contend(own: House) -> Counter[str]:
    """Each saves another batch size, having read the defaults; what became of them."""
    barrier = threading.Barrier(AT_ONCE, timeout=20)

    def save(size: int) -> str:
        try:
            with tenancy.scope(()):
                by = own.admin.principal()
                barrier.wait()
                policy_save(
                    by=by,
                    clinic_id=own.clinic.id,
                    expected_version=DEFAULTS,
                    offer_batch_size=size,
                )
        except KairosError as refusal:
            return refusal.code.value
        finally:
            connection.close()
        return "saved"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return Counter(threads.map(save, range(1, AT_ONCE + 1)))


def test_one_of_several_first_saves_is_kept(cast: Scene) -> None:
    assert contend(cast.own) == {"saved": 1, "PRECONDITION_FAILED": AT_ONCE - 1}
    with tenancy.scope(tenancy.SYSTEM):
        assert CarePolicy.objects.get(clinic=cast.own.clinic).version == 1
