from django.apps import AppConfig


class AppointmentsConfig(AppConfig):
    """The calendar kernel and the life of an appointment."""

    name = "appointments"
    default_auto_field = "django.db.models.BigAutoField"
