from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FollowupsConfig(AppConfig):
    name = "followups"
    verbose_name = _("Continuing care")

    def ready(self) -> None:
        from followups import (  # noqa: F401, PLC0415 - registers who listens
            freed,
            listening,
            tasks,
        )
