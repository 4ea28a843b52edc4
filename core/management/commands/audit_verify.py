"""`manage.py audit_verify`: does the audit trail still say what was written?"""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from core import audit, tenancy


class Command(BaseCommand):
    help = (
        "Verifies the hash chain of the audit trail, clinic by clinic: every event is read again "
        "and compared with the seal it stands under. Exit code 1 and one line a fault when an "
        "event was altered, removed or slipped in. Run it after a restore, and from time to time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = (
            "Example: manage.py audit_verify --clinic 0193b6c2-7c10-7f3a-9d55-3f6b1d0a2c41. "
            "The nil id (all zeros) is the installation's own chain."
        )
        parser.add_argument("--clinic", type=UUID, help="only this clinic's chain, by its id")

    def handle(self, *args: Any, **options: Any) -> None:
        audit.seal()
        with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=600_000):
            chains = [options["clinic"]] if options["clinic"] else audit.chains()
            faults = [fault for chain in chains for fault in audit.verify(chain)]
        for fault in faults:
            seal = f"seal {fault.number}" if fault.number else "unsealed"
            self.stderr.write(f"chain {fault.chain}, {seal}: {fault.what}")
        if faults:
            raise CommandError(f"{len(faults)} faults in {len(chains)} chains")
        self.stdout.write(f"{len(chains)} chains are whole.")
