"""What arrival announces: that a queue, a patient's visits or a device changed. Never whose it is.

Whoever shows a queue is pushed it whole (`checkin.boards`); the others read again over HTTP.
"""

from uuid import UUID

from core import live


def queue_group(location: UUID) -> str:
    """Who shows the queue of the location listens to this."""
    return f"queue.{location.hex}"


def me_group(patient: UUID) -> str:
    """The patient, or who acts for them, listens to this."""
    return f"me.{patient.hex}"


def device_group(device: UUID) -> str:
    """The sockets of a paired device listen to this."""
    return f"device.{device.hex}"


def queue_changed(*, location: UUID, clinic: UUID, doctor: UUID | None = None) -> None:
    """Announce, once committed, that the queue of the location is another.

    `doctor` is whose part of it changed, None when it is everybody's.
    """
    change = {"clinic": str(clinic), "doctor": None if doctor is None else str(doctor)}
    live.announce(queue_group(location), change)


def patient_changed(patient: UUID, *, visit: UUID | None = None) -> None:
    """Announce, once committed, that something of the patient's visits changed; None: of any."""
    live.announce(me_group(patient), None if visit is None else {"visit": str(visit)})


def device_changed(device: UUID) -> None:
    """Announce, once committed, that the device's rights changed: its sockets ask again at once."""
    live.announce(device_group(device))
