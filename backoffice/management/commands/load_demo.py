"""`manage.py load_demo`: three invented clinics to look around in."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from appointments.demo.loading import STEPS, demo_load
from checkin.demo.arrivals import arrivals_load
from clinics.models import Clinic
from followups.demo.loading import care_load


def add_all(clinics: list[Clinic], now: datetime) -> None:
    """What the floors above appointments add to the diary."""
    arrivals_load(clinics, now=now)
    care_load(clinics, now=now)


class Command(BaseCommand):
    help = (
        "Loads three invented clinics with doctors, patients, six weeks of visits and arrivals "
        "around the present moment, follow-up plans, series and a waitlist, and fixed sign-ins, "
        "which the home page lists. Only with DEBUG: the passwords are public. Loading it twice "
        "changes nothing. Example: manage.py load_demo"
    )

    # `make run` calls this at every start; the checks run when the server does.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--if-empty", action="store_true", help="do nothing when there is any clinic"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Demonstration data has public passwords: it is loaded only with DEBUG."
            )
        if options["if_empty"] and Clinic.objects.exists():
            return
        with tqdm(total=STEPS, desc="demo data", unit="step", disable=None, leave=False) as bar:
            loaded = demo_load(
                step=bar.update,
                only_if_empty=options["if_empty"],
                also=add_all,
            )
        if not loaded and not options["if_empty"]:
            self.stdout.write("The demonstration clinics are here already; nothing was changed.")
