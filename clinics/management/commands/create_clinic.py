"""`manage.py create_clinic`: open a clinic and name its first administrator."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.services.users import user_get_or_invite
from clinics.services.clinics import app_name_check, clinic_open
from core import tenancy
from core.errors import KairosError


class Command(BaseCommand):
    help = (
        "Opens a clinic with its first administrator: the user who has this email, or a new one, "
        "who then needs a password (the command says how). The administrator sets up locations, "
        "staff and working hours in the back office."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = (
            "Example: manage.py create_clinic --name 'Hill Street' --slug hill-street"
            " --timezone Asia/Kolkata --country IN --admin-email asha@hill.example"
        )
        parser.add_argument("--name", required=True, help="as people call it")
        parser.add_argument("--slug", required=True, help="its name in links, such as hill-street")
        parser.add_argument("--timezone", required=True, help="IANA name, such as Asia/Kolkata")
        parser.add_argument(
            "--country", default="", help="ISO 3166, such as IN: how phone numbers are read"
        )
        parser.add_argument("--admin-email", required=True, help="of its first administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        found = app_name_check(options["slug"])
        if not found.available:
            raise CommandError(f"--slug: {found.reason}")
        try:
            with tenancy.scope(tenancy.SYSTEM):
                admin, is_new = user_get_or_invite(email=options["admin_email"])
                clinic = clinic_open(
                    admin=admin,
                    name=options["name"],
                    slug=options["slug"],
                    timezone=options["timezone"],
                    country=options["country"],
                )
        except KairosError as error:
            raise CommandError(error.detail) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"{clinic.name} is open: {clinic.id}")
        if is_new:
            self.stdout.write(
                f"{admin.email} has no password yet. Set one with:"
                f" manage.py changepassword {admin.email}"
            )
