"""Who gets which answer from which page, by roles.md. A page without a row fails the tests.

A row is walked as every role against its own clinic's thing, a foreign one and one that does not
exist. What a foreign thing answers must be what an unknown thing answers, to the letter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from tests.backoffice.filled import (
    clinic_form,
    device_form,
    doctor_form,
    entry_form,
    exception_form,
    first_rules_form,
    location_form,
    membership_form,
    new_doctor_form,
    patient_form,
    plan_form,
    point_form,
    proxy_form,
    room_form,
    rules_form,
    service_form,
    template_form,
    upload_form,
    visit_form,
    week_form,
)
from tests.backoffice.world import SUPER, page, visit_in
from tests.matrix.table import ADMIN, BOOKED, MANAGERS, STAFF

ALL = STAFF | {SUPER}
NOBODY: frozenset[str] = frozenset()
INSTALLATION = frozenset({SUPER})
VISIT_READERS = ALL - {"pharmacist", "lab"}
#: Of a visit of the cast's doctor; the therapist and the counselor have their own to book.
VISIT_BOOKERS = frozenset({ADMIN, "receptionist", "doctor_user", SUPER})
TREATERS = frozenset({ADMIN, "doctor_user", SUPER})
ARRIVALS = frozenset({ADMIN, "receptionist", "nurse", SUPER})
PLACES_READERS = frozenset({ADMIN, "receptionist", SUPER})
QUEUE_READERS = BOOKED | {ADMIN, "receptionist", "nurse", "support", SUPER}
HOURS_READERS = BOOKED | {ADMIN, "receptionist", SUPER}
HOURS_WRITERS = BOOKED | {ADMIN, SUPER}
CHART_WRITERS = frozenset({ADMIN, "receptionist", "doctor_user", "nurse", SUPER})
EXPORTERS = frozenset({ADMIN, "receptionist", SUPER})
PLAN_READERS = BOOKED | {ADMIN, "receptionist", "nurse", "support", SUPER}
PLAN_WRITERS = frozenset({ADMIN, "doctor_user", SUPER})
#: Chasing is booking: the desk's and the doctor's.
CHASERS = PLAN_WRITERS | {"receptionist"}
WAITLIST = BOOKED | {ADMIN, "receptionist", SUPER}
#: They have working hours of their own, and these are the doctor's.
OTHERS = frozenset({"therapist", "counselor"})

#: The cast's rows are the doctor's: to other clinicians they are not there.
_UNSEEN = dict.fromkeys(OTHERS, 404)

Body = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One page and method: POST where there is a `body`.

    `may` get `ok`; everybody else of the staff gets `refused`, unless `also` names another answer.
    `elsewhere` is what those who may get for a foreign or unknown thing; None: the page is about no
    single thing. `public` pages answer anyone.
    """

    path: Callable[[Any], str]
    may: frozenset[str] = ALL
    ok: int = 200
    body: Body | None = None
    refused: int = 403
    also: Mapping[str, int] = field(default_factory=dict)
    elsewhere: int | None = 404
    public: bool = False

    @property
    def method(self) -> str:
        return "post" if self.body else "get"

    def expected(self, role: str) -> int:
        if self.public:
            return self.ok
        if role in self.also:
            return self.also[role]
        return self.ok if role in self.may else self.refused

    def elsewhere_for(self, role: str) -> int:
        """What an unknown thing answers: to those who may not, what an own one does."""
        return self.elsewhere or self.ok if role in self.may else self.expected(role)


class Unknown:
    """A world whose every id exists nowhere."""

    def __getattr__(self, name: str) -> Any:
        if name == "memberships":
            return {"therapist": self.membership}
        key: Any = 999_999 if name == "job" else uuid4()
        return SimpleNamespace(pk=key, version=1, email="nobody@new.test")


def _about(name: str, attribute: str, *more: str, query: str = "") -> Callable[[Any], str]:
    return lambda world: page(name, getattr(world, attribute).pk, *more) + query


def _site(name: str, *args: Any, query: str = "") -> Callable[[Any], str]:
    return lambda world: page(name, *args) + query


def _nothing(world: Any) -> dict[str, Any]:
    return {}


Table = dict[tuple[str, str, str], Row]


def _panel(
    name: str,
    attribute: str,
    *,
    reads: frozenset[str],
    adds: frozenset[str] = NOBODY,
    changes: frozenset[str] = NOBODY,
    removes: frozenset[str] = NOBODY,
    may_add_somewhere: frozenset[str] = NOBODY,
    blind: frozenset[str] = NOBODY,
    new: Body = _nothing,
    changed: Body = _nothing,
) -> Table:
    """The pages that every table has.

    `may_add_somewhere` may open the form, but not for this; `blind` read the list, but this row is
    not in it.
    """
    unseen = dict.fromkeys(blind, 404)

    def hidden(allowed: frozenset[str]) -> dict[str, int]:
        return dict.fromkeys(blind & allowed, 404)

    def post(body: Body) -> Body:
        return lambda world: {"_save": "1", **body(world)}

    def on(what: str) -> Callable[[Any], str]:
        return _about(f"{name}_{what}", attribute)

    rows: Table = {
        ("changelist", "get", ""): Row(_site(f"{name}_changelist"), reads, elsewhere=None),
        ("add", "get", ""): Row(_site(f"{name}_add"), adds | may_add_somewhere, elsewhere=None),
        ("add", "post", ""): Row(_site(f"{name}_add"), adds, 302, post(new), elsewhere=None),
        ("change", "get", ""): Row(on("change"), reads - blind, also=unseen),
        ("change", "post", ""): Row(
            on("change"), changes - blind, 302, post(changed), also=hidden(changes)
        ),
        ("delete", "get", ""): Row(on("delete"), removes - blind, also=hidden(removes)),
        ("delete", "post", ""): Row(
            on("delete"),
            removes - blind,
            302,
            lambda world: {"post": "yes"},
            also=hidden(removes),
        ),
        ("history", "get", ""): Row(
            on("history"),
            MANAGERS & reads,
            refused=404,
            also=dict.fromkeys(reads - blind - MANAGERS, 403),
        ),
    }
    return {(f"{name}_{what}", method, kind): row for (what, method, kind), row in rows.items()}


def _read(world: Any, attribute: str, **values: Any) -> dict[str, Any]:
    return {"version_read": getattr(world, attribute).version, **values}


def _step(verb: str, status: str, may: frozenset[str]) -> Table:
    """A move's page and its button, for a visit in that status."""
    name = "appointments_appointment_move"

    def path(world: Any) -> str:
        visit = uuid4() if isinstance(world, Unknown) else visit_in(world, status).pk
        return page(name, visit, verb)

    def body(world: Any) -> dict[str, Any]:
        return {"version": 1, "reason": "because"}

    also = dict.fromkeys(ALL - VISIT_READERS, 404)
    return {
        (name, "get", verb): Row(path, may, also=also),
        (name, "post", verb): Row(path, may, 302, body, also=also),
    }


def _visit_page(what: str, may: frozenset[str], visit: str, body: Body) -> Table:
    path = _about(f"appointments_appointment_{what}", visit)
    also = dict.fromkeys(ALL - VISIT_READERS, 404)
    name = f"appointments_appointment_{what}"
    return {
        (name, "get", ""): Row(path, may, also=also),
        (name, "post", ""): Row(
            path,
            may,
            302,
            lambda world: {"version": getattr(world, visit).version, **body(world)},
            also=also,
        ),
    }


def _button(
    name: str, attribute: str, may: frozenset[str], *, ok: int = 302, refused: int = 403
) -> Table:
    """Pages that only take a POST."""
    path = _about(name, attribute)
    return {
        (name, "get", ""): Row(path, NOBODY, refused=405, elsewhere=405),
        (name, "post", ""): Row(path, may, ok, _nothing_posted, refused=refused),
    }


def _on_version(
    name: str,
    attribute: str,
    may: frozenset[str] = MANAGERS,
    *,
    also: Mapping[str, int] | None = None,
) -> Table:
    """A button that posts the version that it was drawn for."""
    path = _about(name, attribute)
    return {
        (name, "get", ""): Row(path, NOBODY, refused=405, elsewhere=405),
        (name, "post", ""): Row(
            path,
            may,
            302,
            lambda world: {"version": getattr(getattr(world, attribute), "version", 0)},
            also=also or {},
        ),
    }


def _nothing_posted(world: Any) -> dict[str, Any]:
    return {"version": 0}


TABLE: Table = {
    # The site itself
    ("index", "get", ""): Row(_site("index"), elsewhere=None),
    # The theme's own search is closed: the sidebar is the way.
    ("search", "get", ""): Row(
        _site("search", query="?s=pat"), NOBODY, refused=404, elsewhere=None
    ),
    ("login", "get", ""): Row(_site("login"), ok=302, elsewhere=None, public=True),
    ("logout", "get", ""): Row(_site("logout"), ok=405, elsewhere=None, public=True),
    ("logout", "post", ""): Row(
        _site("logout"), ok=302, body=_nothing, elsewhere=None, public=True
    ),
    ("clinic_switch", "get", ""): Row(_site("clinic_switch"), elsewhere=None),
    ("clinic_switch", "post", ""): Row(
        _site("clinic_switch"), ok=302, body=lambda world: {"clinic": world.clinic.pk}
    ),
    ("password_change", "get", ""): Row(_site("password_change"), ok=302, elsewhere=None),
    ("password_change", "post", ""): Row(
        _site("password_change"), ok=302, body=_nothing, elsewhere=None
    ),
    ("password_change_done", "get", ""): Row(_site("password_change_done"), elsewhere=None),
    ("autocomplete", "get", ""): Row(
        _site(
            "autocomplete", query="?app_label=clinics&model_name=room&field_name=location&term=a"
        ),
        elsewhere=None,
    ),
    ("jsi18n", "get", ""): Row(_site("jsi18n"), elsewhere=None),
    # No row has a page of its own outside: all alike are not there.
    ("view_on_site", "get", ""): Row(
        lambda world: page("view_on_site", 1, world.patient.pk), NOBODY, refused=404
    ),
    ("app_list", "get", ""): Row(_site("app_list", "clinics"), ok=302, elsewhere=None),
    # Visits: read, and moved by their steps; never changed or deleted as rows
    **_panel(
        "appointments_appointment",
        "visit",
        reads=VISIT_READERS,
        adds=VISIT_BOOKERS,
        may_add_somewhere=OTHERS,
        new=visit_form,
    ),
    **_step("approve", "PENDING", VISIT_BOOKERS),
    **_step("confirm", "SCHEDULED", VISIT_BOOKERS),
    **_step("check_in", "CONFIRMED", ARRIVALS),
    **_step("start", "CHECKED_IN", TREATERS),
    **_step("complete", "IN_PROGRESS", TREATERS),
    **_step("no_show", "SCHEDULED", VISIT_BOOKERS),
    **_step("cancel", "SCHEDULED", VISIT_BOOKERS),
    **_visit_page(
        "reschedule",
        VISIT_BOOKERS,
        "visit",
        lambda world: {
            "day": "2035-06-04",
            "time": "11:30",
            "minutes": 30,
            "doctor": world.doctor.pk,
            "location": world.location.pk,
        },
    ),
    **_visit_page("edit", VISIT_BOOKERS, "visit", lambda world: {"priority": "HIGH"}),
    **_visit_page("undo", VISIT_BOOKERS, "confirmed", lambda world: {"reason": "because"}),
    # The calendar
    **_panel("appointments_busytime", "hold", reads=HOURS_READERS, blind=OTHERS),
    **_button("appointments_busytime_release", "hold", VISIT_BOOKERS, refused=404),
    **_panel(
        "clinics_scheduletemplate",
        "template",
        reads=HOURS_READERS,
        adds=HOURS_WRITERS - OTHERS,
        may_add_somewhere=OTHERS,
        changes=HOURS_WRITERS,
        removes=HOURS_WRITERS,
        blind=OTHERS,
        new=template_form,
        changed=lambda world: _read(world, "template", **template_form(world)),
    ),
    **_panel(
        "clinics_scheduleexception",
        "exception",
        reads=HOURS_READERS,
        adds=HOURS_WRITERS - OTHERS,
        may_add_somewhere=OTHERS,
        removes=HOURS_WRITERS,
        blind=OTHERS,
        new=exception_form,
    ),
    **_panel(
        "clinics_doctor",
        "doctor",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        new=new_doctor_form,
        changed=lambda world: _read(world, "doctor", **doctor_form(world)),
    ),
    ("clinics_doctor_hours", "get", ""): Row(
        _about("clinics_doctor_hours", "doctor"), HOURS_READERS - OTHERS
    ),
    ("clinics_doctor_hours", "post", ""): Row(
        _about("clinics_doctor_hours", "doctor"), TREATERS, 302, week_form
    ),
    # Arrival
    **_panel(
        "checkin_checkinlocation",
        "point",
        reads=PLACES_READERS,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=point_form,
        changed=lambda world: _read(world, "point", **point_form(world)),
    ),
    **_on_version("checkin_checkinlocation_turn", "point"),
    **_panel(
        "checkin_checkindevice", "scanner", reads=PLACES_READERS, adds=MANAGERS, new=device_form
    ),
    **_on_version("checkin_checkindevice_renew", "scanner"),
    **_on_version("checkin_checkindevice_revoke", "scanner"),
    **_panel("checkin_checkinalert", "alert", reads=PLACES_READERS),
    **_on_version("checkin_checkinalert_see", "alert"),
    **_panel("checkin_checkin", "arrival", reads=ARRIVALS),
    **_panel("checkin_checkinattempt", "attempt", reads=PLACES_READERS),
    **_panel("checkin_queueentry", "entry", reads=QUEUE_READERS, blind=OTHERS),
    # Continuing care
    **_panel("appointments_appointmentseries", "series", reads=VISIT_READERS),
    **_panel(
        "followups_followupplan",
        "plan",
        reads=PLAN_READERS,
        adds=PLAN_WRITERS,
        may_add_somewhere=OTHERS,
        changes=PLAN_WRITERS | OTHERS,
        blind=OTHERS,
        new=plan_form,
        changed=lambda world: _read(world, "plan", **plan_form(world)),
    ),
    ("followups_followupplan_cancel", "get", ""): Row(
        _about("followups_followupplan_cancel", "plan"), PLAN_WRITERS, also=_UNSEEN
    ),
    ("followups_followupplan_cancel", "post", ""): Row(
        _about("followups_followupplan_cancel", "plan"),
        PLAN_WRITERS,
        302,
        lambda world: {"version": 1, "reason": "because"},
        also=_UNSEEN,
    ),
    **_panel("followups_contactattempt", "asked", reads=PLAN_READERS, blind=OTHERS),
    **_panel("followups_followupinvitation", "invitation", reads=PLAN_READERS, blind=OTHERS),
    **_on_version("followups_followupinvitation_withdraw", "invitation", CHASERS, also=_UNSEEN),
    **_panel(
        "followups_waitlistentry",
        "waiting",
        reads=WAITLIST,
        adds=VISIT_BOOKERS,
        may_add_somewhere=OTHERS,
        changes=WAITLIST,
        blind=OTHERS,
        new=entry_form,
        changed=lambda world: _read(world, "waiting", **entry_form(world)),
    ),
    **_on_version("followups_waitlistentry_withdraw", "waiting", VISIT_BOOKERS, also=_UNSEEN),
    **_panel("followups_waitlistopening", "opening", reads=WAITLIST, blind=OTHERS),
    **_panel("followups_waitlistoffer", "offer", reads=WAITLIST, blind=OTHERS),
    **_panel(
        "followups_carepolicy",
        "rules",
        reads=MANAGERS,
        adds=MANAGERS,
        changes=MANAGERS,
        new=first_rules_form,
        changed=lambda world: _read(world, "rules", **rules_form(world)),
    ),
    # The clinic and what stands in it
    **_panel(
        "clinics_clinic",
        "clinic",
        reads=MANAGERS,
        adds=INSTALLATION,
        changes=MANAGERS,
        new=lambda world: clinic_form("Third", "third") | {"admin_email": "third@new.test"},
        changed=lambda world: _read(world, "clinic", **clinic_form("Renamed", "renamed")),
    ),
    **_panel(
        "clinics_location",
        "location",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=location_form,
        changed=lambda world: _read(world, "location", **location_form(world)),
    ),
    **_panel(
        "clinics_room",
        "room",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=room_form,
        changed=lambda world: _read(world, "room", **room_form(world)),
    ),
    **_panel(
        "clinics_service",
        "service",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=service_form,
        changed=lambda world: _read(world, "service", **service_form(world)),
    ),
    # People
    **_panel(
        "clinics_patient",
        "patient",
        reads=ALL,
        adds=CHART_WRITERS,
        changes=CHART_WRITERS,
        new=patient_form,
        changed=lambda world: _read(world, "patient", **patient_form(world)),
    ),
    ("clinics_patient_merge", "get", ""): Row(
        lambda world: (
            page("clinics_patient_merge", world.patient.pk) + f"?duplicate={world.spare.pk}"
        ),
        CHART_WRITERS,
    ),
    ("clinics_patient_merge", "post", ""): Row(
        lambda world: (
            page("clinics_patient_merge", world.patient.pk) + f"?duplicate={world.spare.pk}"
        ),
        CHART_WRITERS,
        302,
        lambda world: {"kept_version": 1, "duplicate_version": 1, "reason": "because"},
    ),
    **_panel("appointments_patientmerge", "merge", reads=CHART_WRITERS),
    ("appointments_patientmerge_undo", "get", ""): Row(
        _about("appointments_patientmerge_undo", "merge"), CHART_WRITERS, refused=404
    ),
    ("appointments_patientmerge_undo", "post", ""): Row(
        _about("appointments_patientmerge_undo", "merge"),
        CHART_WRITERS,
        302,
        lambda world: {"reason": "because"},
        refused=404,
    ),
    **_panel(
        "clinics_patientproxy",
        "proxy",
        reads=CHART_WRITERS,
        adds=CHART_WRITERS,
        changes=CHART_WRITERS,
        removes=CHART_WRITERS,
        new=proxy_form,
        changed=lambda world: _read(world, "proxy", valid_until="2036-01-01"),
    ),
    **_panel(
        "clinics_membership",
        "membership",
        reads=MANAGERS,
        adds=MANAGERS,
        changes=MANAGERS,
        new=membership_form,
        changed=lambda world: _read(world, "membership", role="NURSE", is_active="on"),
    ),
    **_button("clinics_membership_invitation", "invited", MANAGERS, ok=200, refused=404),
    **_panel(
        "accounts_user",
        "nurse",
        reads=INSTALLATION,
        changes=INSTALLATION,
        changed=lambda world: {"given_name": "New", "locale": "en", "timezone": "UTC"},
    ),
    **_button("accounts_user_switch", "nurse", INSTALLATION, refused=404),
    **_panel("accounts_refreshsession", "session", reads=MANAGERS),
    **_button("accounts_refreshsession_sign_out", "session", MANAGERS, refused=404),
    # Files in and out: charts may be imported by who writes them, exported by who runs the clinic
    ("transfer_list", "get", ""): Row(_site("transfer_list"), CHART_WRITERS, elsewhere=None),
    ("transfer_new", "get", ""): Row(_site("transfer_new"), CHART_WRITERS, elsewhere=None),
    ("transfer_new", "post", ""): Row(
        _site("transfer_new"), CHART_WRITERS, 302, upload_form, elsewhere=None
    ),
    ("transfer_export", "get", ""): Row(_site("transfer_export"), EXPORTERS, elsewhere=None),
    ("transfer_export", "post", ""): Row(
        _site("transfer_export"),
        EXPORTERS,
        body=lambda world: {"clinic": world.clinic.pk, "kind": "hours", "file_format": "csv"},
        elsewhere=None,
    ),
    ("transfer_detail", "get", ""): Row(_about("transfer_detail", "checked"), CHART_WRITERS),
    ("transfer_columns", "get", ""): Row(_about("transfer_columns", "upload"), CHART_WRITERS),
    ("transfer_columns", "post", ""): Row(
        _about("transfer_columns", "upload"),
        CHART_WRITERS,
        302,
        lambda world: {
            "date_style": "iso",
            "country": "DE",
            "bad_lines": "stop",
            "mrn": "0",
            "given_name": "1",
            "family_name": "2",
        },
    ),
    ("transfer_progress", "get", ""): Row(_about("transfer_progress", "upload"), CHART_WRITERS),
    ("transfer_faults", "get", ""): Row(_about("transfer_faults", "checked"), CHART_WRITERS),
    ("transfer_run", "get", ""): Row(
        _about("transfer_run", "checked"), NOBODY, refused=405, elsewhere=405
    ),
    ("transfer_run", "post", ""): Row(
        _about("transfer_run", "checked"), CHART_WRITERS, 302, lambda world: {"bad_lines": "stop"}
    ),
    # There is nothing that waits for a worker, which is a clash, and seen by who may see it.
    **_button("transfer_continue", "upload", CHART_WRITERS, ok=409),
    **_button("transfer_discard", "upload", CHART_WRITERS),
    # The installation's machinery and the trail
    **_panel("core_outboxevent", "outbox", reads=INSTALLATION),
    **_button("core_outboxevent_retry", "outbox", INSTALLATION),
    **_panel(
        "django_celery_beat_periodictask",
        "job",
        reads=INSTALLATION,
        changes=INSTALLATION,
        changed=lambda world: {"enabled": "on"},
    ),
    **_button("django_celery_beat_periodictask_run", "job", INSTALLATION),
    **_panel("core_auditevent", "audit", reads=MANAGERS),
}
#: Tables that belong to no clinic: there is no foreign row in them.
SHARED = frozenset({"django_celery_beat_periodictask"})
