"""Our own pages at three sizes: axe has nothing to say of them, and none is wider than a phone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from appointments.models import Appointment, Verb
from appointments.services.leave import exception_create
from appointments.services.merging import patients_merge
from appointments.services.status import appointment_move
from backoffice.models import Transfer
from checkin.models import CheckInAlert, CheckInDevice, CheckInLocation
from checkin.services.devices import device_make
from checkin.services.points import point_make
from clinics.models import ExceptionKind, ScheduleException
from core import tenancy
from tests.backoffice.browser.conftest import LAPTOP, PHONE, WALL, Desk
from tests.backoffice.browser.scene import CLINIC, Scene, second_clinic
from tests.backoffice.care_rows import (
    attempt_made,
    invitation_made,
    offer_made,
    opening_made,
    plan_made,
    series_made,
    waiting_made,
)
from tests.casts import build_patient
from tests.support.axe import violations
from tests.support.browser import expect

pytestmark = pytest.mark.chromium
#: What is ours inside the theme's frame.
OURS = (".bo", ".bo-tools", ".bo-section", ".bo-hint", ".bo-button")
#: Lists, and forms without buttons of ours, are the theme's alone: looked at for their width only.
_THEMES = (
    "appointments",
    "device-new",
    "queue",
    "list-checkin",
    "list-checkinattempt",
    "list-checkinlocation",
    "list-checkindevice",
    "list-checkinalert",
    "contact",
    "offer",
    "plan-new",
    "wait-new",
    "rules-new",
    "list-followupplan",
    "list-followupinvitation",
    "list-contactattempt",
    "list-waitlistentry",
    "list-waitlistopening",
    "list-waitlistoffer",
)
THEIRS = frozenset({*_THEMES, *(f"dark-{name}" for name in _THEMES)})
#: A register with a good line and a bad one.
REGISTER = (
    "external_id,given_name,family_name,birth_date\nA1,Ngozi,Eze,1990-01-02\nA2,,,31.31.1990\n"
)


def row(kind: str, one: Any, page: str = "change") -> str:
    """The address of a row's page."""
    return reverse(f"admin:{kind}_{page}", args=[one.pk])


def _move(scene: Scene, visit: Appointment, *verbs: Verb, reason: str = "") -> None:
    with scene.acting() as by:
        for verb in verbs:
            appointment_move(appointment_id=visit.id, verb=verb, by=by, reason=reason)


def _busy_day(scene: Scene) -> list[Appointment]:
    """A visit in every state."""
    visits = [
        scene.book(scene.patients[number % 3], scene.today_at(12 + number)) for number in range(6)
    ]
    _move(scene, visits[0], Verb.CHECK_IN, Verb.START, Verb.COMPLETE)
    _move(scene, visits[1], Verb.CHECK_IN, Verb.START)
    _move(scene, visits[2], Verb.CHECK_IN)
    _move(scene, visits[3], Verb.NO_SHOW, reason="Did not come")
    _move(scene, visits[4], Verb.CANCEL, reason="Feels better")
    return visits


def _leave(scene: Scene) -> ScheduleException:
    """Days off with a visit in them."""
    scene.book(scene.patients[1], scene.today_at(10, days=1))
    away = scene.today_at(0, days=1).date()
    with scene.acting() as by:
        return exception_create(
            by=by,
            clinic=scene.cast.clinic,
            kind=ExceptionKind.LEAVE,
            doctor=scene.cast.doctor,
            start_date=away,
            end_date=away + timedelta(days=2),
        )


def _uploaded(scene: Scene) -> Transfer:
    """A file whose columns are to be chosen."""
    client = Client()
    client.force_login(scene.admin, "accounts.backends.EmailOrPhoneBackend")
    client.post(reverse("admin:clinic_switch"), {"clinic": str(scene.cast.clinic.id)})
    file = SimpleUploadedFile("register.csv", REGISTER.encode())
    answer = client.post(reverse("admin:transfer_new"), {"kind": "patients", "file": file})
    assert answer.status_code == 302, answer.content
    with tenancy.scope([scene.cast.clinic.id]):
        return Transfer.objects.get()


def _entrance(scene: Scene) -> tuple[CheckInLocation, CheckInDevice, CheckInAlert]:
    """An entrance, a scanner there, and something odd about it."""
    with scene.acting() as by:
        here = {"by": by, "clinic": scene.cast.clinic, "location": scene.cast.location}
        point = point_make(**here, name="Main entrance")
        device, _code = device_make(**here, kind="SCANNER", name="Scanner at the door")
        alert = CheckInAlert.objects.create(
            clinic=scene.cast.clinic,
            kind="MANY_REFUSALS",
            device=device,
            source_id=device.id,
            count=23,
            details={"codes": {"TOO_EARLY": 20, "QR_CODE_EXPIRED": 3}},
        )
    return point, device, alert


def _care(scene: Scene) -> dict[str, Any]:
    """A row of each table of continuing care, around today."""
    cast, today = scene.cast, scene.today_at(12).date()
    here = {"patient": scene.patients[0], "timezone": str(scene.zone)}
    soon = {"starts_at": scene.today_at(14, days=6), "ends_at": scene.today_at(14, 30, days=6)}
    with tenancy.scope(tenancy.SYSTEM):
        plan = plan_made(
            cast,
            "Bring the readings from home",
            patient=scene.patients[0],
            scheduled_for=today + timedelta(days=4),
        )
        series = series_made(cast, "Course of treatment", **here, start_date=today)
        Appointment.objects.filter(pk=scene.book(scene.patients[0], soon["starts_at"]).pk).update(
            series=series, series_sequence=2
        )
        waiting = waiting_made(cast, "Mornings", patient=scene.patients[1], earliest=today)
        opening = opening_made(cast, timezone=str(scene.zone), **soon)
        return {
            "plan": plan,
            "attempt": attempt_made(plan, "Left it with her daughter", by=scene.admin),
            "invitation": invitation_made(plan),
            "series": series,
            "waiting": waiting,
            "opening": opening,
            "offer": offer_made(opening, waiting),
        }


def _care_pages(scene: Scene) -> Iterator[tuple[str, str]]:
    """The pages of continuing care; the rules are made on the way."""
    yield "rules-new", reverse("admin:followups_carepolicy_add")
    made = _care(scene)
    yield "plan", row("followups_followupplan", made["plan"])
    yield "plan-new", reverse("admin:followups_followupplan_add")
    yield "plan-cancel", row("followups_followupplan", made["plan"], "cancel")
    yield "contact", row("followups_contactattempt", made["attempt"])
    yield "invitation", row("followups_followupinvitation", made["invitation"])
    yield "series", row("appointments_appointmentseries", made["series"])
    yield "list-series", reverse("admin:appointments_appointmentseries_changelist")
    yield "wait", row("followups_waitlistentry", made["waiting"])
    yield "wait-new", reverse("admin:followups_waitlistentry_add")
    yield "opening", row("followups_waitlistopening", made["opening"])
    yield "offer", row("followups_waitlistoffer", made["offer"])
    for table in (
        "followupplan",
        "contactattempt",
        "followupinvitation",
        "waitlistentry",
        "waitlistopening",
        "waitlistoffer",
        "carepolicy",
    ):
        yield f"list-{table}", reverse(f"admin:followups_{table}_changelist")


def tour(scene: Scene) -> Iterator[tuple[str, str]]:
    """Every page that has something of ours, by a name for its picture."""
    visits = _busy_day(scene)
    visit, doctor = visits[5], scene.cast.doctor
    chart, lists = scene.patients[0], "admin:appointments_appointment_changelist"
    twin = build_patient(scene.cast.clinic, "Amelia", "Okonkwo Lindqvist", phone="+4930901820009")
    gone = build_patient(scene.cast.clinic, "Chioma", "Adeyemi")
    with scene.acting() as by:
        merged = patients_merge(
            by=by, keep=scene.patients[2].id, duplicate=gone.id, reason="Entered twice"
        )
    leave, transfer = _leave(scene), _uploaded(scene)
    merge = row("clinics_patient", chart, "merge")
    yield "start", reverse("admin:index")
    yield "appointments", reverse(lists)
    yield "booking", reverse("admin:appointments_appointment_add")
    yield "visit", row("appointments_appointment", visit)
    yield "visit-done", row("appointments_appointment", visits[0])
    yield "visit-move", row("appointments_appointment", visit, "reschedule")
    yield "visit-edit", row("appointments_appointment", visit, "edit")
    yield "visit-undo", row("appointments_appointment", visits[0], "undo")
    yield (
        "visit-cancel",
        reverse("admin:appointments_appointment_move", args=[visit.pk, "cancel"]),
    )
    yield "visit-history", row("appointments_appointment", visits[0], "history")
    yield "patient", row("clinics_patient", chart)
    yield "patient-merge", merge
    yield "patient-merge-preview", f"{merge}?duplicate={twin.pk}"
    yield "merge", row("appointments_patientmerge", merged)
    yield "merge-undo", row("appointments_patientmerge", merged, "undo")
    yield "doctor", row("clinics_doctor", doctor)
    yield "hours", row("clinics_doctor", doctor, "hours")
    yield "leave", row("clinics_scheduleexception", leave)
    yield "member", row("clinics_membership", scene.cast.membership)
    yield "trail", reverse("admin:core_auditevent_changelist") + "?patient=Nobody"
    yield "transfers", reverse("admin:transfer_list")
    yield "transfer-new", reverse("admin:transfer_new")
    yield "transfer-columns", row("transfer", transfer, "columns")
    yield "transfer", row("transfer", transfer, "detail")
    yield "transfer-export", reverse("admin:transfer_export")
    point, device, alert = _entrance(scene)
    yield "place", row("checkin_checkinlocation", point)
    yield "device-new", reverse("admin:checkin_checkindevice_add")
    yield "device", row("checkin_checkindevice", device)
    yield "alert", row("checkin_checkinalert", alert)
    yield "arrival", row("checkin_checkin", visits[2])
    yield "queue", reverse("admin:checkin_queueentry_changelist")
    for table in ("checkin", "checkinattempt", "checkinlocation", "checkindevice", "checkinalert"):
        yield f"list-{table}", reverse(f"admin:checkin_{table}_changelist")
    yield from _care_pages(scene)


def _faults(desk: Desk, name: str) -> list[str]:
    """What is wrong with the open page; the picture of it is kept."""
    desk.shot(name)
    found = [] if name in THEIRS else [str(one) for one in violations(desk.page, OURS)]
    if desk.page.viewport_size["width"] == PHONE[0]:
        found += [_wider_than_the_window(desk.page)]
    return [f"{name}: {fault}" for fault in found if fault]


def _wider_than_the_window(page: Any) -> str:
    """How much the page could be scrolled sideways, and what sticks out; nothing when it fits."""
    found: str = page.evaluate(
        """() => {
            const room = document.documentElement.clientWidth;
            const over = document.documentElement.scrollWidth - room;
            if (over <= 0) return "";
            const out = [...document.body.querySelectorAll("*")]
                .filter((one) => one.getBoundingClientRect().right > room + 1)
                .map((one) => `${one.tagName.toLowerCase()}.${one.className}`.slice(0, 80));
            return `${over} px too wide: ${out.slice(0, 5).join(" | ")}`;
        }"""
    )
    return found


@pytest.mark.parametrize("size", [PHONE, LAPTOP, WALL], ids=["phone", "laptop", "wall"])
def test_our_pages_are_accessible_and_fit(desk: Desk, size: tuple[int, int]):
    page, scene = desk.page, desk.scene
    second_clinic(scene)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    desk.open(reverse("admin:clinic_switch"))
    faults = _faults(desk, "switch")
    page.get_by_role("button", name=CLINIC).click()
    expect(page.locator(".bo-about")).to_contain_text(CLINIC)
    for name, path in tour(scene):
        answer = desk.open(path)
        if answer.status != 200:
            faults.append(f"{name}: {answer.status}")
            continue
        faults += _faults(desk, name)
    assert faults == [], "\n".join(faults)


def test_our_pages_are_accessible_in_the_dark(desk: Desk):
    page = desk.page
    page.emulate_media(color_scheme="dark")
    page.context.add_init_script("localStorage.setItem('_x_adminTheme', JSON.stringify('dark'))")
    faults = []
    for name, path in tour(desk.scene):
        desk.open(path)
        expect(page.locator("html.dark")).to_be_attached()
        faults += _faults(desk, f"dark-{name}")
    assert faults == [], "\n".join(faults)
