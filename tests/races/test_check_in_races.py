"""Many who arrive, call and move at one moment, over HTTP against several worker processes.

Whatever comes first: everybody is checked in once, every token is given out once and without a gap,
every attempt is written down, and a visit and its place in the queue say the same.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from appointments.models import Appointment
from checkin.models import CheckIn, CheckInAttempt, CheckInDevice, QueueEntry, ScanReceipt
from checkin.services.devices import device_lend
from clinics.models import Location, Patient, PatientProxy
from core import clock, tenancy
from tests.appointments.scene import House, Person, Scene, person
from tests.checkin.agreement import disagreements
from tests.checkin.arrivals import nonce, of_clinic, pass_of, visit
from tests.races.test_booking_races import at, tally
from tests.races.volley import WIDTH, Answer, Shot, Volley

SCAN, SYNC = "appointments/check-in/scan-qr", "appointments/check-in/sync"
MADE, ALREADY = (200, None), (409, "ALREADY_CHECKED_IN")


def lent(house: House, location: Location | None = None) -> tuple[CheckInDevice, dict[str, str]]:
    """A live scanner of the house, and what it sends along."""
    with tenancy.scope(()):
        device, token = device_lend(
            by=house.reception.principal(),
            clinic=house.clinic,
            location=location or house.location,
        )
    return device, {"Authorization": f"Device {token}"}


def to_the_minute(house: House, minutes: int) -> Appointment:
    """A visit that could have been booked, so that its cancelling can be taken back."""
    starts = clock.now().replace(second=0, microsecond=0) + timedelta(minutes=minutes)
    return visit(house, starts_at=starts, ends_at=starts + timedelta(minutes=30))


def scanned(headers: dict[str, str], *visits: Appointment, **fields: Any) -> list[Shot]:
    """One scan of each visit's pass."""
    return [
        Shot(None, SCAN, {"qr_code": pass_of(one), "nonce": nonce()} | fields, headers)
        for one in visits
    ]


def batch(visits: Iterable[Appointment], **fields: Any) -> dict[str, Any]:
    """The body of a batch of scans that were made offline, a minute ago."""
    now = clock.now()
    scans = [
        {"qr_code": pass_of(one), "nonce": nonce(), "scanned_at": now - timedelta(minutes=1)}
        for one in visits
    ]
    return {"sent_at": now, "scans": scans} | fields


def in_volleys(volley: Volley, shots: Sequence[Shot]) -> list[Answer]:
    answers: list[Answer] = []
    for start in range(0, len(shots), WIDTH):
        answers += volley.fire(shots[start : start + WIDTH])
    return answers


def entries(house: House, **wanted: Any) -> list[QueueEntry]:
    return sorted(of_clinic(house, QueueEntry, **wanted), key=lambda one: one.number)


def test_each_is_checked_in_once_whoever_scans_them(cast: Scene, volley: Volley):
    """Eight devices scan each of fifty passes, four at a time: 200 scans."""
    visits = [visit(cast.own, number % 20) for number in range(50)]
    devices = [lent(cast.own)[1] for _ in range(8)]
    shots = [
        shot
        for number, one in enumerate(visits)
        for turn in range(4)
        for shot in scanned(devices[(number * 4 + turn) % 8], one)
    ]
    answers = in_volleys(volley, shots)
    assert tally(answers) == {MADE: 50, ALREADY: 150}
    tokens = [answer.body["visits"][0]["token"] for answer in answers if answer.status == 200]
    assert sorted(tokens) == [f"A{number:03d}" for number in range(1, 51)]
    told = {
        (one.body["visits"][0]["appointment"], one.body["visits"][0]["token"]) for one in answers
    }
    assert len(told) == 50, "who is refused is told the token that they have"
    attempts = of_clinic(cast.own, CheckInAttempt)
    assert {row.nonce for row in attempts} == {shot.body["nonce"] for shot in shots}
    assert Counter((row.outcome, row.reason_code) for row in attempts) == {
        ("CHECKED_IN", ""): 50,
        ("REFUSED", "ALREADY_CHECKED_IN"): 150,
    }
    assert {str(row.id) for row in attempts} == {answer.body["attempt"] for answer in answers}
    receipts = of_clinic(cast.own, ScanReceipt)
    assert len(receipts) == 200
    assert all(row.answer is not None for row in receipts)
    assert {row.pk for row in of_clinic(cast.own, CheckIn)} == {one.id for one in visits}
    assert [entry.state for entry in entries(cast.own)] == ["WAITING"] * 50
    assert disagreements(cast.own.clinic.id) == []
    assert of_clinic(cast.other, CheckInAttempt) == of_clinic(cast.other, QueueEntry) == []


def test_one_nonce_twelve_times_at_once_has_one_answer(cast: Scene, volley: Volley):
    _, headers = lent(cast.own)
    for came in (visit(cast.own), visit(cast.own, 300), visit(cast.other)):
        (shot,) = scanned(headers, came)
        answers = volley.fire([shot] * 12)
        assert len(tally(answers)) == 1
        assert Counter(one.body["replayed"] for one in answers) == {False: 1, True: 11}
        told = {**answers[0].body, "replayed": None, "request_id": None}
        assert all({**one.body, "replayed": None, "request_id": None} == told for one in answers)
        assert len(of_clinic(cast.own, CheckInAttempt, nonce=shot.body["nonce"])) == 1
    assert disagreements(cast.own.clinic.id) == []


def test_one_nonce_for_two_questions_at_once_answers_one(cast: Scene, volley: Volley):
    _, headers = lent(cast.own)
    visits = [visit(cast.own) for _ in range(6)]
    answers = volley.fire(scanned(headers, *visits, nonce="the-same-nonce"))
    assert tally(answers) == {MADE: 1, (422, "IDEMPOTENCY_MISMATCH"): 5}
    assert len(of_clinic(cast.own, CheckIn)) == len(of_clinic(cast.own, CheckInAttempt)) == 1


def test_those_who_call_at_once_call_different_people(cast: Scene, volley: Volley):
    _, headers = lent(cast.own)
    in_volleys(volley, scanned(headers, *(visit(cast.own, number) for number in range(12))))
    shot = Shot(cast.own.reception, "queues/call-next", {"location": cast.own.location.id})
    called: list[str] = []
    for expected in (8, 4, 0):
        answers = volley.fire([shot] * 8)
        assert tally(answers) == {MADE: 8}
        now = [one.body["entry"]["token"] for one in answers if one.body["entry"]]
        assert len(now) == expected
        called += now
    order = [entry.token for entry in sorted(entries(cast.own), key=lambda one: one.due_at)]
    assert len(set(called)) == 12
    assert set(called[:8]) == set(order[:8]), "nobody is called before their turn"
    assert [(one.state, one.calls) for one in entries(cast.own)] == [("CALLED", 1)] * 12


def test_one_call_key_eight_times_at_once_calls_one(cast: Scene, volley: Volley):
    _, headers = lent(cast.own)
    in_volleys(volley, scanned(headers, *(visit(cast.own, number) for number in range(3))))
    body = {"location": cast.own.location.id}
    shot = Shot(cast.own.reception, "queues/call-next", body, {"Idempotency-Key": "once"})
    assert set(tally(volley.fire([shot] * 8))) <= {MADE, (409, "IDEMPOTENCY_IN_PROGRESS")}
    assert [entry.calls for entry in entries(cast.own)].count(1) == 1


def test_a_check_in_races_every_other_step_of_its_visit(cast: Scene, volley: Volley):
    own = cast.own
    _, headers = lent(own)
    seen: Counter[Any] = Counter()
    for number in range(8):
        came = to_the_minute(own, 25)
        path = f"appointments/{came.id}"
        shots = [
            *scanned(headers, came, came),
            Shot(own.reception, f"{path}/check-in", {"reason": "race"}),
            Shot(own.reception, f"{path}/cancel", {"reason": "race"}),
            Shot(own.doctor_user, f"{path}/start"),
            Shot(own.doctor_user, f"{path}/complete"),
            Shot(own.reception, f"{path}/undo", {"reason": "race"}),
            Shot(own.admin, f"{path}/undo", {"reason": "race"}),
            Shot(own.reception, f"{path}/no-show", {"reason": "race"}),
            Shot(own.reception, f"{path}/reschedule", {"starts_at": at(3 + number)}),
            *scanned(headers, came),
        ]
        random.Random(number).shuffle(shots)
        seen += tally(volley.fire(shots))
        assert disagreements(own.clinic.id) == []
    assert seen[MADE] > 8
    assert {code for _, code in seen} <= {
        None,
        "ALREADY_CHECKED_IN",
        "INVALID_TRANSITION",
        "TOO_EARLY",
        "SCHEDULING_CONFLICT",
    }


def test_entries_race_their_visits_and_each_other(cast: Scene, volley: Volley):
    """Calling, passing over, seeing and leaving, by several, while the visit moves under them."""
    own = cast.own
    _, headers = lent(own)
    for number in range(6):
        came = to_the_minute(own, number)
        assert volley.send(scanned(headers, came)[0]).status == 200
        (entry,) = of_clinic(own, QueueEntry, appointment=came)
        steps = ["call", "skip", "requeue", "start", "done", "left", "call", "start"]
        shots = [
            Shot(own.admin if step in {"left", "skip"} else own.doctor_user, path)
            for step in steps
            for path in [f"queue-entries/{entry.id}/{step}"]
        ]
        shots += [
            Shot(own.reception, f"appointments/{came.id}/{verb}", {"reason": "race"})
            for verb in ("cancel", "undo", "check-in")
        ]
        random.Random(number).shuffle(shots)
        codes = {code for _, code in tally(volley.fire(shots))}
        assert codes <= {
            None,
            "INVALID_TRANSITION",
            "TOO_EARLY",
            "PERMISSION_DENIED",
            "SCHEDULING_CONFLICT",
        }
        assert disagreements(own.clinic.id) == []


def test_transfers_race_arrivals_at_both_places(cast: Scene, volley: Volley):
    """Tokens of two places are taken from both sides at once: no gap, no double, no deadlock."""
    own, there = cast.own, cast.own.add_location()
    here_device, there_device = lent(own)[1], lent(own, there)[1]
    waiting = [visit(own, number) for number in range(10)]
    in_volleys(volley, scanned(here_device, *waiting))
    for turn in range(4):
        target = (there, own.location)[turn % 2]
        shots = [
            Shot(
                own.reception,
                f"queue-entries/{entry.id}/transfer",
                {"doctor": own.doctor.id, "location": target.id},
            )
            for entry in entries(own, appointment__in=waiting)
        ]
        shots += scanned(here_device, *(visit(own, turn) for _ in range(8)))
        shots += scanned(there_device, *(visit(own, turn, location=there) for _ in range(8)))
        random.Random(turn).shuffle(shots)
        assert tally(volley.fire(shots)) == {MADE: 26}
        assert disagreements(own.clinic.id) == []


def test_a_transfer_back_races_the_check_in_anew(cast: Scene, volley: Volley):
    """The visit's new check-in wants a token of the place to which its old entry is just moved."""
    own, there = cast.own, cast.own.add_location()
    _, headers = lent(own)
    for _ in range(3):
        visits = [visit(own) for _ in range(10)]
        in_volleys(volley, scanned(headers, *visits))
        of_them = entries(own, appointment__in=visits)
        moves = [
            Shot(
                own.reception,
                f"queue-entries/{entry.id}/transfer",
                {"doctor": own.doctor.id, "location": there.id},
            )
            for entry in of_them
        ]
        assert tally(volley.fire(moves)) == {MADE: 10}
        undone = [
            Shot(own.reception, f"appointments/{one.id}/undo", {"reason": "race"}) for one in visits
        ]
        assert tally(volley.fire(undone)) == {MADE: 10}
        back = [
            Shot(
                own.reception,
                f"queue-entries/{entry.id}/transfer",
                {"doctor": own.doctor.id, "location": own.location.id},
            )
            for entry in of_them
        ]
        shots = [
            shot for pair in zip(scanned(headers, *visits), back, strict=True) for shot in pair
        ]
        tally(volley.fire(shots))
        assert disagreements(own.clinic.id) == []


def test_a_device_revoked_in_the_middle(cast: Scene, volley: Volley):
    device, headers = lent(cast.own)
    shots = scanned(headers, *(visit(cast.own) for _ in range(30)))
    path = f"appointments/check-in/devices/{device.id}"
    shots.insert(15, Shot(cast.own.admin, path, method="DELETE"))
    answers = volley.fire(shots)
    assert answers.pop(15).status == 204
    seen = tally(answers)
    assert set(seen) <= {MADE, (401, "DEVICE_REVOKED")}
    assert volley.send(scanned(headers, visit(cast.own))[0]).code == "DEVICE_REVOKED"
    assert len(entries(cast.own)) == len(of_clinic(cast.own, CheckInAttempt)) == seen[MADE]
    assert disagreements(cast.own.clinic.id) == []


def test_batches_over_two_places_in_opposite_order(cast: Scene, volley: Volley):
    """Whoever of the staff collects scans of two places takes tokens of both."""
    own, there = cast.own, cast.own.add_location()
    for _ in range(3):
        sets = [
            [visit(own, location=(own.location, there)[(n + turn) % 2]) for n in range(4)]
            for turn in range(4)
        ]
        staff = (own.reception, own.nurse, own.admin, own.reception)
        shots = [Shot(by, SYNC, batch(some)) for by, some in zip(staff, sets, strict=True)]
        assert tally(volley.fire(shots)) == {MADE: 4}
        assert disagreements(own.clinic.id) == []
    assert len(of_clinic(own, CheckIn)) == 48


def test_batches_with_the_same_visits_in_opposite_order(cast: Scene, volley: Volley):
    """Of two devices, and of two of the staff: everybody once, nobody waits for nobody."""
    own = cast.own
    for _ in range(4):
        visits = [visit(own) for _ in range(5)]
        shots = [Shot(None, SYNC, batch(visits[::turn]), lent(own)[1]) for turn in (1, -1)]
        shots += [
            Shot(staff, SYNC, batch(visits[::turn]))
            for staff, turn in ((own.reception, 1), (own.nurse, -1), (own.admin, -1))
        ]
        answers = volley.fire(shots)
        assert tally(answers) == {MADE: 5}
        codes = Counter(said["code"] for one in answers for said in one.body["results"])
        assert codes == {None: 5, "ALREADY_CHECKED_IN": 20}
        assert disagreements(own.clinic.id) == []


def test_a_batch_races_its_own_scans(cast: Scene, volley: Volley):
    """A device that lost the answers sends all again, while the first are still being answered."""
    own = cast.own
    for _ in range(4):
        visits = [visit(own) for _ in range(10)]
        _, headers = lent(own)
        body = batch(visits)
        alone = [
            Shot(None, SCAN, {"qr_code": one["qr_code"], "nonce": one["nonce"]}, headers)
            for one in body["scans"]
        ]
        again = Shot(None, SYNC, body | {"scans": body["scans"][::-1]}, headers)
        answers = volley.fire([Shot(None, SYNC, body, headers), *alone, again])
        assert tally(answers) == {MADE: 12}
        nonces = {one["nonce"] for one in body["scans"]}
        assert len(of_clinic(own, CheckInAttempt, nonce__in=nonces)) == 10
        assert disagreements(own.clinic.id) == []


def test_codes_that_are_none_in_opposite_order(cast: Scene, volley: Volley):
    """Such scans lock no visit: their nonces alone keep two batches apart."""
    _, headers = lent(cast.own)
    for turn in range(4):
        body = batch([visit(cast.own)] * 12)
        for one in body["scans"]:
            one["qr_code"] = f"nonsense {turn}"
        back = body | {"scans": body["scans"][::-1]}
        answers = volley.fire([Shot(None, SYNC, one, headers) for one in (body, back) * 3])
        assert tally(answers) == {MADE: 6}
        replayed = Counter(one["replayed"] for said in answers for one in said.body["results"])
        assert replayed == {False: 12, True: 60}


def test_the_earlier_of_two_scans_counts_when_both_come_at_once(cast: Scene, volley: Volley):
    """A scan made offline that waits for another's commit still sees what that one wrote."""
    own = cast.own
    for _ in range(6):
        came, late = visit(own, 10), clock.now() - timedelta(minutes=10)
        early = {"scanned_at": late, "sent_at": clock.now()}
        shots = [shot for number in range(8) for shot in scanned(lent(own)[1], came)]
        shots[3:3] = scanned(lent(own)[1], came, **early)
        tally(volley.fire(shots))
        (row,) = of_clinic(own, CheckIn, pk=came.id)
        assert row.checked_in_at == late
        assert disagreements(own.clinic.id) == []


def test_check_in_all_of_two_parents_at_once(cast: Scene, volley: Volley):
    own = cast.own

    def parent_of(child: Patient, grown: Person) -> Patient:
        with tenancy.scope(tenancy.SYSTEM):
            PatientProxy.objects.create(
                clinic=own.clinic, patient=child, user=grown.user, relation="PARENT"
            )
        return own.add_chart(grown)

    for _ in range(3):
        child = own.add_chart()
        charts = [parent_of(child, person(name)) for name in ("mother", "father")]
        together = visit(own, 5, chart=child)
        visits = [visit(own, 10, chart=chart) for chart in charts]
        shots = [
            shot
            for turn in range(6)
            for shot in scanned(lent(own)[1], visits[turn % 2], everyone=True)
        ]
        answers = volley.fire(shots)
        assert set(tally(answers)) <= {MADE, ALREADY}
        made = Counter(
            told["appointment"]
            for answer in answers
            for told in answer.body["visits"]
            if told["outcome"] == "CHECKED_IN"
        )
        assert made == dict.fromkeys((str(one.id) for one in (together, *visits)), 1)
        assert disagreements(own.clinic.id) == []
