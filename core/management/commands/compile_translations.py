"""Make of the catalogs what Django reads; once with every new version of the sources."""

from typing import Any

from django.core.management.base import BaseCommand

from core.translations.catalogs import compile_all


class Command(BaseCommand):
    """Compile every catalog; Babel does it, gettext's own tools need not be installed."""

    help = "Compile the catalogs of translations."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        done = compile_all(force=True)
        self.stdout.write(f"compiled: {', '.join(done) or 'nothing'}")
