"""The pages of the back office as two people open them: every list, form and search it has.

Tables come from the site itself, so a new one is measured without being named here; `_VIEWS` adds
the searches and filters that matter.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import User
from backoffice.site import site
from benchmarks.asking import Asking
from benchmarks.population import People
from core import clock, tenancy

_ROWS = 12  # different rows whose pages are opened in turn
_DEEP = 20  # the last page that a list goes to


@dataclass(frozen=True, slots=True)
class Person:
    """Who looks; `clinic` is None for an administrator of the installation, over all clinics."""

    name: str
    user: UUID
    cookie: str
    clinic: UUID | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page, as several requests of the same kind."""

    name: str
    askings: tuple[Asking, ...]


def persons(people: People) -> list[Person]:
    """A clinic's administrator, and a new administrator of the installation, both signed in."""
    row = people.database.execute(
        "SELECT user_id, clinic_id FROM clinics_membership WHERE role = 'CLINIC_ADMIN'"
        " ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        raise RuntimeError("the shape has no clinic administrator")
    with tenancy.scope(tenancy.SYSTEM):
        admin = User.objects.get(id=row[0])
        chief = User.objects.create_user(
            f"chief-{clock.now():%H%M%S%f}@example.test",
            None,
            given_name="Chief",
            is_superuser=True,
        )
        return [
            Person("clinic admin", admin.id, _cookie(admin), row[1]),
            Person("super admin", chief.id, _cookie(chief), None),
        ]


def _cookie(user: User) -> str:
    client = Client()
    client.force_login(user, "accounts.backends.EmailOrPhoneBackend")
    return f"sessionid={client.cookies['sessionid'].value}"


class _Known:
    """What the requests mention: rows in sight of the person, and words found in them."""

    def __init__(self, database: psycopg.Connection, person: Person) -> None:
        self.database = database
        self.person = person

    def column(self, sql: str, **values: Any) -> list[Any]:
        """The first column; `{scope}` in the SQL says whose clinic's rows."""
        scope = "TRUE" if self.person.clinic is None else "clinic_id = %(clinic)s"
        found = self.database.execute(
            sql.format(scope=scope), {"clinic": self.person.clinic, "count": _ROWS, **values}
        )
        return [row[0] for row in found]

    def rows(self, model: type[Model]) -> list[Any]:
        """Primary keys of rows in sight, from all over the table."""
        label, table = model._meta.label_lower, model._meta.db_table
        key = model._meta.pk.column  # type: ignore[union-attr]
        source = "SELECT {key} AS id FROM {table} WHERE {{scope}}"
        if "clinic_id" not in {field.column for field in model._meta.fields}:
            source = "SELECT {key} AS id FROM {table}"
            if self.person.clinic is not None:
                source = _OWN.get(label, "SELECT {key} AS id FROM {table} WHERE FALSE")
        source = source.format(key=key, table=table)
        return self.column(
            f"SELECT id FROM ({source}) AS seen GROUP BY id ORDER BY md5(id::text) LIMIT %(count)s"
        )

    def words(self, table: str, column: str, more: str = "TRUE") -> list[str]:
        """Values of a column in rows in sight."""
        return self.column(
            f"SELECT {column} FROM {table} WHERE {{scope}} AND {more}"
            " ORDER BY md5(id::text) LIMIT %(count)s"
        )


_STAFF = "(SELECT user_id FROM clinics_membership WHERE clinic_id = %(clinic)s)"
#: Rows of tables that belong to no clinic, as far as one clinic's administrator sees them.
_OWN = {
    "clinics.clinic": "SELECT id FROM clinics_clinic WHERE id = %(clinic)s",
    "clinics.doctor": f"SELECT id FROM clinics_doctor WHERE user_id IN {_STAFF}",
    "accounts.refreshsession": f"SELECT id FROM accounts_refreshsession WHERE user_id IN {_STAFF}",
}

Given = Iterator[Mapping[str, Any]]


def _appointments(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    today = clock.now().date()
    doctors = known.column("SELECT DISTINCT doctor_id FROM appointments_appointment WHERE {scope}")
    family = known.words("clinics_patient", "family_name")
    given = known.words("clinics_patient", "given_name || ' ' || family_name")
    for day in ("tomorrow", "week", "past", "all"):
        yield f"day={day}", [{"day": day}]
    yield f"all, page {_DEEP}", [{"day": "all", "p": _DEEP}]
    yield (
        "from, to: one month",
        [
            {"from": today - timedelta(days=40 + n), "to": today - timedelta(days=10 + n)}
            for n in range(5)
        ],
    )
    yield "search: record number", [{"q": q} for q in known.words("clinics_patient", "mrn")]
    yield "search: full name", [{"q": q} for q in given]
    yield "search: family name", [{"q": q} for q in family]
    yield "today, doctor", [{"doctor__id__exact": one} for one in doctors[:_ROWS]]
    yield (
        "all, doctor and status",
        [
            {"day": "all", "doctor__id__exact": one, "status__exact": "CONFIRMED"}
            for one in doctors[:_ROWS]
        ],
    )
    for status in ("PENDING", "NO_SHOW", "IN_PROGRESS"):
        yield f"all, status {status}", [{"day": "all", "status__exact": status}]
    yield (
        "all, type and source",
        [{"day": "all", "type__exact": "VIDEO_CALL", "source__exact": "STAFF"}],
    )
    yield "all, source of nothing", [{"day": "all", "source__exact": "WAITLIST"}]


def _patients(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield f"page {_DEEP}", [{"p": _DEEP}]
    for what, column in (
        ("record number", "mrn"),
        ("full name", "given_name || ' ' || family_name"),
        ("family name", "family_name"),
        ("mistyped name", "overlay(family_name placing '' from 3 for 1)"),
        ("end of a phone number", "right(phone, 5)"),
        ("birth date", "birth_date"),
    ):
        yield f"search: {what}", [{"q": q} for q in known.words("clinics_patient", column)]
    yield "active", [{"is_active__exact": 1}]
    yield "inactive (none)", [{"is_active__exact": 0}]


def _doctors(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "search: name", [{"q": f"Number {n}"} for n in range(0, 100, 9)]
    yield "profession", [{"profession__exact": "PSYCHOLOGIST"}]


def _by_doctor(known: _Known) -> list[Any]:
    return known.column("SELECT DISTINCT doctor_id FROM clinics_scheduletemplate WHERE {scope}")[
        :_ROWS
    ]


def _templates(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "a doctor's", [{"doctor__id__exact": one} for one in _by_doctor(known)]
    yield "search: doctor", [{"q": f"Number {n}"} for n in range(0, 100, 9)]
    yield "weekday", [{"weekday__exact": 3}]
    yield f"page {_DEEP}", [{"p": 5 if known.person.clinic else _DEEP}]


def _exceptions(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "a doctor's", [{"doctor__id__exact": one} for one in _by_doctor(known)]
    yield "search: doctor", [{"q": f"Number {n}"} for n in range(0, 100, 9)]


def _busy_times(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "past ones too", [{"when": "all"}]
    yield f"past ones too, page {_DEEP}", [{"when": "all", "p": _DEEP}]
    yield "a doctor's", [{"doctor__id__exact": one} for one in _by_doctor(known)]
    yield "held (none)", [{"kind__exact": "HELD"}]
    yield "blocked", [{"kind__exact": "BLOCKED"}]
    yield "search: doctor", [{"q": f"Number {n}"} for n in range(0, 100, 9)]


def _memberships(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "doctors", [{"role__exact": "DOCTOR"}]
    yield "search: email", [{"q": f"doctor-{n}@"} for n in range(0, 100, 9)]


def _audit(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    today = clock.now().date()
    charts = "id IN (SELECT patient_id FROM appointments_appointment WHERE {scope})"
    actors = known.column(
        "SELECT u.email FROM accounts_user u JOIN clinics_doctor d ON d.user_id = u.id"
        " WHERE d.id IN (SELECT doctor_id FROM clinics_scheduletemplate WHERE {scope})"
        " ORDER BY md5(u.id::text) LIMIT %(count)s"
    )
    yield f"page {_DEEP}", [{"p": _DEEP}]
    yield "by patient", [{"patient": mrn} for mrn in known.words("clinics_patient", "mrn", charts)]
    yield "by actor", [{"actor": email} for email in actors]
    yield "by act", [{"act": "appointment.bo"}]
    yield "by act of nothing", [{"act": "nothing.like.it"}]
    yield (
        "by actor, act and days",
        [
            {"actor": email, "act": "appointment.", "from": today - timedelta(days=30), "to": today}
            for email in actors
        ],
    )
    yield (
        "one old day",
        [
            {"from": today - timedelta(days=30 + n), "to": today - timedelta(days=30 + n)}
            for n in range(5)
        ],
    )
    yield (
        "search: a visit's id",
        [{"q": one} for one in known.words("appointments_appointment", "id")],
    )


def _outbox(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for state in ("waiting", "failed", "done"):
        yield f"state={state}", [{"state": state}]
    yield f"page {_DEEP}", [{"p": _DEEP}]
    yield "search: topic", [{"q": "appointment."}]
    yield "search: topic of nothing", [{"q": "nothing."}]


def _sessions(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "search: email", [{"q": f"doctor-{n}@"} for n in range(0, 100, 9)]


def _users(known: _Known) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "search: email", [{"q": f"doctor-{n}@example.test"} for n in range(0, 100, 9)]
    yield "search: family name", [{"q": str(n)} for n in range(0, 100, 9)]


_VIEWS: dict[str, Callable[[_Known], Iterator[tuple[str, list[dict[str, Any]]]]]] = {
    "appointments.appointment": _appointments,
    "appointments.busytime": _busy_times,
    "clinics.patient": _patients,
    "clinics.doctor": _doctors,
    "clinics.scheduletemplate": _templates,
    "clinics.scheduleexception": _exceptions,
    "clinics.membership": _memberships,
    "core.auditevent": _audit,
    "core.outboxevent": _outbox,
    "accounts.refreshsession": _sessions,
    "accounts.user": _users,
}
#: What is chosen by typing: the table and field of the form, and where its words come from.
_CHOICES = (
    ("appointments", "appointment", "patient", "clinics_patient", "left(family_name, 4)"),
    ("appointments", "appointment", "patient", "clinics_patient", "mrn"),
    ("appointments", "appointment", "doctor", "clinics_scheduletemplate", "'Number 1'"),
    ("appointments", "appointment", "service", "clinics_service", "left(name, 3)"),
    ("appointments", "appointment", "location", "clinics_location", "left(name, 3)"),
    ("appointments", "appointment", "room", "clinics_room", "left(name, 3)"),
)
#: Further pages of a row.
_STEPS = {
    "appointments.appointment": ("edit/", "undo/", "reschedule/", "move/cancel/"),
    "clinics.doctor": ("hours/",),
}


def floor_page(person: Person) -> Page:
    """A page with next to nothing on it: what frame, session and rights cost."""
    path = f"{reverse('admin:clinic_switch')}?q=nothing+of+the+kind"
    return Page("floor: clinic switch, none found", (Asking(path, cookie=person.cookie),))


def pages(people: People, person: Person) -> list[Page]:
    """Everything that is measured for this person, in the order of the site."""
    known = _Known(people.database, person)

    def page(name: str, *paths: str) -> Page:
        return Page(name, tuple(Asking(path, cookie=person.cookie) for path in paths))

    found = [page("start page", reverse("admin:index"))]
    found.append(page("clinic switch", reverse("admin:clinic_switch")))
    for model in site._registry:
        found += _of_table(known, model, page)
    for app, name, field, table, column in _CHOICES:
        base = {"app_label": app, "model_name": name, "field_name": field}
        address = reverse("admin:autocomplete")
        words = known.words(table, column)
        found.append(page(f"choose {field}: nothing typed", f"{address}?{urlencode(base)}"))
        found.append(
            page(
                f"choose {field}: {words[0]!r} typed",
                *(f"{address}?{urlencode({**base, 'term': word})}" for word in words),
            )
        )
    return found


def _of_table(known: _Known, model: type[Model], page: Callable[..., Page]) -> Iterator[Page]:
    label = model._meta.label_lower
    name = str(model._meta.verbose_name_plural)
    base = f"admin:{label.replace('.', '_')}"
    listed = reverse(f"{base}_changelist")
    yield page(f"{name}: list", listed)
    views = _VIEWS.get(label)
    for what, queries in views(known) if views else ():
        if queries:
            yield page(f"{name}: {what}", *(f"{listed}?{urlencode(query)}" for query in queries))
    rows = known.rows(model)
    if rows:
        yield page(f"{name}: one", *(reverse(f"{base}_change", args=[row]) for row in rows))
        yield page(f"{name}: history", *(reverse(f"{base}_history", args=[row]) for row in rows))
        for step in _STEPS.get(label, ()):
            at = [reverse(f"{base}_change", args=[row]).removesuffix("change/") for row in rows]
            yield page(f"{name}: {step}", *(f"{address}{step}" for address in at))
    try:
        yield page(f"{name}: add", reverse(f"{base}_add"))
    except NoReverseMatch:
        return
