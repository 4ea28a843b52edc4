"""Who hears what of a change, and how soon."""

import statistics
from datetime import UTC, datetime, time, timedelta
from time import monotonic

import httpx
import pytest
from django.db import transaction

from appointments.models import Appointment, BusyTime
from appointments.services.bulk import NewVisit, Step, appointments_insert
from appointments.services.leave import exception_preview
from appointments.services.sweep import holds_sweep
from core import clock, ids, live, tenancy
from tests.appointments.scene import House, Scene, scene
from tests.live.ears import cookie_of, listening, opened

pytestmark = pytest.mark.django_db(transaction=True)
DAY = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=3)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def stage(live_asgi) -> Scene:
    return scene()


def told(house: House, start: datetime, *, doctor=None, minutes: int = 30) -> dict:
    """The change as it has to be told: no patient, no name, no status."""
    return {
        "doctor": str((doctor or house.doctor).id),
        "from": int(start.timestamp()),
        "to": int(start.timestamp()) + minutes * 60,
    }


def test_a_booking_over_http_reaches_the_other_desk(live_asgi, stage):
    cookie = cookie_of(stage.own.admin.user)
    with (
        listening(live_asgi, stage.own) as first,
        opened(live_asgi, stage.own.clinic.id, cookie=cookie) as second,
    ):
        assert second.next() == {"type": "snapshot", "version": 1}
        answer = httpx.post(
            f"{live_asgi}/api/v1/appointments",
            json={
                name: str(value)
                for name, value in stage.own.request(DAY, patient=stage.own.chart.id).items()
            },
            headers=stage.own.reception.headers,
        )
        assert answer.status_code == 201, answer.text
        for ear in (first, second):
            assert ear.next() == {
                "type": "changed",
                "version": 2,
                "changes": [told(stage.own, DAY)],
            }


def test_fifty_bookings_are_heard_within_a_second_each(live_wsgi, live_asgi, stage):
    """Booked through the production server, heard from the server of sockets."""
    waits = []
    with (
        httpx.Client(base_url=live_wsgi, headers=stage.own.reception.headers) as client,
        listening(live_asgi, stage.own) as ear,
    ):
        for number in range(50):
            start = DAY + timedelta(days=number // 10) + HALF_HOUR * (number % 10)
            body = {name: str(value) for name, value in stage.own.request(start).items()}
            answer = client.post("/api/v1/appointments", json=body)
            answered = monotonic()
            assert answer.status_code == 201, answer.text
            assert ear.changes() == [told(stage.own, start)]
            waits.append(max(monotonic() - answered, 0) * 1000)
    median, worst = statistics.median(waits), max(waits)
    print(f"\nheard after the answer: median {median:.1f} ms, worst {worst:.1f} ms")
    assert worst < 1000


def test_every_step_of_a_visit_is_told_and_a_move_on_both_sides(live_asgi, stage):
    own = stage.own
    colleague = own.add_doctor()
    own.add_hours(colleague)
    api = own.reception.api
    with listening(live_asgi, own) as ear:
        made = own.book(DAY)
        assert ear.changes() == [told(own, DAY)]
        path = f"appointments/{made['id']}"
        assert api.post(f"{path}/confirm").status_code == 200
        assert ear.changes() == [told(own, DAY)]
        later = DAY + 3 * HALF_HOUR
        body = {"starts_at": later, "doctor": colleague.id}
        assert api.post(f"{path}/reschedule", body).status_code == 200
        moved = [told(own, later, doctor=colleague), told(own, DAY)]
        assert ear.changes(2) == moved
        assert api.post(f"{path}/undo", {"reason": "a slip"}).status_code == 200
        assert ear.changes(2) == [told(own, DAY), told(own, later, doctor=colleague)]
        assert api.patch(path, {"notes": "by the window"}).status_code == 200
        assert ear.changes() == [told(own, DAY)]
        assert api.post(f"{path}/cancel", {"reason": "ill"}).status_code == 200
        assert ear.changes() == [told(own, DAY)]


def test_holds_are_told_when_made_released_and_swept(live_asgi, stage):
    own = stage.own
    api = own.reception.api
    body = {"doctor": own.doctor.id, "location": own.location.id, "service": own.service.id}
    with listening(live_asgi, own) as ear:
        held = api.post("slots/holds", body | {"starts_at": DAY})
        assert held.status_code == 201, held.content
        assert ear.changes() == [told(own, DAY)]
        assert api.delete(f"slots/holds/{held.json()['id']}").status_code == 204
        assert ear.changes() == [told(own, DAY)]
        later = DAY + HALF_HOUR
        assert api.post("slots/holds", body | {"starts_at": later}).status_code == 201
        assert ear.changes() == [told(own, later)]
        with tenancy.scope(tenancy.SYSTEM):
            BusyTime.objects.filter(kind="HELD").update(expires_at=clock.now())
        assert holds_sweep() == 1
        assert ear.changes() == [told(own, later)]


def test_leave_is_told_but_not_a_look_at_it(live_asgi, stage):
    own = stage.own
    body = {
        "clinic": own.clinic.id,
        "kind": "LEAVE",
        "doctor": own.doctor.id,
        "start_date": DAY.date(),
        "end_date": DAY.date(),
    }
    with listening(live_asgi, own) as ear:
        with tenancy.scope(()):
            fields = {name: body[name] for name in ("kind", "start_date", "end_date")}
            exception_preview(
                by=own.admin.principal(), clinic=own.clinic, doctor=own.doctor, limit=9, **fields
            )
        made = own.admin.api.post("schedule-exceptions", body)
        assert made.status_code == 201, made.content
        [change] = ear.changes()
        assert change["doctor"] == str(own.doctor.id)
        assert change["from"] < DAY.timestamp() < change["to"]
        removed = own.admin.api.delete(f"schedule-exceptions/{made.json()['id']}")
        assert removed.status_code == 204
        assert ear.changes() == [change]
        closed = body | {"kind": "CLOSED"}
        del closed["doctor"]
        assert own.admin.api.post("schedule-exceptions", closed).status_code == 201
        assert ear.next()["type"] == "snapshot", "a closed clinic concerns every column"


def test_a_batch_is_one_message_to_read_everything_again(live_asgi, stage):
    own = stage.own
    visits = []
    for number in range(150):
        start = DAY + timedelta(days=number // 10) + HALF_HOUR * (number % 10)
        appointment = own_visit(own, start)
        visits.append(
            NewVisit(
                appointment=appointment,
                history=[Step(verb="BOOK", to_status="SCHEDULED", at=clock.now())],
            )
        )
    with listening(live_asgi, own) as ear:
        with tenancy.scope([own.clinic.id]):
            refused = appointments_insert(
                clinic_id=own.clinic.id, visits=visits, action="appointments.imported"
            )
        assert refused == []
        assert ear.next() == {"type": "snapshot", "version": 2}
        own.book(DAY + timedelta(days=30))
        assert ear.changes() == [told(own, DAY + timedelta(days=30))]


def own_visit(own: House, start: datetime):
    return Appointment(
        id=ids.uuid7(),
        clinic_id=own.clinic.id,
        location_id=own.location.id,
        doctor_id=own.doctor.id,
        patient_id=own.chart.id,
        service_id=own.service.id,
        type="IN_PERSON",
        status="SCHEDULED",
        starts_at=start,
        ends_at=start + HALF_HOUR,
        timezone=own.zone,
        source="IMPORT",
        created_at=clock.now(),
        updated_at=clock.now(),
    )


def test_merged_charts_are_read_again_in_their_clinic_alone(live_asgi, stage):
    own = stage.own
    twin = own.add_chart()
    own.book(DAY, patient=twin.id)
    with listening(live_asgi, own) as ear, listening(live_asgi, stage.other) as outsider:
        path = f"patients/{own.chart.id}/merge"
        merged = own.reception.api.post(path, {"duplicate": twin.id, "reason": "the same person"})
        assert merged.status_code == 201, merged.content
        assert ear.next() == {"type": "snapshot", "version": 2}
        undone = own.reception.api.post(
            f"patient-merges/{merged.json()['id']}/undo", {"reason": "they are two"}
        )
        assert undone.status_code == 200, undone.content
        assert ear.next() == {"type": "snapshot", "version": 3}
        stage.other.book(DAY)
        assert outsider.next()["type"] == "changed"


def test_the_outsider_hears_nothing_of_it(live_asgi, stage):
    with (
        listening(live_asgi, stage.own) as ear,
        listening(live_asgi, stage.other) as outsider,
    ):
        stage.own.book(DAY)
        assert ear.changes() == [told(stage.own, DAY)]
        stage.other.book(DAY)
        assert outsider.changes() == [told(stage.other, DAY)], "the first thing that they hear"


def test_a_doctor_of_two_clinics_is_on_both_boards(live_asgi, stage):
    own, other = stage.own, stage.other
    other.doctor_of(own.doctor)
    other.add_hours(own.doctor, time(18), time(22))
    evening = DAY.replace(hour=13)
    with listening(live_asgi, own) as here, listening(live_asgi, other) as there:
        other.book(evening, doctor=own.doctor.id)
        assert here.changes() == [told(own, evening)]
        assert there.changes() == [told(own, evening)], "once, though both groups were told"
        other.book(DAY + HALF_HOUR)
        assert there.changes() == [told(other, DAY + HALF_HOUR)]
        own.book(DAY + 4 * HALF_HOUR, service=own.service.id)
        for ear in (here, there):
            assert ear.changes() == [told(own, DAY + 4 * HALF_HOUR)]


def test_own_reach_hears_its_own_calendar_only(live_asgi, stage):
    own = stage.own
    own.policy(shared_calendars=False)
    colleague = own.add_doctor()
    own.add_hours(colleague)
    with (
        listening(live_asgi, own) as desk,
        listening(live_asgi, own, by=own.doctor_user) as doctor,
    ):
        own.book(DAY, doctor=colleague.id)
        assert desk.changes() == [told(own, DAY, doctor=colleague)]
        own.book(DAY + HALF_HOUR)
        heard = doctor.next()
        assert heard["changes"] == [told(own, DAY + HALF_HOUR)]
        assert heard["version"] == 2, "no gap where something was not for them"


def test_with_shared_calendars_a_doctor_hears_the_whole_day(live_asgi, stage):
    own = stage.own
    colleague = own.add_doctor()
    own.add_hours(colleague)
    with listening(live_asgi, own, by=own.doctor_user) as doctor:
        own.book(DAY, doctor=colleague.id)
        assert doctor.changes() == [told(own, DAY, doctor=colleague)]


def test_what_is_rolled_back_is_not_told(live_asgi, stage):
    own = stage.own
    with listening(live_asgi, own) as ear:
        refused = own.reception.api.post("appointments", own.request(DAY - timedelta(days=30)))
        assert refused.status_code == 409, refused.content
        with transaction.atomic():
            live.announce(f"calendar.clinic.{own.clinic.id.hex}")
            transaction.set_rollback(True)
        with transaction.atomic():
            try:
                with transaction.atomic():
                    live.announce(f"calendar.clinic.{own.clinic.id.hex}")
                    raise LookupError
            except LookupError:
                pass
        own.book(DAY)
        assert ear.next() == {"type": "changed", "version": 2, "changes": [told(own, DAY)]}
