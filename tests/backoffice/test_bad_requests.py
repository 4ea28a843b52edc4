"""Nothing that is typed into an address or forged into a form is a fault of ours: never a 500."""

from typing import Any

import pytest
from django.test import Client

from tests.backoffice.filled import patient_form, room_form
from tests.backoffice.rows import Unknown
from tests.backoffice.sight import CHOSEN
from tests.backoffice.table import TABLE
from tests.backoffice.world import World, at_the_desk, fresh, page, text
from tests.casts import build_super_admin

LISTS = sorted(name for name, _, _ in TABLE if name.endswith("_changelist"))
#: One list is asked everything, two with filters and searches of their own every other thing, and
#: the others, which share their code, a little of each kind.
STEPS = {
    "clinics_patient_changelist": 1,
    "appointments_appointment_changelist": 2,
    "core_auditevent_changelist": 2,
}
A_LITTLE = 7
ADDS = sorted({name for name, method, _ in TABLE if name.endswith("_add")})
QUERIES = [
    "e=1",
    "p=99999",
    "p=-1",
    "p=x",
    "p=" + "9" * 40,
    "all=",
    "o=1.2.3",
    "o=-99",
    "o=x",
    "q=%00",
    "q=%25%27%22%3B--",
    "q=" + "x" * 3000,
    "q=%F0%9F%92%A9",
    "q=%ff%fe",
    "day=never",
    "day=all&status__exact=NOWHERE",
    "from=2035-99-99&to=x",
    "from=0001-01-01&to=9999-12-31",
    "state=odd",
    "when=odd",
    "patient=%00",
    "actor=%00",
    "act=%25",
    "is_active__exact=maybe",
    "is_active__exact=2",
    "doctor__id__exact=x",
    "doctor__id__exact=00000000-0000-0000-0000-000000000000",
    "weekday__exact=x",
    "clinic__memberships__user__password__startswith=a",
    "user__password__startswith=a",
    "patient__notes__contains=a",
    "id__in=x",
    "id__regex=(",
    "notes__contains=a",
    "_popup=1",
    "_popup=x&_to_field=id",
    "_to_field=id",
    "_to_field=notes",
    "_to_field=user__password",
    "_changelist_filters=%00",
    "unknown=1",
    "unknown__lookup=1",
    "=",
]


@pytest.fixture
def client(home: World) -> Client:
    """An administrator; the test's own faults are raised, so that a 500 has its trace."""
    return at_the_desk(home.clinic_admin)


@pytest.mark.parametrize("name", LISTS)
def test_no_filter_is_a_fault(name: str, client: Client) -> None:
    for query in QUERIES[:: STEPS.get(name, A_LITTLE)]:
        answer = client.get(f"{page(name)}?{query}")
        assert answer.status_code < 500, query
        assert "Traceback" not in text(answer)


@pytest.mark.parametrize(
    "name",
    [
        "accounts_user_changelist",
        "clinics_patient_changelist",
        "core_outboxevent_changelist",
        "django_celery_beat_periodictask_changelist",
    ],
)
def test_no_filter_is_a_fault_for_the_installation(name: str, home: World) -> None:
    client = at_the_desk(build_super_admin())
    for query in QUERIES[::5]:
        assert client.get(f"{page(name)}?{query}").status_code < 500, query


@pytest.mark.parametrize(
    ("name", "lookup"),
    [
        ("clinics_patient", "notes__contains=a"),
        ("clinics_patient", "user__password__startswith=a"),
        ("clinics_patient", "insurance=x"),
        ("clinics_patient", "is_active__regex=t"),
        ("appointments_appointment", "notes__icontains=a"),
        ("appointments_appointment", "reason__startswith=a"),
        ("appointments_appointment", "cancel_reason__regex=."),
        ("appointments_appointment", "doctor__user__password__startswith=a"),
        ("appointments_appointment", "doctor__id__regex=a"),
        ("appointments_appointment", "patient__notes__contains=a"),
        ("clinics_room", "clinic__memberships__user__email=a"),
        ("clinics_doctor", "user__email__startswith=a"),
    ],
)
def test_a_lookup_that_no_filter_offers_is_refused(name: str, lookup: str, home: World) -> None:
    """The number of rows would tell word by word what may not be read."""
    for role in ("clinic_admin", "finance"):
        answer = at_the_desk(home.user(role)).get(f"{page(f'{name}_changelist')}?{lookup}")
        assert answer.status_code == 400, role


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("appointments_appointment", "day=all&status__exact=SCHEDULED&type__exact=IN_PERSON"),
        ("appointments_appointment", "from=2035-06-04&to=2035-06-04&source__exact=STAFF"),
        ("appointments_appointment", "day=all&doctor__id__exact={doctor}"),
        ("clinics_patient", "is_active__exact=1"),
        ("clinics_scheduletemplate", "weekday__exact=1&doctor__id__exact={doctor}"),
    ],
)
def test_what_filters_offer_is_answered(name: str, query: str, home: World) -> None:
    address = f"{page(f'{name}_changelist')}?{query.format(doctor=home.doctor.pk)}"
    answer = at_the_desk(home.clinic_admin).get(address)
    assert answer.status_code == 200
    assert answer.context["cl"].result_list


IDS = [
    "x",
    "%00",
    "-1",
    "9" * 300,
    "_5F",
]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("what", ["change", "delete", "history"])
def test_an_id_that_is_none_is_not_there(name: str, what: str, client: Client) -> None:
    listed = page(name)
    for number, one in enumerate(IDS):
        asked = client.post if number % 2 else client.get
        assert asked(f"{listed}{one}/{what}/").status_code in {400, 403, 404}, one


@pytest.mark.parametrize("name", ADDS)
def test_an_empty_form_is_a_refusal(name: str, home: World) -> None:
    for client in (at_the_desk(home.clinic_admin), at_the_desk(build_super_admin())):
        for form in ({}, {"_popup": "1"}, {"_to_field": "id"}, {"_continue": "1"}):
            answer = client.post(page(name), form)
            assert answer.status_code in {200, 400, 403}, form


RELATIONS = [
    ("appointments_appointment_add", field)
    for field in ("patient", "doctor", "service", "location", "room")
] + [
    ("clinics_room_add", "location"),
    ("clinics_scheduletemplate_add", "doctor"),
    ("clinics_scheduletemplate_add", "services"),
    ("clinics_scheduleexception_add", "location"),
    ("clinics_patientproxy_add", "patient"),
    ("clinics_doctor_add", "member"),
]


@pytest.mark.parametrize(("name", "field"), RELATIONS)
@pytest.mark.parametrize("value", ["x", "-1", "\x00", "None", "0" * 500])
def test_a_relation_that_is_no_id_is_a_refusal(
    name: str, field: str, value: str, client: Client
) -> None:
    assert client.get(page(name), {field: value}).status_code in {200, 400}
    assert client.post(page(name), {field: value}).status_code in {200, 400}


@pytest.mark.parametrize("value", ["\x00", "x" * 100_000, "\U0001f600", "\u202e\u0000"])
@pytest.mark.parametrize("field", ["given_name", "mrn", "phone", "email", "birth_date", "notes"])
def test_no_value_of_a_field_is_a_fault(
    field: str, value: str, home: World, client: Client
) -> None:
    answer = client.post(page("clinics_patient_add"), patient_form(home) | {field: value})
    assert answer.status_code in {200, 302, 400, 413}


@pytest.mark.parametrize("to_field", ["id", "name", "clinic__slug", "user__password", "x"])
def test_a_popup_answers_with_nothing_but_the_new_rows_id(
    to_field: str, home: World, client: Client
) -> None:
    form = room_form(home) | {"_popup": "1", "_to_field": to_field, "name": f"R {to_field}"}
    answer = client.post(page("clinics_room_add"), form)
    assert answer.status_code in {200, 400}
    assert home.clinic.slug not in text(answer) or answer.status_code == 200
    if to_field != "id":
        assert answer.status_code == 400


@pytest.mark.parametrize("field", CHOSEN[::8], ids=".".join)
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"term": "\x00"},
        {"term": "%"},
        {"page": "x"},
        {"page": "99999"},
        {"page": "-1"},
        {"app_label": "auth", "model_name": "group"},
        {"model_name": "nobody"},
        {"field_name": "nobody"},
        {"field_name": "id"},
        {"app_label": "accounts", "model_name": "user", "field_name": "password"},
    ],
)
def test_no_question_for_choices_is_a_fault(
    field: tuple[str, str, str], query: dict[str, str], client: Client
) -> None:
    asked = dict(zip(("app_label", "model_name", "field_name"), field, strict=True)) | query
    assert client.get(page("autocomplete"), asked).status_code in {200, 400, 403, 404}


def test_choices_without_a_question_are_refused(client: Client) -> None:
    assert client.get(page("autocomplete")).status_code in {400, 403, 404}


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "head"])
def test_other_methods_change_nothing(method: str, home: World, client: Client) -> None:
    before = fresh(home.room).version
    answer = getattr(client, method)(page("clinics_room_change", home.room.pk))
    assert answer.status_code < 500
    assert fresh(home.room).version == before


def test_forms_are_refused_without_their_token(home: World) -> None:
    """A form of another site, sent with our cookie."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(home.clinic_admin, "accounts.backends.EmailOrPhoneBackend")
    for key, row in TABLE.items():
        if row.body is None or key[0] in {"login", "logout"}:
            continue
        body: dict[str, Any] = row.body(Unknown())
        answer = client.post(row.path(Unknown()), body)
        assert answer.status_code == 403, key


def test_an_address_does_not_choose_what_has_no_index(home: World) -> None:
    """`?o=` names any column; where the panel offers no sorting it changes nothing."""
    admin = at_the_desk(home.clinic_admin)
    plain = admin.get(page("clinics_patient_changelist"))
    asked = admin.get(page("clinics_patient_changelist"), {"o": "-5.2"})
    assert asked.status_code == 200
    shown = [str(row.pk) for row in asked.context["cl"].result_list]
    assert shown == [str(row.pk) for row in plain.context["cl"].result_list]
    assert "ORDER BY" in str(asked.context["cl"].queryset.query)
    assert (
        asked.context["cl"].queryset.query.order_by == plain.context["cl"].queryset.query.order_by
    )
