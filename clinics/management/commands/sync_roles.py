"""`manage.py sync_roles`: give every clinic's groups what the role matrix says now."""

from typing import Any

from django.core.management.base import BaseCommand

from clinics.models import Clinic
from clinics.services.memberships import role_groups_sync
from core import tenancy


class Command(BaseCommand):
    help = (
        "Brings the groups of every clinic in step with the role matrix (accounts/roles.py). "
        "Run it after a change of the matrix, as after an upgrade; it takes effect with the next "
        "request of each user. Running it twice changes nothing. Example: manage.py sync_roles"
    )

    def handle(self, *args: Any, **options: Any) -> None:
        # One transaction a clinic: an interrupted run has done whole clinics.
        with tenancy.scope(tenancy.SYSTEM):
            clinics = list(Clinic.objects.order_by("id"))
        for clinic in clinics:
            with tenancy.scope([clinic.id], statement_timeout_ms=60_000):
                role_groups_sync(clinic=clinic)
        self.stdout.write(f"{len(clinics)} clinics are in step.")
