from django.apps import AppConfig


class CheckinConfig(AppConfig):
    name = "checkin"

    def ready(self) -> None:
        from checkin import listening, tasks  # noqa: F401, PLC0415 - registers who listens
