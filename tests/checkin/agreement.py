"""What always holds of a clinic's arrivals, by a plain look at all its rows."""

from collections import defaultdict
from uuid import UUID

from appointments.models import Appointment, AppointmentStatus
from checkin.models import CheckIn, QueueEntry, QueueState, TokenCounter
from core import tenancy
from core.models import OutboxEvent

_STATES = {
    AppointmentStatus.CHECKED_IN: {QueueState.WAITING, QueueState.CALLED, QueueState.SKIPPED},
    AppointmentStatus.IN_PROGRESS: {QueueState.IN_SERVICE},
    AppointmentStatus.COMPLETED: {QueueState.DONE},
}


def disagreements(clinic: UUID) -> list[str]:
    """What does not fit together, for visits of today; nothing, it is hoped."""
    with tenancy.scope([clinic]):
        visits = list(Appointment.objects.order_by("id"))
        arrivals = {row.pk: row for row in CheckIn.objects.all()}
        entries = list(QueueEntry.objects.all())
        counters = {
            (str(row.location_id), row.prefix): row.last for row in TokenCounter.objects.all()
        }
        told = list(OutboxEvent.objects.filter(topic="queue.changed").values("payload"))
    wrong = []
    of_visit = {entry.appointment_id: entry for entry in entries if entry.appointment_id}
    for visit in visits:
        arrival, entry = arrivals.get(visit.id), of_visit.get(visit.id)
        here = f"{visit.id} is {visit.status}"
        stands = arrival is not None and arrival.undone_at is None
        if stands != (visit.checked_in_at is not None):
            wrong.append(f"{here}, its arrival {'stands' if stands else 'does not stand'}")
        if stands and arrival is not None and arrival.checked_in_at != visit.checked_in_at:
            wrong.append(f"{here} and its arrival are of different moments")
        if (entry is None) != (arrival is None):
            wrong.append(f"{here}, with an arrival or an entry alone")
        if entry is not None and entry.state not in _STATES.get(visit.status, {QueueState.LEFT}):
            wrong.append(f"{here}, its entry {entry.state}")
        if entry is None and visit.status in _STATES:
            wrong.append(f"{here} without an entry")
    given: dict[tuple[str, str], set[int]] = defaultdict(set)
    for event in told:
        token = event["payload"]["token"]
        given[event["payload"]["location"], token[0]].add(int(token[1:]))
    for place, numbers in given.items():
        if numbers != set(range(1, len(numbers) + 1)) or counters.get(place) != len(numbers):
            wrong.append(f"tokens {place}: {sorted(numbers)}, counted {counters.get(place)}")
    wrong += [f"counted for nobody: {place}" for place in counters.keys() - given.keys()]
    held = [(entry.location_id, entry.token) for entry in entries]
    if len(held) != len(set(held)):
        wrong.append("one token for two")
    return wrong
