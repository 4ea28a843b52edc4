"""A patient's own phone: a browser that scans a code, proves who it is, and is checked in."""

import re
from typing import Any

from checkin.services.one_time import TOPIC, one_time_message
from clinics.models import Patient
from clinics.services.changes import apply_changes
from core import tenancy
from core.models import OutboxEvent
from tests.appointments.scene import House
from tests.portal.visitor import Visitor, text

PHONE, STRANGE = "+4930901820111", "+4930901820999"


def with_phone(chart: Patient, phone: str = PHONE) -> Patient:
    """The chart, with a phone number."""
    with tenancy.scope(tenancy.SYSTEM):
        return apply_changes(
            Patient, chart.id, {"phone": phone}, expected_version=None, action="test.changed"
        )


def sent_to(house: House) -> list[tuple[str, str]]:
    """Numbers and codes of the text messages that would go out, the oldest first."""
    with tenancy.scope([house.clinic.id]):
        events = OutboxEvent.objects.filter(clinic_id=house.clinic.id, topic=TOPIC).order_by("id")
        found = [one_time_message(sealed=event.payload["sealed"]) for event in events]
    return [(one.to, re.findall(r"\d{6}", one.text)[0]) for one in found if one is not None]


class Phone(Visitor):
    """The browser of somebody who stands at the entrance. Signed in when there is a user."""

    def scan(self, code: str, **query: Any) -> Any:
        return self.open(f"/q/{code}", **query)

    def press(self, code: str, **form: Any) -> Any:
        """Open the page of the code, and send its form as it came, but for what is ticked."""
        page = self.scan(code)
        only = re.findall(r'type="hidden" name="visit" value="([\w-]+)"', page.content.decode())
        return self.client.post(f"/q/{code}", {"nonce": self.nonce(page), "visit": only} | form)

    def nonce(self, page: Any) -> str:
        found = re.search(r'name="nonce" value="([\w-]+)"', page.content.decode())
        assert found, text(page)
        return found[1]

    def prove(self, code: str, house: House, phone: str = PHONE) -> Any:
        """Ask for a one-time code, and type it."""
        asked = self.client.post(f"/q/{code}/phone", {"phone": phone})
        assert asked.status_code == 302, text(asked)
        digits = sent_to(house)[-1][1]
        return self.client.post(f"/q/{code}/code", {"digits": digits})
