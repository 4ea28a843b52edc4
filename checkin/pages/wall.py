"""The wall screen: which token is called where, who comes next, and how long it takes.

Nobody touches it for months. It holds tokens only, whatever the clinic's privacy says elsewhere.
"""

from typing import Any, Final

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy

from checkin.board import board_json, board_of
from checkin.drawing import qr
from checkin.models import DeviceKind, PointMode
from checkin.pages.door import DeviceRequest, device_page
from checkin.selectors.points import point_url
from core.errors import ErrorCode, KairosError

#: So many tokens are drawn; of the others the page tells how many they are.
SHOWN: Final = 40
#: How long somebody still waits, in minutes.
WAIT: Final = gettext_lazy("{low}–{high} min")
_WALL = (DeviceKind.WALL,)


@device_page(kinds=_WALL)
def wall(request: DeviceRequest) -> HttpResponse:
    """The screen, as the queue is now; scripts keep it so."""
    device = request.device
    board = board_of(device.location_id, clinic=device.clinic_id)
    return TemplateResponse(
        request,
        "checkin/wall.html",
        {
            "device": device,
            "clinic": device.clinic,
            "location": device.location,
            "board": board,
            "queue": _drawn(board["queue"]),
            "build": board["build"],
            "wait_words": WAIT,
            "shown": SHOWN,
            "shows_code": _shows_code(request),
        },
    )


@device_page(kinds=_WALL)
def state(request: DeviceRequest) -> HttpResponse:
    """The board as JSON, for a screen whose socket is lost."""
    board = board_json(request.device.location_id, clinic=request.device.clinic_id)
    return HttpResponse(board, content_type="application/json")


@device_page(kinds=_WALL)
def code(request: DeviceRequest) -> HttpResponse:
    """The present code of the check-in location whose code changes, as a picture."""
    point = request.device.point
    if point is None or not _shows_code(request):
        raise KairosError(ErrorCode.NOT_FOUND)
    text = point_url(point, request.build_absolute_uri("/"))
    return HttpResponse(qr.svg(text), content_type=qr.content_type("svg"))


def _shows_code(request: DeviceRequest) -> bool:
    point = request.device.point
    return (
        point is not None
        and point.mode == PointMode.ROTATING
        and point.is_active
        and point.deleted_at is None
    )


def _drawn(queue: dict[str, Any]) -> dict[str, Any]:
    """What the page draws without a script: the last call apart, and no endless list."""
    return {
        "last": queue["called"][:1],
        "before": queue["called"][1:4],
        "next": [one | {"wait": _wait(one)} for one in queue["waiting"][:SHOWN]],
        "waiting": len(queue["waiting"]),
    }


def _wait(one: dict[str, Any]) -> str:
    if one["to"] is None:
        return ""
    return str(WAIT).format(low=one["from"], high=one["to"])
