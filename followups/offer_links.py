"""Links that open an offer of a freed time, for whom it was offered, without an account."""

from typing import Final
from uuid import UUID

from core.signed import read, sign
from followups.models import WaitlistOffer

_OFFER: Final = "followups.offer-link"


def offer_link(offer: WaitlistOffer) -> str:
    """The part of an address that opens this offer (`/offer/<it>`). The same each time.

    Whoever has it may accept or decline the offer, and nothing else: hand it to the patient only.
    """
    return sign(_OFFER, offer.clinic_id, offer.id)


def offer_ids(token: str) -> tuple[UUID, UUID]:
    """The clinic and the offer of a link. Raises NOT_FOUND for what we have not signed."""
    return read(_OFFER, token)
