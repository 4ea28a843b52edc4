"""Sockets under `/ws/`. A live screen adds its consumer above the last line."""

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path, re_path

from appointments.consumers import CalendarSocket
from checkin.consumers import MeSocket, QueueSocket


class UnknownSocket(AsyncWebsocketConsumer):
    """Any address that no live screen serves: refused, instead of a fault in the log."""

    channel_layer_alias = "none"  # refusing takes no Valkey

    async def connect(self) -> None:
        await self.close()


websocket_urlpatterns = [
    path("ws/appointments/<uuid:clinic>", CalendarSocket.as_asgi()),
    path("ws/queue/<uuid:location>", QueueSocket.as_asgi()),
    path("ws/me", MeSocket.as_asgi()),
    re_path(r"^.*$", UnknownSocket.as_asgi()),
]
