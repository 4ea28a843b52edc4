"""What the scanner says, in its page's language; it has to say it with the network down too."""

from django.utils.translation import gettext as _

from core.errors import ErrorCode

#: How a refusal looks and sounds; every other one is "bad".
TONES = {
    ErrorCode.ALREADY_CHECKED_IN: "info",
    ErrorCode.MULTIPLE_APPOINTMENTS: "ask",
    ErrorCode.TOO_EARLY: "warn",
    ErrorCode.TOO_LATE: "warn",
    ErrorCode.WRONG_LOCATION: "warn",
    ErrorCode.APPOINTMENT_EXPIRED: "warn",
    ErrorCode.VIDEO_APPOINTMENT: "warn",
    ErrorCode.OUTSIDE_GEOFENCE: "warn",
    ErrorCode.LOCATION_INACTIVE: "warn",
    ErrorCode.QR_CODE_EXPIRED: "warn",
}


def scan_words() -> dict[str, object]:
    """`codes`: for each error code its title, what to do next, and its tone; `texts`: the rest.

    `{…}` in a text is filled in by the page.
    """
    hints = _hints()
    return {
        "codes": {
            code.value: {
                "title": str(code.label),
                "hint": hints.get(code, ""),
                "tone": TONES.get(code, "bad"),
            }
            for code in ErrorCode
        },
        "texts": _texts(),
    }


def _hints() -> dict[ErrorCode, str]:
    return {
        ErrorCode.NO_APPOINTMENT_FOUND: _("Look the patient up at the desk."),
        ErrorCode.APPOINTMENT_NOT_FOUND: _("Look the patient up at the desk."),
        ErrorCode.ALREADY_CHECKED_IN: _("There is nothing more to do."),
        ErrorCode.WRONG_LOCATION: _("The visit is at another location of the clinic."),
        ErrorCode.APPOINTMENT_EXPIRED: _("The visit was on another day. The desk can help."),
        ErrorCode.TOO_EARLY: _("Please scan it again later."),
        ErrorCode.TOO_LATE: _("The desk can still check the patient in."),
        ErrorCode.INVALID_QR_CODE: _("Scan the code of the visit, from its confirmation."),
        ErrorCode.QR_CODE_EXPIRED: _("Open the visit once more, and scan the code it shows now."),
        ErrorCode.LOCATION_INACTIVE: _("Send the patient to the desk."),
        ErrorCode.OUTSIDE_GEOFENCE: _("Send the patient to the desk."),
        ErrorCode.VIDEO_APPOINTMENT: _("The patient joins by video, from their own device."),
        ErrorCode.INVALID_TRANSITION: _("The visit was cancelled, or is over. The desk can help."),
        ErrorCode.MULTIPLE_APPOINTMENTS: _("Choose one, or check in all."),
        ErrorCode.IDEMPOTENCY_MISMATCH: _("Scan it once more."),
        ErrorCode.VALIDATION_ERROR: _("Scan it once more."),
        ErrorCode.DEVICE_REVOKED: _("Pair this device again. What waits is kept until then."),
    }


def _texts() -> dict[str, str]:
    return {
        "checkedIn": _("Checked in"),
        "which": _("Which appointment?"),
        "all": _("Check in all"),
        "opensAt": _("Check-in opens at {time}."),
        "closedAt": _("Check-in closed at {time}. The desk can still check the patient in."),
        "otherPlace": _("The visit is at {location}."),
        "place": _("Place {place} in the queue"),
        "wait": _("Waits {from}–{to} minutes"),
        "kept": _("Saved"),
        "keptHint": _("No connection. It is sent as soon as there is one."),
        "waits": _("Waiting to send"),
        "scannedAt": _("Scanned at {time}"),
        "sending": _("Checking …"),
        "dismiss": _("Done"),
        "online": _("Connected"),
        "offline": _("No connection"),
        "camera": _("Camera {number}"),
        "starting": _("The camera is starting …"),
        "off": _("The camera is off."),
        "refused": _(
            "The browser does not let this page use the camera. Allow it in the address bar, then"
            " try again. A hand scanner and the field below work without it."
        ),
        "missing": _("There is no camera. Use a hand scanner, or the field below."),
        "busy": _("The camera is in use by another program. Close it there, then try again."),
        "insecure": _("A camera works only over HTTPS. Use a hand scanner, or the field below."),
        "noDecoder": _(
            "This installation cannot read codes with the camera. Use a hand scanner, or the"
            " field below."
        ),
        "noChoice": _("No connection. Press it once more."),
    }
