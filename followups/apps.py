from django.apps import AppConfig


class FollowupsConfig(AppConfig):
    name = "followups"

    def ready(self) -> None:
        from followups import listening, tasks  # noqa: F401, PLC0415 - registers who listens
