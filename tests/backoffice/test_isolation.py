"""Nothing of another clinic shows: in lists, choices, filters, forms; and row security is under it.

The clinic abroad has `FOREIGN` in every word; whatever page shows the word has shown too much.
"""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client

from appointments.models import Appointment, BusyTime
from backoffice import access
from backoffice.access import Access
from backoffice.panels.appointments import AppointmentPanel
from backoffice.panels.follow_ups import FollowUpPlanPanel
from backoffice.panels.openings import WaitlistOfferPanel
from backoffice.panels.series import AppointmentSeriesPanel
from backoffice.panels.waitlist import WaitlistEntryPanel
from backoffice.urls import site
from clinics.models import (
    Doctor,
    Membership,
    ScheduleException,
    ScheduleTemplate,
)
from core import tenancy
from tests.backoffice.sight import CHOSEN, TABLES, listed, name_of
from tests.backoffice.world import FOREIGN, OWN, World, at_the_desk, page, text

#: Panels whose rows a selector says.
OF_SELECTORS = (
    AppointmentPanel,
    AppointmentSeriesPanel,
    FollowUpPlanPanel,
    WaitlistEntryPanel,
    WaitlistOfferPanel,
)


@pytest.fixture
def no_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The back office without the application's own filter."""
    monkeypatch.setattr(Access, "limited", lambda self, rows, *args, **kwargs: rows)
    for panel in OF_SELECTORS:
        monkeypatch.setattr(panel, "seen", lambda self, rows, *args: rows)


@pytest.fixture
def no_row_security(monkeypatch: pytest.MonkeyPatch) -> None:
    """The back office in the system's own scope."""
    narrow, opened = tenancy.narrow, access.principal_open

    def open_wide(*args: Any, **kwargs: Any) -> Any:
        found = opened(*args, **kwargs)
        narrow(tenancy.SYSTEM)
        return found

    monkeypatch.setattr(access, "principal_open", open_wide)
    monkeypatch.setattr(access.tenancy, "narrow", lambda clinics: None)


@pytest.mark.parametrize("model", TABLES, ids=name_of)
@pytest.mark.usefixtures("no_filters")
def test_row_security_alone_hides_what_is_foreign(
    model: type[Any], home: World, abroad: World
) -> None:
    client = at_the_desk(home.clinic_admin)
    assert getattr(home, TABLES[model]).pk in listed(client, model)
    assert getattr(abroad, TABLES[model]).pk not in listed(client, model)
    foreign = client.get(page(f"{name_of(model)}_change", getattr(abroad, TABLES[model]).pk))
    assert foreign.status_code == 404


@pytest.mark.parametrize("model", TABLES, ids=name_of)
@pytest.mark.usefixtures("no_row_security")
def test_the_filter_alone_hides_what_is_foreign(
    model: type[Any], home: World, abroad: World
) -> None:
    client = at_the_desk(home.clinic_admin)
    assert getattr(home, TABLES[model]).pk in listed(client, model)
    assert getattr(abroad, TABLES[model]).pk not in listed(client, model)


@pytest.mark.parametrize("model", TABLES, ids=name_of)
@pytest.mark.usefixtures("no_filters", "no_row_security")
def test_without_both_it_would_show(model: type[Any], home: World, abroad: World) -> None:
    """The negative control of the two tests above."""
    assert getattr(abroad, TABLES[model]).pk in listed(at_the_desk(home.clinic_admin), model)


def offered(client: Client, field: tuple[str, str, str], term: str) -> Any:
    query = dict(zip(("app_label", "model_name", "field_name"), field, strict=True))
    return client.get(page("autocomplete"), {**query, "term": term})


@pytest.mark.parametrize("field", CHOSEN, ids=".".join)
def test_choices_offer_nothing_foreign(
    field: tuple[str, str, str], home: World, abroad: World
) -> None:
    for name in ("clinic_admin", "doctor_user"):
        client = at_the_desk(home.user(name))
        for term in ("", FOREIGN, abroad.patient.mrn, abroad.patient.phone):
            answer = offered(client, field, term)
            assert answer.status_code in {200, 403}, (name, term)
            assert FOREIGN not in text(answer).lower(), (name, term)


@pytest.mark.parametrize(
    ("field", "term"),
    [
        (("appointments", "appointment", "patient"), f"Berger{OWN}"),
        (("appointments", "appointment", "doctor"), "Inland"),
        (("appointments", "appointment", "service"), "Visit"),
        (("clinics", "room", "location"), "Main"),
        (("clinics", "scheduletemplate", "services"), "Visit"),
    ],
)
def test_choices_offer_what_is_theirs(field: tuple[str, str, str], term: str, home: World) -> None:
    answer = offered(at_the_desk(home.clinic_admin), field, term)
    assert OWN in text(answer).lower()


FILTERS = [
    ("appointments_appointment", "day=all&doctor__id__exact={doctor}"),
    ("appointments_appointment", "day=all&doctor__id__exact={doctor}&q={mrn}"),
    ("appointments_busytime", "when=all&doctor__id__exact={doctor}"),
    ("clinics_scheduletemplate", "doctor__id__exact={doctor}"),
    ("clinics_scheduleexception", "doctor__id__exact={doctor}"),
    ("core_auditevent", "patient={mrn}"),
    ("core_auditevent", "actor={email}"),
    ("core_auditevent", "q={visit}"),
    ("clinics_patient", "q={mrn}"),
    ("clinics_patient", "q={phone}"),
    ("clinics_patient", "q={patient}"),
    ("clinics_patientproxy", "q={mrn}"),
    ("clinics_membership", "q={email}"),
    ("clinics_doctor", "q={name}"),
    ("clinics_location", "q={place}"),
    ("accounts_refreshsession", "q={email}"),
    ("clinics_clinic", "q={slug}"),
    ("checkin_checkinlocation", "location__id__exact={location}"),
    ("checkin_checkindevice", "location__id__exact={location}"),
    ("checkin_checkin", "q={mrn}"),
    ("checkin_checkin", "day=month&location__id__exact={location}"),
    ("checkin_checkinattempt", "q={visit}"),
    ("checkin_checkinattempt", "q={scanner}"),
    ("checkin_queueentry", "q={mrn}"),
    ("checkin_queueentry", "doctor__id__exact={doctor}"),
    ("appointments_appointmentseries", "status=all&doctor__id__exact={doctor}"),
    ("appointments_appointmentseries", "q={mrn}"),
    ("followups_followupplan", "status=all&doctor__id__exact={doctor}"),
    ("followups_followupplan", "q={mrn}"),
    ("followups_contactattempt", "q={mrn}"),
    ("followups_followupinvitation", "q={mrn}"),
    ("followups_waitlistentry", "status=all&location__id__exact={location}"),
    ("followups_waitlistentry", "q={mrn}"),
    ("followups_waitlistopening", "doctor__id__exact={doctor}"),
    ("followups_waitlistoffer", "entry__id__exact={entry}"),
    ("followups_waitlistoffer", "opening__id__exact={opening}"),
    ("followups_waitlistoffer", "q={mrn}"),
]


@pytest.mark.parametrize(("name", "query"), FILTERS)
def test_a_filter_finds_a_foreign_thing_as_little_as_an_unknown_one(
    name: str, query: str, home: World, abroad: World
) -> None:
    foreign = {
        "doctor": str(abroad.doctor.pk),
        "visit": str(abroad.visit.pk),
        "location": str(abroad.location.pk),
        "scanner": str(abroad.scanner.pk),
        "patient": str(abroad.patient.pk),
        "entry": str(abroad.waiting.pk),
        "opening": str(abroad.opening.pk),
        "mrn": abroad.patient.mrn,
        "phone": abroad.patient.phone,
        "email": str(abroad.nurse.email),
        "name": abroad.doctor.display_name,
        "place": abroad.location.name,
        "slug": abroad.clinic.slug,
    }
    unknown = {
        key: str(uuid4()) if len(value) == 36 else value.replace("s", "x").replace("90", "91")
        for key, value in foreign.items()
    }
    client = at_the_desk(home.clinic_admin)

    def asked(values: dict[str, str]) -> str:
        answer = client.get(f"{page(f'{name}_changelist')}?{query.format(**quoted(values))}")
        assert answer.status_code == 200
        assert list(answer.context["cl"].result_list) == []
        shown = text(answer)
        for value in values.values():  # what was typed stands in its field, and in links back
            once = quoted({"": value})[""]
            for form in (value, once, quoted({"": once})[""]):
                shown = shown.replace(form, "TYPED")
        return shown

    assert asked(foreign) == asked(unknown)


def quoted(values: dict[str, str]) -> dict[str, str]:
    return {key: urlencode({"": value})[1:] for key, value in values.items()}


def test_names_in_an_address_are_not_looked_up_for_strangers(home: World, abroad: World) -> None:
    """A form opened with somebody's ids in its address shows no name that is not theirs."""
    ids = {
        "patient": abroad.patient.pk,
        "doctor": abroad.doctor.pk,
        "location": abroad.location.pk,
        "service": abroad.service.pk,
        "services": abroad.service.pk,
        "room": abroad.room.pk,
        "user": abroad.nurse.pk,
        "member": abroad.membership.pk,
        "point": abroad.point.pk,
        "clinic": abroad.clinic.pk,
        "appointment": abroad.visit.pk,
        "doctors": abroad.doctor.pk,
    }
    client = at_the_desk(home.clinic_admin)
    for model, panel in site._registry.items():
        if panel.adds is None:
            continue
        answer = client.get(page(f"{name_of(model)}_add"), ids)
        assert answer.status_code in {200, 403}, model
        assert FOREIGN not in text(answer).lower(), model


def test_choices_of_a_form_are_each_requests_own(home: World, abroad: World) -> None:
    """Two administrators open the form for a new doctor at once: neither gets the other's list."""
    one, other = at_the_desk(home.clinic_admin), at_the_desk(abroad.clinic_admin)
    first = one.get(page("clinics_doctor_add")).context["adminform"].form
    other.get(page("clinics_doctor_add"))
    again = type(first)()
    assert again.fields["member"].queryset.query is not None
    with tenancy.scope(tenancy.SYSTEM):
        clinics = {member.clinic_id for member in again.fields["member"].queryset}
    assert clinics == {home.clinic.pk}


def test_a_doctor_of_both_clinics_shows_each_only_its_own(home: World, abroad: World) -> None:
    """The calendar of a shared doctor is one; who is seen in it is the clinic's alone."""
    with tenancy.scope(tenancy.SYSTEM):
        Membership.objects.create(clinic=home.clinic, user=abroad.doctor_user, role="DOCTOR")
    client = at_the_desk(home.clinic_admin)
    assert abroad.doctor.pk in listed(client, Doctor)
    for model in (Appointment, BusyTime, ScheduleTemplate, ScheduleException):
        rows = listed(client, model)
        with tenancy.scope(tenancy.SYSTEM):
            clinics = set(
                model._default_manager.filter(pk__in=rows).values_list("clinic_id", flat=True)
            )
        assert clinics == {home.clinic.pk}
    week = client.get(page("clinics_doctor_hours", abroad.doctor.pk))
    assert week.status_code == 200
    assert abroad.location.name not in text(week)
