"""`manage.py import_appointments`: visits from another system's CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from appointments.importing.mapping import mapping_read
from appointments.importing.reading import CSVSource
from appointments.importing.refusals import ImportStopped
from appointments.importing.report import RefusalReport
from appointments.importing.running import Summary, import_run
from appointments.importing.target import clinic_find, target_prepare


class Command(BaseCommand):
    help = (
        "Imports visits from a CSV file, plain or gzip, as a mapping says (docs/importing.md). "
        "Repeating it changes nothing; after an interruption it writes what is missing. Refused "
        "rows are listed with their reasons in a report."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = (
            "Example: manage.py import_appointments visits.csv.gz --clinic hill-street"
            " --mapping docs/examples/noshow-mapping.toml --fallback-encoding latin-1"
        )
        parser.add_argument("file", type=Path, help="CSV, plain or .gz")
        parser.add_argument("--mapping", type=Path, required=True, help="a TOML file")
        parser.add_argument("--clinic", required=True, help="the slug of the clinic to import into")
        parser.add_argument(
            "--create-clinic", action="store_true", help="open the clinic if there is none"
        )
        parser.add_argument("--clinic-name", default="", help="for --create-clinic")
        parser.add_argument("--timezone", default="", help="for --create-clinic (default UTC)")
        parser.add_argument("--delimiter", help="one character (default: found out)")
        parser.add_argument(
            "--encoding", default="utf-8", help="default utf-8, with or without BOM"
        )
        parser.add_argument(
            "--fallback-encoding", help="for rows that are not valid in it, such as latin-1"
        )
        parser.add_argument(
            "--report", type=Path, help="where refused rows go (default: NAME.refused.csv here)"
        )
        parser.add_argument(
            "--chunk", type=int, default=1000, help="rows a transaction (default 1000)"
        )
        parser.add_argument(
            "--strict", action="store_true", help="exit with 2 when any row was refused"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["chunk"] <= 5000:
            raise CommandError("--chunk is 1 to 5000")
        try:
            summary, report = self._import(options)
        except ImportStopped as stopped:
            raise CommandError(str(stopped)) from stopped
        except DatabaseError as error:
            raise CommandError(f"the database: {str(error).strip()}") from error
        self._tell(summary, report)
        if options["strict"] and summary.refused:
            raise CommandError("some rows were refused (--strict)", returncode=2)

    def _import(self, options: dict[str, Any]) -> tuple[Summary, Path]:
        path = Path(options["file"])
        mapping = mapping_read(Path(options["mapping"]))
        place = Path(options["report"] or f"{path.name.split('.')[0]}.refused.csv")
        # The file and the report first: with either unusable nothing is created.
        source = CSVSource(
            path,
            wanted=sorted(set(mapping.columns())),
            delimiter=options["delimiter"],
            encoding=options["encoding"],
            fallback_encoding=options["fallback_encoding"],
        )
        try:
            with RefusalReport(place) as report:
                clinic = clinic_find(
                    slug=options["clinic"],
                    create=options["create_clinic"],
                    name=options["clinic_name"],
                    timezone=options["timezone"],
                )
                target = target_prepare(clinic=clinic, mapping=mapping)
                with tqdm(
                    total=source.size, unit="B", unit_scale=True, desc=path.name, disable=None
                ) as bar:
                    summary = import_run(
                        source=source,
                        mapping=mapping,
                        target=target,
                        report=report,
                        chunk_rows=options["chunk"],
                        progress=lambda position: bar.update(position - bar.n),
                    )
        finally:
            source.close()
        return summary, place

    def _tell(self, summary: Summary, report: Path) -> None:
        refused = summary.refused.total()
        lines = [
            f"{summary.rows:,} rows: {summary.accepted:,} accepted, "
            f"{summary.known:,} already there, {refused:,} refused; "
            f"{summary.patients:,} new patients."
        ]
        lines += [f"  {count:,} {code}" for code, count in summary.refused.most_common()]
        if not summary.accepted:
            lines.append("Nothing was changed.")
        speed = summary.rows / summary.seconds if summary.seconds else 0
        memory = ", ".join(f"{megabytes:.0f}" for megabytes in summary.memory)
        lines.append(f"{summary.seconds:.1f} s, {speed:,.0f} rows/s; peak memory MB: {memory}.")
        lines.append(f"Refused rows: {report}")
        self.stdout.write("\n".join(lines))
