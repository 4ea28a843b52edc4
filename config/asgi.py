"""Sockets in production; sockets and HTTP on one port under `make run`."""

import gc
import os

# Under ASGI each request runs in a thread of its own, so connections must come from a pool.
os.environ.setdefault("DATABASE_POOL", "true")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - needs the app registry
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402 - same
from channels.sessions import CookieMiddleware  # noqa: E402 - same

from config.routing import websocket_urlpatterns  # noqa: E402 - same

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(
            CookieMiddleware(URLRouter(websocket_urlpatterns))
        ),
    }
)

# A full collection with 2,000 open sockets stops all of them for the better part of a second
# (measured). What is loaded by now stays for good, and what comes later rarely makes circles.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)
