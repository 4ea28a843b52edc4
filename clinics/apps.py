from django.apps import AppConfig


class ClinicsConfig(AppConfig):
    """Clinics, locations, rooms, staff, doctors, patients, services, working hours."""

    name = "clinics"
    default_auto_field = "django.db.models.BigAutoField"
