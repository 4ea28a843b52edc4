"""Bring the catalogs up to date with the sources (`make messages`)."""

from typing import Any

from django.core.management.base import BaseCommand

from core.translations import LANGUAGES, catalog_path
from core.translations.catalogs import compile_all, read, update
from core.translations.checking import counted, faults
from core.translations.extracting import find_all


class Command(BaseCommand):
    """Collect every string that people read; keep what is translated, say what is left to do."""

    help = "Bring the catalogs of translations up to date with the sources."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        sources = find_all()
        self.stdout.write(f"{len(sources)} messages in the sources")
        for language in LANGUAGES:
            path = catalog_path(language)
            changed = update(path, language, sources)
            left = list(faults(read(path, language), sources))
            self.stdout.write(
                f"{language}: {'written' if changed else 'unchanged'};"
                f" {counted(left) or 'complete'}"
            )
        compile_all()
