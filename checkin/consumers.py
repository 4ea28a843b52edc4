"""Live sockets of arrival: the board at `ws/queue/{location}`, one's own visits at `ws/me`."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from accounts.live import user_group
from accounts.roles import Permission
from appointments.models import Appointment
from appointments.services.links import visit_by_link
from checkin.device_auth import COOKIE
from checkin.feeds import Feed, feeds
from checkin.live import device_group, me_group
from checkin.models import CheckInDevice
from checkin.rules import is_on_day_of
from checkin.services.devices import device_by_token
from clinics.models import Location
from clinics.principal import Principal
from clinics.sockets import (
    FORBIDDEN,
    NOT_FOUND,
    SIGNED_OUT,
    LiveSocket,
    Proof,
    Refused,
    Socket,
    Standing,
)
from core import clock
from core.errors import KairosError

#: Who only sees tokens that hang on the wall: ended at once when told, and looked at so often.
_RECHECK_PATIENTS: Final = 60.0
_LINK: Final = "visit"
_DEVICE: Final = "device"


@dataclass(frozen=True, slots=True)
class Device(Proof):
    """A paired device's token."""

    token: str


@dataclass(frozen=True, slots=True)
class Link(Proof):
    """The token of a visit's personal link."""

    token: str


@dataclass(frozen=True, slots=True)
class AtBoard(Standing):
    """Somebody who may see the board of a location of `clinic`."""

    clinic: UUID | None = None


def _is_today(visit: Appointment) -> bool:
    return is_on_day_of(visit, clock.now())


class QueueSocket(Socket):
    """The board of a location, whole after each change: tokens, rooms and waits, never a name.

    For staff who may read its queue, a device of the location, and whoever has a visit there today.
    A location of a clinic that one has nothing to do with is refused like one that does not exist.
    """

    protocols = ("bearer", _DEVICE, _LINK)

    async def connect(self) -> None:
        self._feed: Feed | None = None
        self._whole_version = 0
        self._unsure = False
        await super().connect()

    # --- Who may ----------------------------------------------------------------------------------

    def proof(self, protocols: list[str], cookies: dict[str, str]) -> Proof:
        shown = protocols[1] if len(protocols) == 2 else ""
        if protocols[:1] == [_LINK]:
            return Link(shown)
        if protocols[:1] == [_DEVICE]:
            return Device(shown or cookies.get(COOKIE, ""))
        return super().proof(protocols, cookies)

    def standing_of(self, proof: Proof) -> Standing:
        if isinstance(proof, Device):
            return self._of_device(proof.token)
        if isinstance(proof, Link):
            return self._of_link(proof.token)
        return super().standing_of(proof)

    def standing(self, principal: Principal) -> Standing:
        clinic = Location.objects.filter(id=self._location).values_list("clinic_id", flat=True)
        here = clinic.first()
        if here is None or (here not in principal.clinics and not principal.is_super_admin):
            raise Refused(NOT_FOUND)
        asker = user_group(principal.user_id)
        if principal.may(Permission.QUEUE_READ, here) or principal.may_own(
            Permission.QUEUE_READ, here
        ):
            return AtBoard(asker, clinic=here)
        charts = principal.charts.get(here, frozenset())
        if not charts or not any(map(_is_today, self._visits(charts))):
            raise Refused(FORBIDDEN)
        return AtBoard(asker, recheck=_RECHECK_PATIENTS, clinic=here)

    def _of_device(self, token: str) -> Standing:
        try:
            device: CheckInDevice = device_by_token(token)
        except KairosError:
            raise Refused(SIGNED_OUT) from None
        if device.location_id != self._location:
            raise Refused(NOT_FOUND)
        return AtBoard(device_group(device.id), clinic=device.clinic_id)

    def _of_link(self, token: str) -> Standing:
        try:
            _, visit = visit_by_link(token)
        except KairosError:
            raise Refused(SIGNED_OUT) from None
        if visit.location_id != self._location:
            raise Refused(NOT_FOUND)
        if not _is_today(visit):
            raise Refused(FORBIDDEN)
        return AtBoard(
            me_group(visit.patient_id), recheck=_RECHECK_PATIENTS, clinic=visit.clinic_id
        )

    def _visits(self, charts: frozenset[UUID]) -> list[Appointment]:
        now = clock.now()
        return list(
            Appointment.objects.filter(
                patient_id__in=charts,
                location_id=self._location,
                starts_at__range=(now - timedelta(days=1), now + timedelta(days=1)),
            )
        )

    @property
    def _location(self) -> UUID:
        found: UUID = self.scope["url_route"]["kwargs"]["location"]
        return found

    # --- What they are told -----------------------------------------------------------------------

    def let_in(self) -> None:
        standing = self._standing
        if self._feed is None and isinstance(standing, AtBoard) and standing.clinic is not None:
            self._feed = feeds().join(self, self._location, standing.clinic)

    def leave(self) -> None:
        super().leave()
        if self._feed is not None:
            self._feed = None
            feeds().leave(self, self._location)

    def heard(self, group: str, changes: list[Any] | None) -> None:
        """The feed hears the queue for all."""

    def sure(self, hears: bool) -> None:
        """As the feed is."""

    async def tell(self) -> None:
        feed = self._feed
        if feed is None:
            return
        if feed.hears is False and not self._unsure:
            self._unsure = True
            await self.send_json({"type": "unsure"})
        if feed.version == self._version:
            return
        whole = feed.whole_version > self._version
        kind = "snapshot" if whole and feed.hears else "changed"
        if kind == "snapshot":
            self._unsure = False
        self._version = feed.version
        await self.send(text_data=feed.text(kind))


class MeSocket(LiveSocket):
    """Whoever is a patient, or acts for one, hears which of their visits changed."""

    def standing(self, principal: Principal) -> Standing:
        patients = principal.own_patients()
        if not patients:
            raise Refused(FORBIDDEN)
        return Standing(
            user_group(principal.user_id),
            frozenset(map(me_group, patients)),
            recheck=_RECHECK_PATIENTS,
        )
