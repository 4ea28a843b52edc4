"""Who gets which answer, for every route and method. A route without a row fails the tests.

A row is walked as every role against the role's own clinic, a foreign one and one that does not
exist. What a foreign thing answers must be what an unknown thing answers, to the letter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SUPER = "super_admin"
PATIENT = "patient_user"
ADMIN = "clinic_admin"
STAFF = frozenset(
    {
        ADMIN,
        "receptionist",
        "doctor_user",
        "nurse",
        "therapist",
        "counselor",
        "pharmacist",
        "lab",
        "finance",
        "support",
    }
)
BOOKED = frozenset({"doctor_user", "therapist", "counselor"})
SIGNED_IN = STAFF | {PATIENT, SUPER}
MANAGERS = frozenset({ADMIN, SUPER})


@dataclass(frozen=True)
class Row:
    """One route and method.

    `path` and `body` are made from a cast: the role's own, a foreign one, or one whose ids exist
    nowhere. `may` get `ok`; everybody else who signed in gets `refused`. `elsewhere` is what those
    who may get for a foreign or unknown thing. `public` rows answer anyone, for any clinic.
    """

    path: Callable[[Any], str]
    may: frozenset[str] = SIGNED_IN
    ok: int = 200
    body: Callable[[Any], dict[str, Any]] | None = None
    refused: int = 403
    also_refused: tuple[tuple[str, int], ...] = ()
    elsewhere: int = 404
    public: bool = False

    def refusal(self, role: str) -> int:
        return dict(self.also_refused).get(role, self.refused)


def _clinic(path: str) -> Callable[[Any], str]:
    return lambda cast: f"clinics/{cast.clinic.id}{path}"


def _row(kind: str, name: str) -> Callable[[Any], str]:
    return lambda cast: f"{kind}/{getattr(cast, name).id}"


def _rows(kind: str, name: str, create: Callable[[Any], dict[str, Any]]) -> dict[Any, Row]:
    """The routes of rows that members read and managers write."""
    basename = {"clinic-locations": "clinic-location", "rooms": "room", "services": "service"}[kind]
    change: dict[str, Any] = {"body": lambda cast: {"name": "Changed"}}
    return {
        (f"{basename}-list", "get"): Row(
            lambda cast: f"{kind}?clinic={cast.clinic.id}", elsewhere=200
        ),
        (f"{basename}-list", "post"): Row(lambda cast: kind, MANAGERS, 201, create),
        (f"{basename}-detail", "get"): Row(_row(kind, name)),
        (f"{basename}-detail", "put"): Row(_row(kind, name), MANAGERS, **change),
        (f"{basename}-detail", "patch"): Row(_row(kind, name), MANAGERS, **change),
        (f"{basename}-detail", "delete"): Row(_row(kind, name), MANAGERS, 204),
    }


def _new_hours(cast: Any) -> dict[str, Any]:
    return {
        "location": cast.location.id,
        "doctor": cast.doctor.id,
        "weekday": 2,
        "start_time": "09:00",
        "end_time": "12:00",
    }


_HOURS_READERS = BOOKED | {ADMIN, "receptionist", SUPER}
_OTHERS_HOURS = (("therapist", 404), ("counselor", 404))
_HOURS_WRITERS = frozenset({ADMIN, "doctor_user", SUPER})
CHART_WRITERS = frozenset({ADMIN, "receptionist", "doctor_user", "nurse", SUPER})

TABLE: dict[tuple[str, str], Row] = {
    # Nobody's secrets are right here; what matters is that anyone may ask.
    ("auth-login", "post"): Row(
        lambda cast: "auth/login",
        ok=401,
        body=lambda cast: {"email": "nobody@example.test", "password": "wrong"},
        public=True,
    ),
    ("auth-refresh", "post"): Row(
        lambda cast: "auth/refresh", ok=401, body=lambda cast: {"refresh": "x"}, public=True
    ),
    ("session-logout", "post"): Row(lambda cast: "auth/logout", ok=204, elsewhere=204),
    ("user-me", "get"): Row(lambda cast: "users/me", elsewhere=200),
    ("user-me", "patch"): Row(
        lambda cast: "users/me", body=lambda cast: {"given_name": "New"}, elsewhere=200
    ),
    ("clinic-list", "get"): Row(lambda cast: "clinics", public=True),
    ("clinic-list", "post"): Row(
        lambda cast: "clinics",
        frozenset({SUPER}),
        201,
        lambda cast: {"name": "New", "slug": "new-clinic", "timezone": "UTC"},
    ),
    ("clinic-detail", "get"): Row(_clinic(""), public=True),
    ("clinic-detail", "put"): Row(_clinic(""), MANAGERS, body=lambda cast: {"name": "Changed"}),
    ("clinic-detail", "patch"): Row(_clinic(""), MANAGERS, body=lambda cast: {"name": "Changed"}),
    ("clinic-detail", "delete"): Row(_clinic(""), frozenset({SUPER}), 204),
    ("clinic-mine", "get"): Row(lambda cast: "clinics/mine", elsewhere=200),
    ("clinic-by-app-name", "get"): Row(
        lambda cast: f"clinics/by-app-name/{cast.clinic.slug}", public=True
    ),
    ("clinic-validate-app-name", "post"): Row(
        lambda cast: "clinics/validate-app-name",
        body=lambda cast: {"app_name": cast.clinic.slug},
        public=True,
    ),
    ("clinic-doctors", "get"): Row(_clinic("/doctors"), public=True),
    ("clinic-patients", "get"): Row(_clinic("/patients")),
    ("clinic-members", "get"): Row(_clinic("/members"), MANAGERS),
    ("clinic-members", "post"): Row(
        _clinic("/members"),
        MANAGERS,
        201,
        lambda cast: {"email": "new@example.test", "role": "NURSE"},
    ),
    ("clinic-member-destroy", "delete"): Row(
        lambda cast: f"clinics/{cast.clinic.id}/members/{cast.membership.id}", MANAGERS, 204
    ),
    ("doctor-list", "get"): Row(lambda cast: f"doctors?clinic={cast.clinic.id}", public=True),
    ("doctor-list", "post"): Row(
        lambda cast: "doctors",
        MANAGERS,
        201,
        lambda cast: {
            "clinic": cast.clinic.id,
            "user": cast.therapist.id,
            "display_name": "T. Herapist",
        },
    ),
    ("doctor-detail", "get"): Row(_row("doctors", "doctor"), public=True),
    ("doctor-detail", "put"): Row(
        _row("doctors", "doctor"), MANAGERS, body=lambda cast: {"max_daily_appointments": 9}
    ),
    ("doctor-detail", "patch"): Row(
        _row("doctors", "doctor"), MANAGERS, body=lambda cast: {"max_daily_appointments": 9}
    ),
    ("patient-list", "get"): Row(lambda cast: f"patients?clinic={cast.clinic.id}", elsewhere=200),
    ("patient-list", "post"): Row(
        lambda cast: "patients",
        CHART_WRITERS,
        201,
        lambda cast: {"clinic": cast.clinic.id, "given_name": "New"},
    ),
    ("patient-detail", "get"): Row(_row("patients", "patient")),
    ("patient-detail", "put"): Row(
        _row("patients", "patient"),
        CHART_WRITERS | {PATIENT},
        body=lambda cast: {"phone": "030 901820"},
    ),
    ("patient-detail", "patch"): Row(
        _row("patients", "patient"),
        CHART_WRITERS | {PATIENT},
        body=lambda cast: {"phone": "030 901820"},
    ),
    ("schedule-template-list", "get"): Row(
        lambda cast: f"schedule-templates?clinic={cast.clinic.id}", _HOURS_READERS, elsewhere=200
    ),
    ("schedule-template-list", "post"): Row(
        lambda cast: "schedule-templates", _HOURS_WRITERS, 201, _new_hours
    ),
    ("schedule-template-detail", "get"): Row(
        _row("schedule-templates", "template"),
        _HOURS_READERS - {"therapist", "counselor"},
        also_refused=_OTHERS_HOURS,
    ),
    ("schedule-template-detail", "put"): Row(
        _row("schedule-templates", "template"),
        _HOURS_WRITERS,
        body=lambda cast: {"end_time": "13:00"},
        also_refused=_OTHERS_HOURS,
    ),
    ("schedule-template-detail", "patch"): Row(
        _row("schedule-templates", "template"),
        _HOURS_WRITERS,
        body=lambda cast: {"end_time": "13:00"},
        also_refused=_OTHERS_HOURS,
    ),
    ("schedule-template-detail", "delete"): Row(
        _row("schedule-templates", "template"), _HOURS_WRITERS, 204, also_refused=_OTHERS_HOURS
    ),
    **_rows(
        "clinic-locations",
        "location",
        lambda cast: {"clinic": cast.clinic.id, "name": "New", "timezone": "UTC"},
    ),
    **_rows("rooms", "room", lambda cast: {"location": cast.location.id, "name": "New"}),
    **_rows(
        "services",
        "service",
        lambda cast: {"clinic": cast.clinic.id, "name": "New", "duration_minutes": 20},
    ),
}
