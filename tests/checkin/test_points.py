"""Check-in locations, their codes, and what becomes of old ones."""

from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError

from checkin.codes import PERIOD, Kind, code_of, period_at, read_code
from checkin.models import CheckInLocation, PointMode
from checkin.selectors.points import (
    code_url,
    point_by_code,
    point_code,
    points_visible_to,
)
from checkin.services.points import point_delete, point_make, point_rotate, point_update
from core import clock, ids, tenancy
from core.api.problems import as_kairos_error
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene
from tests.checkin.arrivals import pass_of, point, poster_of, visit


def named(text: str, *, at=None) -> str:
    """The check-in location's name, or the code of the refusal."""
    code = read_code(text)
    with tenancy.scope([code.clinic_id]):
        try:
            return point_by_code(code, at or clock.now()).name
        except KairosError as refused:
            return refused.code.value


def shown(made: CheckInLocation, *, at=None) -> str:
    return point_code(made, at or clock.now()).code


def fresh(made: CheckInLocation) -> CheckInLocation:
    with tenancy.scope(tenancy.SYSTEM):
        return CheckInLocation.objects.get(pk=made.pk)


def changed(house: House, made: CheckInLocation, **fields) -> CheckInLocation:
    with tenancy.scope(()):
        return point_update(
            by=house.admin.principal(), point_id=made.id, fields=fields, expected_version=None
        )


def test_a_code_names_its_place_and_nothing_else(cast: Scene):
    made = point(cast.own)
    text = shown(made)
    assert (
        named(text)
        == named(text.lower())
        == named(code_url(text, "https://a.example"))
        == (made.name)
    )
    for secret in (made.name, made.id.hex, cast.own.clinic.slug):
        assert secret.upper() not in text


def test_turning_over_ends_every_code_before(cast: Scene):
    made = point(cast.own, valid_until=NOW + timedelta(days=1))
    first = shown(made)
    with tenancy.scope(()):
        by = cast.own.admin.principal()
        second = point_rotate(by=by, point_id=made.id, expected_version=1)
        assert (second.generation, second.version, second.valid_until) == (2, 2, None)
        with pytest.raises(KairosError, match="PRECONDITION_FAILED"):
            point_rotate(by=by, point_id=made.id, expected_version=1)
    assert named(first) == "QR_CODE_EXPIRED"
    assert named(shown(second)) == made.name
    # A code of the future was signed by us, yet no poster of ours says it.
    ahead = code_of(Kind.POSTER, clinic=made.clinic_id, subject=made.id, number=9)
    assert named(ahead) == "QR_CODE_EXPIRED"


def test_a_code_ends_by_itself_when_it_was_told_to(cast: Scene):
    made = point(cast.own, valid_until=NOW + timedelta(hours=1))
    text = shown(made)
    assert named(text) == made.name
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        assert named(text) == "QR_CODE_EXPIRED"


def test_a_screens_code_holds_for_its_minute_and_a_little(cast: Scene):
    made = point(cast.own, mode=PointMode.ROTATING, rotated_at=NOW - timedelta(hours=1))
    present = point_code(made, clock.now())
    assert present.valid_until is not None
    assert timedelta(0) < present.valid_until - clock.now() <= PERIOD
    for off, outcome in [
        (-2, "QR_CODE_EXPIRED"),
        (-1, made.name),
        (0, made.name),
        (1, made.name),
        (2, "QR_CODE_EXPIRED"),
    ]:
        assert named(present.code, at=clock.now() + off * PERIOD) == outcome
    assert shown(made, at=clock.now() + PERIOD) != present.code


def test_turning_over_a_screen_ends_what_was_photographed_before(cast: Scene):
    made = point(cast.own, mode=PointMode.ROTATING, rotated_at=NOW - timedelta(hours=1))
    before = shown(made, at=clock.now() - PERIOD)
    assert named(before) == made.name
    with tenancy.scope(()):
        point_rotate(by=cast.own.admin.principal(), point_id=made.id)
    assert named(before) == "QR_CODE_EXPIRED"


def test_a_place_takes_only_the_codes_of_its_mode(cast: Scene):
    made = point(cast.own)
    paper = shown(made)
    screen = changed(cast.own, made, mode=PointMode.ROTATING)
    assert named(paper) == "QR_CODE_EXPIRED"
    assert named(shown(screen)) == made.name
    changed(cast.own, made, mode=PointMode.STATIC)
    assert named(shown(screen)) == "QR_CODE_EXPIRED"
    assert named(paper) == made.name


@pytest.mark.parametrize("closed", ["point", "location", "clinic"])
def test_where_check_in_is_closed(cast: Scene, closed: str):
    made = point(cast.own)
    row = {"point": made, "location": cast.own.location, "clinic": cast.own.clinic}[closed]
    with tenancy.scope(tenancy.SYSTEM):
        type(row).objects.filter(pk=row.pk).update(is_active=False)
    assert named(poster_of(made)) == "LOCATION_INACTIVE"


def test_a_place_taken_away_is_known_and_stays_away(cast: Scene):
    made = point(cast.own)
    with tenancy.scope(()):
        by = cast.own.admin.principal()
        point_delete(by=by, point_id=made.id, expected_version=1)
        for again in (
            lambda: point_delete(by=by, point_id=made.id),
            lambda: point_rotate(by=by, point_id=made.id),
            lambda: point_update(
                by=by, point_id=made.id, fields={"is_active": True}, expected_version=None
            ),
        ):
            with pytest.raises(KairosError) as refused:
                again()
            assert refused.value.code == ErrorCode.NOT_FOUND
        assert not points_visible_to(by).exists()
    assert named(poster_of(made)) == "LOCATION_INACTIVE"
    point(cast.own, name=made.name)  # its name is free again


def test_codes_that_name_no_place(cast: Scene):
    made = point(cast.own)
    nowhere = code_of(Kind.POSTER, clinic=cast.own.clinic.id, subject=ids.uuid7(), number=1)
    assert named(nowhere) == "INVALID_QR_CODE"
    # Signed for the other clinic, about a place of this one: never looked up across the wall.
    crossed = code_of(Kind.POSTER, clinic=cast.other.clinic.id, subject=made.id, number=1)
    assert named(crossed) == "INVALID_QR_CODE"
    assert named(pass_of(visit(cast.own))) == "INVALID_QR_CODE"
    moment = period_at(clock.now())
    screen = code_of(Kind.SCREEN, clinic=cast.own.clinic.id, subject=made.id, number=moment)
    assert named(screen) == "QR_CODE_EXPIRED"


def test_what_cannot_be_made(cast: Scene):
    own = cast.own
    common = {"clinic": own.clinic, "location": own.location, "name": "Door"}
    with tenancy.scope(()):
        by = own.admin.principal()
        for fields, field in [
            ({"valid_until": NOW}, "valid_until"),
            ({"geofence_metres": 100}, "geofence_metres"),
            ({"generation": 7}, "generation"),
            ({"latitude": 91, "longitude": 0}, "latitude"),
            ({"geofence_metres": 5, "latitude": 1, "longitude": 1}, "geofence_metres"),
        ]:
            with (
                pytest.raises((KairosError, ValidationError)) as told,
                tenancy.scope([own.clinic.id]),
            ):
                point_make(by=by, **common, **fields)
            meant = as_kairos_error(told.value)
            assert meant is not None
            assert set(meant.errors or ()) == {field}
        for fields, code in [
            ({"latitude": 1}, ErrorCode.VALIDATION_ERROR),  # without its longitude
            ({"location": cast.other.location}, ErrorCode.NOT_FOUND),
        ]:
            with pytest.raises(KairosError) as refused, tenancy.scope([own.clinic.id]):
                point_make(by=by, **(common | fields))
            assert refused.value.code == code
        point_make(by=by, **common)
        with pytest.raises(KairosError) as refused, tenancy.scope([own.clinic.id]):
            point_make(by=by, **common)
        assert refused.value.code == ErrorCode.CONFLICT


def test_a_geofence_is_measured_from_the_location_where_the_place_has_no_coordinates(cast: Scene):
    with tenancy.scope(tenancy.SYSTEM):
        type(cast.own.location).objects.update(latitude="52.5", longitude="13.4")
    made = point(cast.own)
    assert changed(cast.own, fresh(made), geofence_metres=50).geofence_metres == 50


@pytest.mark.parametrize("who", ["reception", "nurse", "doctor_user", "patient"])
def test_only_administrators_change_places(cast: Scene, who: str):
    made = point(cast.own)
    with tenancy.scope(()):
        by = getattr(cast.own, who).principal()
        with pytest.raises(KairosError) as refused:
            point_rotate(by=by, point_id=made.id)
    expected = ErrorCode.NOT_FOUND if who == "patient" else ErrorCode.PERMISSION_DENIED
    assert refused.value.code == expected


def test_the_outsider_finds_nothing(cast: Scene):
    made = point(cast.own)
    with tenancy.scope(()):
        by = cast.other.admin.principal()
        assert not points_visible_to(by).exists()
        for act in (point_rotate, point_delete):
            with pytest.raises(KairosError) as refused:
                act(by=by, point_id=made.id)
            assert refused.value.code == ErrorCode.NOT_FOUND
        with pytest.raises(KairosError) as refused:
            point_make(by=by, clinic=cast.own.clinic, location=cast.own.location, name="x")
        assert refused.value.code == ErrorCode.PERMISSION_DENIED
    assert fresh(made).generation == 1


def test_every_change_is_in_the_trail(cast: Scene):
    with tenancy.scope(()):
        by = cast.own.admin.principal()
        made = point_make(
            by=by, clinic=cast.own.clinic, location=cast.own.location, name="Side door"
        )
        point_update(by=by, point_id=made.id, fields={"name": "Side"}, expected_version=1)
        point_rotate(by=by, point_id=made.id)
        point_delete(by=by, point_id=made.id)
    with tenancy.scope(tenancy.SYSTEM):
        trail = AuditEvent.objects.filter(entity_id=made.id).order_by("id")
        acts = [event.action for event in trail]
    assert acts == [
        f"checkin_point.{verb}" for verb in ("created", "changed", "rotated", "deleted")
    ]
