"""`manage.py doctor`: is everything there that this installation stands on? If not, what to do."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from core.diagnosis import Examined, Level, examine


class Command(BaseCommand):
    help = (
        "Examines the installation: settings, database, the role it acts as, row security, "
        "extensions, migrations, partitions, clocks, Valkey, workers, beat, outbox, audit seals, "
        "disk. Prints one line a check: ok, warning or FAILED, what was found, and what to do. It "
        "changes nothing. Exit code 1 when anything FAILED; with warnings alone it is 0."
    )
    # They would refuse to start on the very faults that this is to explain.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = (
            "Example: manage.py doctor. For a monitor: manage.py doctor --json, a list of "
            "{check, level, found, advice}."
        )
        parser.add_argument("--json", action="store_true", help="for programs to read")

    def handle(self, *args: Any, **options: Any) -> None:
        examined = []
        for one in examine():
            examined.append(one)
            if not options["json"]:
                self._tell(one)
        if options["json"]:
            self.stdout.write(orjson.dumps([_plain(one) for one in examined]).decode())
        failed = [one.name for one in examined if one.verdict.level == Level.FAILED]
        if failed:
            raise CommandError(f"{len(failed)} failed: {', '.join(failed)}")

    def _tell(self, one: Examined) -> None:
        verdict = one.verdict
        paint = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.FAILED: self.style.ERROR,
        }[verdict.level]
        advice = f" - {verdict.advice}" if verdict.advice else ""
        level = paint(f"{verdict.level.value:<8}")
        self.stdout.write(f"{level} {one.name:<13}{verdict.found}{advice}")


def _plain(one: Examined) -> dict[str, str]:
    return {
        "check": one.name,
        "level": one.verdict.level.value,
        "found": one.verdict.found,
        "advice": one.verdict.advice,
    }
