"""`manage.py make_push_key`: a key pair for Web Push."""

from typing import Any

from django.core.management.base import BaseCommand

from checkin.push import vapid


class Command(BaseCommand):
    """Prints a private key for `VAPID_PRIVATE_KEY`; it is kept nowhere."""

    help = (
        "Makes a key pair for Web Push and prints it. Set VAPID_PRIVATE_KEY to the private key "
        "and keep it: with another one, browsers that subscribed are not reached any more."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        private = vapid.new_private_key()
        self.stdout.write(f"VAPID_PRIVATE_KEY={private}")
        self.stderr.write(f"The public key that browsers get: {vapid.public_key(private)}")
