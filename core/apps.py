from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The ground: ids, clock, tenancy, errors, outbox, audit, locks, API plumbing."""

    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core import checks  # noqa: F401, PLC0415 - registers the system checks
