"""Does every catalog say everything, in a form that can be shown?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.translations import LANGUAGES, catalog_path
from core.translations.catalogs import read
from core.translations.checking import counted, faults
from core.translations.extracting import find_all


class Command(BaseCommand):
    """Look for messages that are missing, not translated, fuzzy, or have other placeholders."""

    help = "Look for messages that are missing, not translated, or broken in a catalog."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--count-only", action="store_true", help="say how many, and do not fail"
        )
        parser.add_argument(
            "--language", choices=LANGUAGES, help="one language instead of all of them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sources = find_all()
        chosen = [options["language"]] if options["language"] else LANGUAGES
        total = 0
        for language in chosen:
            found = list(faults(read(catalog_path(language), language), sources))
            total += len(found)
            self.stdout.write(f"{language}: {counted(found) or 'complete'}")
            if not options["count_only"]:
                for fault in found:
                    self.stdout.write(f"  {fault}")
        if total and not options["count_only"]:
            raise CommandError(
                f"{total} faults in the translations (make messages, then translate)"
            )
