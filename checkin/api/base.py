"""What the endpoints that devices may call have in common."""

from typing import Any, ClassVar

from rest_framework.request import Request

from checkin.device_auth import DeviceAuthentication
from checkin.models import CheckInDevice
from clinics.api.authentication import BearerAuthentication, PageSessionAuthentication
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError


class DeviceResource(Resource):
    """A resource some of whose actions are open to a paired device.

    `for_devices` maps such an action to the kinds of device that may take it; every other is
    refused to devices.
    """

    for_devices: ClassVar[dict[str, frozenset[str]]] = {}
    authentication_classes = [
        DeviceAuthentication,
        BearerAuthentication,
        PageSessionAuthentication,
    ]

    def check_permissions(self, request: Request) -> None:
        device = device_of(request)
        if device is None:
            super().check_permissions(request)
        elif device.kind not in self.for_devices.get(self.action or "", ()):
            raise KairosError(ErrorCode.PERMISSION_DENIED)

    def check_limits(self, request: Request) -> None:
        if self.limit_class.get(self.action or "") == "scan" and device_of(request) is not None:
            # A scanner at the door of a large house, or one that empties its queue.
            self.limit_class = {**self.limit_class, (self.action or ""): "scan_device"}  # type: ignore[misc]  # of this request alone
        super().check_limits(request)


def device_of(request: Request) -> CheckInDevice | None:
    """The paired device that asks; None for people."""
    found: Any = getattr(request._request, "device", None)
    return found if isinstance(found, CheckInDevice) else None
