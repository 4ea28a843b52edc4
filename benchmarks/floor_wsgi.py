"""The trivial view under the same server: `granian … benchmarks.floor_wsgi:application`.

The same settings, but for the addresses and an empty chain of middleware.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
settings.ROOT_URLCONF = "benchmarks.floor_urls"
settings.MIDDLEWARE = []
application = get_wsgi_application()
