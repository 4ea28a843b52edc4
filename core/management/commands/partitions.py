"""`manage.py partitions`: keep the monthly partitions ready, or look at them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from core import partitions


class Command(BaseCommand):
    help = (
        "Makes the coming months' partitions and detaches expired ones (a daily task does the "
        "same; by hand it is needed only when that did not run). Detached tables are kept for you "
        "to archive and drop. With --list, shows every partition with its size and changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = (
            "Example: manage.py partitions --months 6, and then: manage.py partitions --list"
        )
        parser.add_argument("--list", action="store_true", help="only show what is there")
        parser.add_argument(
            "--months", type=int, default=partitions.MONTHS_AHEAD, help="how far ahead (default 3)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for part in partitions.listing():
                self.stdout.write(f"{part.name:50} ~{part.rows:>12,} rows {part.bytes:>14,} bytes")
            return
        changed = partitions.maintain(options["months"])
        self.stdout.write("\n".join(changed) if changed else "Nothing to do.")
