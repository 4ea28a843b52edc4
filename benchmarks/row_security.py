"""What tenancy costs: the same transactions in a scope under row security, and without either."""

from collections.abc import Callable
from statistics import median

from benchmarks.floor_pgbench import pgbench
from benchmarks.population import People
from benchmarks.world import World

#: The most that row security may add to a transaction, in milliseconds.
LIMIT = 0.1
_PAGE = """SELECT id, status, doctor_id, patient_id, starts_at FROM appointments_appointment
 WHERE clinic_id = '{clinic}' AND starts_at >= now() ORDER BY starts_at LIMIT 20;"""
_ONE = "SELECT id, given_name, family_name, phone FROM clinics_patient WHERE id = '{patient}';"
_WRITE = """INSERT INTO appointments_appointmentevent (id, clinic_id, appointment_id, verb,
 from_status, to_status, at, reason, changes)
 VALUES (uuidv7(), '{clinic}', '{appointment}', 'edit', 'SCHEDULED', 'SCHEDULED', now(), '',
 '{{}}');"""
_SCOPE = "SELECT set_config('app.clinics', '{clinic}', true);"


def row_security(
    world: World, people: People, say: Callable[[str], None], *, seconds: float, repeat: int
) -> dict[str, float]:
    """Print and return the milliseconds that scope and row security add to each transaction.

    One connection, so that a transaction's time is what it costs; the two take turns.
    """
    clinic = next(iter(people.doctors_of))
    row = people.database.execute(
        "SELECT id, patient_id FROM appointments_appointment WHERE clinic_id = %s LIMIT 1", [clinic]
    ).fetchone()
    if row is None:
        raise RuntimeError("the shape has a clinic without appointments")
    values = {"clinic": str(clinic), "appointment": str(row[0]), "patient": str(row[1])}
    added: dict[str, float] = {}
    for name, statement in (
        ("read one row", _ONE),
        ("read a page", _PAGE),
        ("write a row", _WRITE),
    ):
        bare, secured = [], []
        for _ in range(repeat):
            plain = f"BEGIN;\n{statement}\nCOMMIT;\n".format(**values)
            scoped = f"BEGIN;\n{_SCOPE}\n{statement}\nCOMMIT;\n".format(**values)
            bare.append(1000 / pgbench(world, plain, seconds=seconds, connections=1, role=""))
            secured.append(
                1000 / pgbench(world, scoped, seconds=seconds, connections=1, role="kairos_app")
            )
        added[name] = median(secured) - median(bare)
        say(
            f"  {name:<14} {median(bare):7.3f} ms without, {median(secured):7.3f} ms with:"
            f" {added[name]:+.3f} ms (limit {LIMIT})"
        )
    return added
