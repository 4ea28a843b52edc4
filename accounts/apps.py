from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, sign-in sessions, roles and permissions."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
