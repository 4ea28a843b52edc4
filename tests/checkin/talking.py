"""The API of arrival as a paired device talks to it."""

from typing import Any

from django.test import Client
from django.test.utils import CaptureQueriesContext

from checkin.models import CheckInDevice, DeviceKind
from checkin.services.devices import device_make, device_pair
from core import context, tenancy
from tests.appointments.scene import Api, House


class DeviceApi(Api):
    """The JSON API with a device's token."""

    def __init__(self, token: str) -> None:
        super().__init__(None)
        self.token = token

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Device {self.token}"} | more


def paired(
    house: House, kind: str = DeviceKind.SCANNER, **fields: Any
) -> tuple[CheckInDevice, DeviceApi]:
    """A live device of the house, and the API as it talks to it."""
    context.begin("a-test", "192.0.2.9")
    values = {"kind": kind, "name": "At the door", "location": house.location} | fields
    with tenancy.scope(()):
        _, code = device_make(by=house.admin.principal(), clinic=house.clinic, **values)
    device, token = device_pair(pairing_code=code)
    return device, DeviceApi(token)


def cookie_client(api: DeviceApi) -> Client:
    """A browser that is the device."""
    client = Client()
    client.cookies["kairos_device"] = api.token
    return client


#: What a test's own transaction around the request's adds.
_NESTED = ("SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT set_config('app.clinics'")


def statements(captured: CaptureQueriesContext) -> int:
    """How many statements a request would take by itself."""
    return sum(not query["sql"].startswith(_NESTED) for query in captured.captured_queries)
