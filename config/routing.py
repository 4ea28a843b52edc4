"""Sockets under `/ws/`. Live screens add their consumers above the last line."""

from channels.generic.websocket import WebsocketConsumer
from django.urls import re_path


class UnknownSocket(WebsocketConsumer):
    """Any address that no live screen serves: refused, instead of a fault in the log."""

    def connect(self) -> None:
        self.close()


websocket_urlpatterns = [re_path(r"^.*$", UnknownSocket.as_asgi())]
