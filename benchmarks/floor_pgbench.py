"""The floor of bookings: the very statements of one, straight through `pgbench`.

A real booking is recorded. What is its own in it (ids, times, keys) is worked out beforehand for
thousands of other free times, into a table of which each transaction takes the next row. So
PostgreSQL does everything that it does for us, and none of our code runs.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.range import TimestamptzRange

from benchmarks.bookings import Booking
from benchmarks.population import Staff
from benchmarks.statements import Statement, literal, statements_of
from benchmarks.world import World
from core import ids
from deploy.local.postgres import binary

TABLE = "benchmark_booking"
_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}-?7[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:([ T])(\d\d:\d\d:\d\d)(?=\+00|Z))?")


def _text(value: Any) -> str | None:
    """A parameter as the text that goes over the wire."""
    if value is None:
        return None
    transformer = Transformer()
    dumped = transformer.get_dumper(value, PyFormat.TEXT).dump(value)
    return None if dumped is None else bytes(dumped).decode()


class _Retelling:
    """Turns what was recorded of one booking into what another would have sent."""

    def __init__(self, told: Booking, other: Booking) -> None:
        self.known = {
            before.hex: after.hex
            for before, after in (
                (told.clinic, other.clinic),
                (told.doctor, other.doctor),
                (told.location, other.location),
                (told.service, other.service),
                (told.patient, other.patient),
                (told.desk.user, other.desk.user),
                (told.desk.session, other.desk.session),
            )
        }
        self.moments: dict[str, datetime] = {
            f"{told.starts_at:%Y-%m-%d %H:%M:%S}": other.starts_at,
            f"{told.ends_at:%Y-%m-%d %H:%M:%S}": other.ends_at,
        }
        self.days = {f"{told.starts_at:%Y-%m-%d}": other.starts_at}

    def text(self, recorded: str) -> str:
        return _MOMENT.sub(self._moment, _UUID.sub(self._uuid, recorded))

    def _uuid(self, found: re.Match[str]) -> str:
        """A known id, or one made for the booking: the same new one wherever it appears."""
        plain = found[0].replace("-", "")
        new = self.known.setdefault(plain, ids.uuid7().hex)
        if not found[1]:
            return new
        return f"{new[:8]}-{new[8:12]}-{new[12:16]}-{new[16:20]}-{new[20:]}"

    def _moment(self, found: re.Match[str]) -> str:
        if found[3] is None:
            day = self.days.get(found[1])
            return f"{day:%Y-%m-%d}" if day else found[0]
        moment = self.moments.get(f"{found[1]} {found[3]}")
        return f"{moment:%Y-%m-%d}{found[2]}{moment:%H:%M:%S}" if moment else found[0]


def _unlike(booking: Booking) -> Booking:
    """A booking that has nothing in common with this one: what changes with it is what varies."""
    return Booking(
        *(ids.uuid7() for _ in range(5)),
        booking.starts_at + timedelta(days=400, minutes=7),
        booking.ends_at + timedelta(days=400, minutes=7),
        Staff(ids.uuid7(), ids.uuid7(), ids.uuid7()),
    )


#: What pgbench would take for a variable inside a constant.
_LOOKS_LIKE_A_VARIABLE = re.compile(r":[A-Za-z_]")
_CASTS = {UUID: "::uuid", datetime: "::timestamptz", TimestamptzRange: "::tstzrange"}


class Script:
    """A booking as a pgbench script, and the table that feeds it."""

    def __init__(self, told: Booking) -> None:
        """Make the booking `told`, and write down its statements."""
        asking = told.asking()
        self._told, self._key = told, asking.key or ""
        self._varying: list[str] = []
        retelling = _Retelling(told, _unlike(told))
        body = [self._line(statement, retelling) for statement in statements_of(asking)]
        names = ", ".join(f"v{number}" for number in range(len(self._varying)))
        fetch = f"SELECT {names} FROM {TABLE} WHERE n = (SELECT nextval('{TABLE}_turn')) \\gset"
        self.text = "\n".join([fetch, "BEGIN;", *body, "COMMIT;\n"])

    def _line(self, statement: Statement, retelling: _Retelling) -> str:
        line = statement.pieces[0]
        for value, piece in zip(statement.values, statement.pieces[1:], strict=True):
            recorded = None if isinstance(value, bytes | int) else _text(value)
            if recorded is not None and (
                recorded == self._key
                or retelling.text(recorded) != recorded
                or _LOOKS_LIKE_A_VARIABLE.search(recorded)
            ):
                if recorded not in self._varying:
                    self._varying.append(recorded)
                line += f":v{self._varying.index(recorded)}{_CASTS.get(type(value), '')}"
            else:
                line += literal(value)
            line += piece
        return line.strip() + ";"

    def feed(self, database: psycopg.Connection[Any], bookings: Sequence[Booking]) -> None:
        """Put a row for each booking into the table, as the owner."""
        columns = ", ".join(f"v{number} text NOT NULL" for number in range(len(self._varying)))
        database.execute(f"DROP TABLE IF EXISTS {TABLE}; DROP SEQUENCE IF EXISTS {TABLE}_turn")
        database.execute(f"CREATE TABLE {TABLE} (n bigint, {columns})")
        with (
            database.cursor() as cursor,
            cursor.copy(f"COPY {TABLE} FROM STDIN") as copy,
        ):
            for number, booking in enumerate(bookings, 1):
                retelling = _Retelling(self._told, booking)
                key = str(uuid4())
                copy.write_row(
                    [
                        number,
                        *(
                            key if recorded == self._key else retelling.text(recorded)
                            for recorded in self._varying
                        ),
                    ]
                )
        database.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (n)")
        database.execute(f"CREATE SEQUENCE {TABLE}_turn")
        database.execute(f"GRANT SELECT ON {TABLE} TO kairos_app")
        database.execute(f"GRANT USAGE ON SEQUENCE {TABLE}_turn TO kairos_app")
        database.execute(f"VACUUM ANALYZE {TABLE}")


def pgbench(
    world: World,
    script: str,
    *,
    connections: int,
    role: str,
    seconds: float | None = None,
    transactions: int | None = None,
) -> float:
    """Transactions a second of `script`, with prepared statements, everything committed.

    For some `seconds`, or so many `transactions` in all. `role` is who runs it; empty: the owner.
    Raises RuntimeError when a client gave up.
    """
    length = (
        f"--transactions={transactions // connections}"
        if transactions
        else f"--time={max(1, round(seconds or 1))}"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        options = "-c statement_timeout=5000 -c lock_timeout=3000"
        done = subprocess.run(
            [
                binary("pgbench"),
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={connections}",
                "--jobs=1",
                length,
                f"--file={file.name}",
                world.url,
            ],
            env=os.environ | {"PGOPTIONS": f"{options} -c role={role}" if role else options},
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None or done.returncode:
        raise RuntimeError(f"pgbench: {done.stderr[-1500:]}{done.stdout[-300:]}")
    return float(found[1])
