"""What looks odd: the clinic is told once, and the source is slowed down."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkin.models import AlertKind, CheckInAlert, CheckInDevice, CheckInMethod
from checkin.services import alerts
from checkin.sources import Source, device_source, guest_source
from clinics.models import Location
from clinics.principal import guest
from core import clock, context, outbox, tenancy, valkey
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene
from tests.checkin.arrivals import device, of_clinic, pass_of, point, poster_of, scan, visit

BERLIN, SYDNEY = (Decimal("52.52"), Decimal("13.405")), (Decimal("-33.87"), Decimal("151.21"))


@pytest.fixture(autouse=True)
def _fast(settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"slowed": 2}
    context.begin("a-test", "192.0.2.9")


def raised(house: House, **wanted: Any) -> list[CheckInAlert]:
    return of_clinic(house, CheckInAlert, **wanted)


def again(one: CheckInDevice) -> CheckInDevice:
    with tenancy.scope(tenancy.SYSTEM):
        return CheckInDevice.objects.get(pk=one.pk)


def noise(number: int) -> str:
    return f"4006381{number:06d}"


def test_unknown_codes_are_told_once_and_counted_on(cast: Scene) -> None:
    tablet = device(cast.own)
    for number in range(alerts.UNKNOWN_CODES - 1):
        assert scan(tablet, noise(number))["code"] == ErrorCode.INVALID_QR_CODE
    assert raised(cast.own) == []
    for number in range(3):
        scan(tablet, noise(100 + number))

    (alert,) = raised(cast.own)
    assert (alert.kind, alert.device_id) == (AlertKind.UNKNOWN_CODES, tablet.id)
    assert alert.count == alerts.UNKNOWN_CODES + 2
    assert alert.details["codes"] == {"INVALID_QR_CODE": alerts.UNKNOWN_CODES + 2}
    with tenancy.scope([cast.own.clinic.id]):
        told = OutboxEvent.objects.filter(clinic_id=cast.own.clinic.id, topic="checkin.alert")
        assert [event.payload for event in told] == [{"id": str(alert.id), "kind": alert.kind}]
    assert raised(cast.other) == []


def test_many_refusals_of_any_kind_but_harmless_ones(cast: Scene) -> None:
    tablet = device(cast.own)
    early = visit(cast.own, minutes=600)
    here = visit(cast.own)
    scan(tablet, pass_of(here))
    for _ in range(alerts.MANY_REFUSALS):
        assert scan(tablet, pass_of(here))["code"] == ErrorCode.ALREADY_CHECKED_IN
    assert raised(cast.own) == []
    for _ in range(alerts.MANY_REFUSALS - 1):
        assert scan(tablet, pass_of(early))["code"] == ErrorCode.TOO_EARLY
    assert raised(cast.own) == []
    scan(tablet, pass_of(early))
    assert [one.kind for one in raised(cast.own)] == [AlertKind.MANY_REFUSALS]


def test_what_lies_back_is_not_counted(cast: Scene) -> None:
    tablet = device(cast.own)
    for number in range(3 * alerts.UNKNOWN_CODES):
        with time_machine.travel(NOW + number * timedelta(minutes=1), tick=False):
            scan(tablet, noise(number))
    assert raised(cast.own) == []


def test_a_shift_of_offline_scans_that_comes_at_once_is_not_odd(cast: Scene) -> None:
    tablet = device(cast.own)
    for number in range(2 * alerts.UNKNOWN_CODES):
        scan(
            tablet,
            noise(number),
            method=CheckInMethod.OFFLINE_SYNC,
            scanned_at=clock.now() - timedelta(minutes=10 * number),
            sent_at=clock.now(),
        )
    assert raised(cast.own) == []


def test_the_device_is_slowed_until_somebody_has_looked(cast: Scene) -> None:
    tablet, beside = device(cast.own), device(cast.own)
    for number in range(alerts.UNKNOWN_CODES):
        scan(tablet, noise(number))
    slowed = again(tablet)
    assert slowed.slowed_until == clock.now() + alerts.SLOWED_FOR
    assert slowed.version == tablet.version

    scan(slowed, noise(50))
    scan(slowed, noise(51))
    with pytest.raises(KairosError) as refusal:
        scan(slowed, noise(52))
    assert refusal.value.code == ErrorCode.RATE_LIMIT_EXCEEDED
    assert "Retry-After" in refusal.value.headers
    scan(beside, noise(53))  # nobody else is

    (alert,) = raised(cast.own)
    with tenancy.scope([cast.own.clinic.id]):
        alerts.alert_see(by=cast.own.admin.principal(), alert_id=alert.id)
    free = again(tablet)
    assert free.slowed_until is None
    alerts.slow_check(device_source(free))


def test_it_ends_by_itself(cast: Scene) -> None:
    tablet = device(cast.own)
    for number in range(alerts.UNKNOWN_CODES):
        scan(tablet, noise(number))
    later = device_source(again(tablet))
    with time_machine.travel(NOW + alerts.SLOWED_FOR, tick=False):
        for _ in range(10):
            alerts.slow_check(later)


def a_guest(house: House, chart: Any) -> Source:
    by = guest(uuid4())
    by.charts[house.clinic.id] = frozenset({chart.id})
    return guest_source(by)


def test_a_phone_that_tries_noise_is_slowed_though_no_clinic_hears_of_it(cast: Scene) -> None:
    source = a_guest(cast.own, cast.own.chart)
    for number in range(alerts.UNKNOWN_CODES):
        scan(source, noise(number), method=CheckInMethod.QR_SELF)
    assert raised(cast.own) == raised(cast.other) == []
    scan(source, noise(90), method=CheckInMethod.QR_SELF)
    scan(source, noise(91), method=CheckInMethod.QR_SELF)
    with pytest.raises(KairosError) as refusal:
        scan(source, noise(92), method=CheckInMethod.QR_SELF)
    assert refusal.value.code == ErrorCode.RATE_LIMIT_EXCEEDED


def test_each_clinic_hears_of_its_own(cast: Scene) -> None:
    """One phone at two clinics: neither learns of the other, and both are told."""
    source = a_guest(cast.own, cast.own.chart)
    for house in (cast.own, cast.other):
        code = poster_of(point(house, is_active=False))
        for _ in range(alerts.MANY_REFUSALS):
            valkey.call(lambda client: client.delete(f"checkin:slowed:{source.id}"))
            found = scan(source, code, method=CheckInMethod.QR_SELF)
            assert found["code"] == ErrorCode.LOCATION_INACTIVE
    for house in (cast.own, cast.other):
        (alert,) = raised(house)
        assert (alert.kind, alert.clinic_id) == (AlertKind.MANY_REFUSALS, house.clinic.id)


def places(house: House) -> tuple[Location, Location]:
    """The house in Berlin, and a branch of it in Sydney."""
    with tenancy.scope(tenancy.SYSTEM):
        branch = Location.objects.create(
            clinic=house.clinic,
            name="Branch",
            timezone=house.location.timezone,
            latitude=SYDNEY[0],
            longitude=SYDNEY[1],
        )
        Location.objects.filter(pk=house.location.pk).update(
            latitude=BERLIN[0], longitude=BERLIN[1]
        )
    return house.location, branch


@pytest.mark.parametrize(("hours", "is_odd"), [(1, True), (17, True), (18.5, False)])
def test_nobody_is_in_berlin_and_in_sydney(cast: Scene, hours: float, is_odd: bool) -> None:
    """Some 16,100 km: 17.9 hours at 900 km/h."""
    own = cast.own
    here, branch = places(own)
    chart = own.add_chart()
    first = visit(own, chart=chart)
    assert scan(device(own, location=here), pass_of(first))["outcome"] == "CHECKED_IN"
    with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
        second = visit(own, minutes=600, chart=chart, location=branch)
        kiosk = device(own, location=branch)
        assert scan(kiosk, pass_of(second))["outcome"] == "REFUSED"
        found = raised(own)
    assert [one.kind for one in found] == ([AlertKind.IMPOSSIBLE_DISTANCE] if is_odd else [])
    if is_odd:
        assert found[0].details["patient"] == str(chart.id)
        assert 15_900_000 < found[0].details["metres"] < 16_300_000
        assert again(kiosk).slowed_until is None  # it is not the kiosk's doing


@pytest.mark.parametrize(("hours", "is_odd"), [(2, True), (20, False)])
def test_two_arrivals_that_went_well_are_looked_at_afterwards(
    cast: Scene, hours: int, is_odd: bool
) -> None:
    own = cast.own
    here, branch = places(own)
    chart = own.add_chart()
    assert scan(device(own, location=here), pass_of(visit(own, chart=chart)))["code"] is None
    with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
        second = visit(own, chart=chart, location=branch)
        assert scan(device(own, location=branch), pass_of(second))["code"] is None
        assert raised(own) == []
        outbox.relay()
    assert [one.kind for one in raised(own)] == [AlertKind.IMPOSSIBLE_DISTANCE] * is_odd
    assert raised(cast.other) == []


def test_a_visit_elsewhere_is_no_journey(cast: Scene) -> None:
    """Scanned at the wrong branch: the visit's place is not where anybody stood."""
    own = cast.own
    _, branch = places(own)
    chart = own.add_chart()
    visit(own, chart=chart, location=branch)
    source = a_guest(own, chart)
    code = poster_of(point(own))
    for _ in range(2):
        assert scan(source, code, method=CheckInMethod.QR_SELF)["code"] == ErrorCode.WRONG_LOCATION
    assert raised(own) == []


def test_who_may_look(cast: Scene) -> None:
    tablet = device(cast.own)
    for number in range(alerts.UNKNOWN_CODES):
        scan(tablet, noise(number))
    (alert,) = raised(cast.own)
    seen = []
    for person in (cast.own.reception, cast.own.patient, cast.other.admin, cast.own.admin):
        try:
            with tenancy.scope(()):
                alerts.alert_see(by=person.principal(), alert_id=alert.id)
        except KairosError as refusal:
            seen.append(refusal.code.value)
    assert seen == ["PERMISSION_DENIED", "NOT_FOUND", "NOT_FOUND"]
    (looked_at,) = raised(cast.own)
    assert looked_at.seen_by_id == cast.own.admin.id
    with tenancy.scope([cast.own.clinic.id]):
        acts = AuditEvent.objects.filter(entity_id=alert.id).order_by("id")
        assert [act.action for act in acts] == ["checkin_alert.raised", "checkin_alert.seen"]


def test_with_valkey_dead_nobody_is_slowed_and_scans_go_on(
    cast: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(operation: Any) -> Any:
        raise valkey.Unavailable

    monkeypatch.setattr(valkey, "call", dead)
    source = a_guest(cast.own, cast.own.chart)
    for number in range(2 * alerts.UNKNOWN_CODES):
        scan(source, noise(number), method=CheckInMethod.QR_SELF)


def test_a_refusal_is_looked_at_with_as_many_statements_however_many_there_were(
    cast: Scene, settings: Any
) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"slowed": 1000}
    tablet = device(cast.own)
    counts = []
    for number in range(alerts.UNKNOWN_CODES + 6):
        with CaptureQueriesContext(connection) as captured:
            scan(tablet, noise(number))
        counts.append(len(captured))
    assert counts[1] == counts[alerts.UNKNOWN_CODES - 2]
    assert counts[-1] == counts[-2]
