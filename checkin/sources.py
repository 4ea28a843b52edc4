"""Whence a scan comes, and what it may therefore ask for."""

from dataclasses import dataclass
from uuid import UUID

from checkin.models import CheckInDevice, SourceKind
from clinics.principal import Principal


@dataclass(frozen=True, slots=True)
class Source:
    """A device, somebody of the staff, a patient, or somebody who has proven a visit or a phone.

    Nonces are unique within `id`. `location_id` is where the source stands, for a device; staff and
    patients stand nowhere in particular. Only devices and staff are believed when they say that
    something was some time ago, and see names.
    """

    kind: SourceKind
    id: UUID
    principal: Principal | None = None
    device: CheckInDevice | None = None
    location_id: UUID | None = None

    @property
    def is_trusted(self) -> bool:
        """Whether the clinic itself is at work, and not the patient."""
        return self.kind in {SourceKind.DEVICE, SourceKind.STAFF}

    @property
    def account(self) -> UUID | None:
        """The user to write down as who did it."""
        if self.device is not None or self.principal is None:
            return None
        return self.principal.account


def device_source(device: CheckInDevice) -> Source:
    """A paired device, which checks in at its own location."""
    return Source(SourceKind.DEVICE, device.id, device=device, location_id=device.location_id)


def staff_source(principal: Principal, *, location: UUID | None = None) -> Source:
    """Somebody who works here; `location` where they say that they stand."""
    return Source(SourceKind.STAFF, principal.user_id, principal=principal, location_id=location)


def patient_source(principal: Principal) -> Source:
    """Somebody signed in, for the charts they are or act for."""
    return Source(SourceKind.PATIENT, principal.user_id, principal=principal.as_patient())


def guest_source(principal: Principal) -> Source:
    """Somebody without an account who opened a personal link, or proved a phone number.

    `principal` is a guest with `visit_id`, or with charts; its `user_id` must stay the same for
    one phone, since nonces are counted by it.
    """
    return Source(SourceKind.GUEST, principal.user_id, principal=principal)
