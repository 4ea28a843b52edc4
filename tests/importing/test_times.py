"""Files with times and doctors: clocks that change, and time that is taken."""

from datetime import UTC, datetime, timedelta

import pytest

from appointments.models import Appointment, BusyTime
from clinics.models import Doctor, Patient, Service
from core import clock, tenancy
from core.errors import ErrorCode
from tests.casts import Cast, build_cast
from tests.importing.files import TIMES, Importer

HEADER = "id,patient,name,starts,status,doctor,reason\n"


@pytest.fixture
def cast(importer: Importer) -> Cast:
    return build_cast("home")


def rows(cast: Cast, *lines: tuple[str, str, str]) -> str:
    """A file of (start, status, patient), with the cast's doctor."""
    return HEADER + "".join(
        f"{number},{patient},Some One,{start},{status},{cast.doctor.display_name},\n"
        for number, (start, status, patient) in enumerate(lines, start=1)
    )


def bring(importer: Importer, cast: Cast, content: str, *, zone: str = "offset", **options):
    with tenancy.scope([cast.clinic.id]):
        place = cast.location.name
    return importer(
        content,
        TIMES.replace("ZONE", zone).replace("Old town", place),
        clinic=cast.clinic.slug,
        **options,
    )


def ahead(hours: float) -> datetime:
    start = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=10)
    return start + timedelta(hours=hours)


def test_times_with_an_offset(importer: Importer, cast: Cast) -> None:
    bring(importer, cast, rows(cast, ("2016-04-29T10:00:00+05:30", "COMPLETED", "7")))
    with tenancy.scope([cast.clinic.id]):
        visit = Appointment.objects.get()
        assert visit.starts_at == datetime(2016, 4, 29, 4, 30, tzinfo=UTC)
        assert visit.doctor_id == cast.doctor.id


def test_a_time_without_offset_is_refused(importer: Importer, cast: Cast) -> None:
    outcome = bring(importer, cast, rows(cast, ("2016-04-29T10:00:00", "COMPLETED", "7")))
    assert outcome.codes == {"1": "TIME_WITHOUT_OFFSET"}


def test_local_times_on_the_nights_when_clocks_change(importer: Importer, cast: Cast) -> None:
    with tenancy.scope([cast.clinic.id]):
        cast.location.timezone = "America/New_York"
        cast.location.save(update_fields=["timezone"])
    outcome = bring(
        importer,
        cast,
        rows(
            cast,
            ("2024-03-10T02:30:00", "COMPLETED", "7"),  # does not exist
            ("2024-11-03T01:30:00", "COMPLETED", "7"),  # exists twice: the first
        ),
        zone="clinic",
    )
    assert outcome.codes == {"1": "NO_SUCH_LOCAL_TIME"}
    with tenancy.scope([cast.clinic.id]):
        assert Appointment.objects.get().starts_at == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)


def test_visits_to_come_claim_their_time_or_are_refused(importer: Importer, cast: Cast) -> None:
    outcome = bring(
        importer,
        cast,
        rows(
            cast,
            (ahead(0).isoformat(), "SCHEDULED", "7"),
            (ahead(0.25).isoformat(), "CONFIRMED", "8"),  # the doctor is with 7
            (ahead(0.5).isoformat(), "PENDING", "8"),
            (ahead(0.5).isoformat(), "CANCELLED", "9"),  # takes no time
            (ahead(8).isoformat(), "COMPLETED", "9"),
        ),
    )
    assert outcome.codes == {"2": "SCHEDULING_CONFLICT", "5": "NOT_YET"}
    with tenancy.scope([cast.clinic.id]):
        assert BusyTime.objects.filter(kind="BOOKED").count() == 2
        assert Appointment.objects.count() == 3
    again = bring(importer, cast, importer.folder.joinpath("visits.csv").read_text())
    assert "0 accepted, 3 already there, 2 refused" in again.printed
    assert again.codes == outcome.codes


def test_a_refused_visit_makes_no_chart(importer: Importer, cast: Cast) -> None:
    start = ahead(0).isoformat()
    bring(importer, cast, rows(cast, (start, "SCHEDULED", "7"), (start, "SCHEDULED", "8")))
    with tenancy.scope([cast.clinic.id]):
        charts = set(Patient.objects.values_list("external_id", flat=True)) - {None}
    assert charts == {"7"}


def test_a_patient_cannot_be_in_two_places(importer: Importer, cast: Cast) -> None:
    start = ahead(0).isoformat()
    with tenancy.scope([cast.clinic.id]):
        Doctor.objects.create(user=cast.therapist, display_name="Second Doctor")
    content = rows(cast, (start, "SCHEDULED", "7"))
    content += f"2,7,Some One,{start},SCHEDULED,Second Doctor,\n"
    outcome = bring(importer, cast, content)
    assert outcome.codes == {"2": ErrorCode.PATIENT_CONFLICT.value}


def test_names_that_the_clinic_does_not_know(importer: Importer, cast: Cast) -> None:
    content = rows(cast, ("2016-04-29T10:00:00Z", "COMPLETED", "7"))
    outcome = bring(importer, cast, content.replace(cast.doctor.display_name, "Dr Nobody"))
    assert outcome.codes == {"1": "UNKNOWN_DOCTOR"}
    stranger = build_cast("away")
    outcome = bring(importer, cast, rows(stranger, ("2016-04-29T10:00:00Z", "COMPLETED", "7")))
    if stranger.doctor.display_name != cast.doctor.display_name:
        assert outcome.codes == {"1": "UNKNOWN_DOCTOR"}


def test_services_are_found_by_name(importer: Importer, cast: Cast) -> None:
    mapping = TIMES.replace("ZONE", "offset").replace("Old town", cast.location.name)
    mapping = mapping.replace('reason = "reason"', 'service = "reason"')
    line = f"7,Some One,2016-04-29T10:00:00Z,COMPLETED,{cast.doctor.display_name}"
    outcome = importer(
        f"{HEADER}1,{line},{cast.service.name}\n2,{line},Magic\n",
        mapping,
        clinic=cast.clinic.slug,
    )
    assert outcome.codes == {"2": "UNKNOWN_SERVICE"}
    with tenancy.scope([cast.clinic.id]):
        assert Appointment.objects.get().service == Service.objects.get(id=cast.service.id)


def test_text_that_is_too_long(importer: Importer, cast: Cast) -> None:
    content = rows(cast, ("2016-04-29T10:00:00Z", "COMPLETED", "7")).rstrip("\n") + "x" * 501
    assert bring(importer, cast, content).codes == {"1": "TEXT_TOO_LONG"}
