"""A clinic whose scanner stands at the entrance, and pictures of codes for its camera."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter

from appointments.models import Appointment
from checkin.codes import Kind, code_of
from checkin.device_auth import COOKIE
from checkin.drawing import qr
from checkin.models import CheckInDevice
from checkin.services.devices import device_lend
from clinics.models import Clinic
from clinics.services.changes import apply_changes
from core import tenancy
from deploy.local.browser_libraries import ensure
from deploy.local.process import LaunchError
from tests.backoffice.browser.scene import Scene, build_scene
from tests.casts import build_patient
from tests.support.browser import FLAGS, Remote, chromium_path
from tests.support.browser_watch import watched_page

WIDTH, HEIGHT, FRAMES_A_SECOND = 640, 480, 5
#: What a refusal, a missing network and a revoked device make the browser's console say.
EXPECTED = (
    *(f"the server responded with a status of {status}" for status in (401, 404, 409, 410)),
    "net::ERR_INTERNET_DISCONNECTED",
    "net::ERR_FAILED",
)


@dataclass
class Entrance:
    """The clinic, its scanner, and visits that may be checked in now."""

    scene: Scene
    device: CheckInDevice
    token: str
    visits: list[Appointment]

    def code(self, visit: Appointment) -> str:
        """What the patient of the visit shows."""
        return code_of(Kind.PASS, clinic=visit.clinic_id, subject=visit.id)

    def arrived(self) -> list[Appointment]:
        """The visits that are checked in, in the order in which they were booked."""
        with tenancy.scope(tenancy.SYSTEM):
            kept = set(Appointment.objects.filter(status="CHECKED_IN").values_list("id", flat=True))
        return [visit for visit in self.visits if visit.id in kept]


def build_entrance(visits: int) -> Entrance:
    """A clinic that takes arrivals for so many visits of today, each of a patient of its own."""
    scene = build_scene()
    with tenancy.scope(tenancy.SYSTEM):
        apply_changes(
            Clinic,
            scene.cast.clinic.id,
            {"checkin_opens_minutes": 20 * 60},
            expected_version=None,
            action="test.changed",
        )
    clinic = scene.cast.clinic
    booked = []
    for number in range(visits):
        patient = build_patient(clinic, f"Given{number}", f"Family{number}")
        at = scene.today_at(12) + timedelta(minutes=30 * number)
        booked.append(scene.book(patient, at))
    with scene.acting() as by:
        device, token = device_lend(
            by=by, clinic=clinic, location=scene.cast.location, name="Entrance"
        )
    return Entrance(scene, device, token, booked)


@contextmanager
def scanner_page(
    browser: Any, base: str, entrance: Entrance, *, years_behind: int = 0, **options: Any
) -> Iterator[Any]:
    """The scanner's page, open; on a device whose clock may be years behind."""
    with watched_page(browser, base, expected=EXPECTED, **options) as page:
        if years_behind:
            page.add_init_script(
                "const now = Date.now;"
                f"Date.now = () => now() - {years_behind} * 365 * 24 * 3600 * 1000;"
            )
        page.context.add_cookies([{"name": COOKIE, "value": entrance.token, "url": base}])
        page.goto(f"{base}/scan/")
        yield page


def scan(page: Any, text: str) -> None:
    """A hand scanner: a burst of keys, then Enter."""
    page.evaluate(
        """text => {
            const press = (key) => document.body.dispatchEvent(
                new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
            for (const key of text) press(key);
            press("Enter");
        }""",
        text,
    )


def need_decoder() -> None:
    """The library that reads codes. Without it the test is skipped, but fails with CI=true."""
    try:
        ensure()
    except LaunchError as error:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            raise
        pytest.skip(f"no browser libraries: {error}")


# --- The camera ---------------------------------------------------------------------------------


def held_up(
    code: str, *, size: int, angle: int = 0, noise: int = 0, blur: float = 0, dark: bool = False
) -> Image.Image:
    """What the camera sees of a code, as we draw it, so many pixels wide: turned, on poor paper."""
    drawn = Image.open(io.BytesIO(qr.png(code))).convert("L")
    drawn = drawn.resize((size, size), Image.Resampling.LANCZOS)
    if dark:
        drawn = drawn.point(lambda value: 255 - value)
    drawn = drawn.rotate(angle, expand=True, fillcolor=120, resample=Image.Resampling.BICUBIC)
    seen = Image.new("L", (WIDTH, HEIGHT), 120)
    seen.paste(drawn, ((WIDTH - drawn.width) // 2 + 30, (HEIGHT - drawn.height) // 2 - 10))
    if blur:
        seen = seen.filter(ImageFilter.GaussianBlur(blur))
    if noise:
        seen = Image.blend(seen, Image.effect_noise((WIDTH, HEIGHT), noise), 0.3)
    return seen


def film(path: Path, pictures: Sequence[Image.Image], *, seconds: float = 1.2) -> Path:
    """A film of the pictures, one after the other, as Chromium's camera of tests reads it."""
    grey = b"\x80" * (WIDTH * HEIGHT // 2)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_A_SECOND}:1 Ip A1:1 C420\n".encode())
        for picture in pictures:
            frame = b"FRAME\n" + picture.convert("L").tobytes() + grey
            file.write(frame * round(seconds * FRAMES_A_SECOND))
    return path


@contextmanager
def filming(browser: Any, path: Path) -> Iterator[Any]:
    """A second Chromium, in the thread of the first, whose camera shows the film."""
    executor = browser.__dict__["_executor"]
    flags = [
        *FLAGS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    ]

    bare = browser.__dict__["_target"]
    chromium = executor.submit(
        bare.browser_type.launch, executable_path=chromium_path(), args=flags
    ).result()
    try:
        yield Remote(executor, chromium)
    finally:
        executor.submit(chromium.close).result()
