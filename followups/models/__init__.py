"""The tables of continuing care: plans and how they are chased, the waitlist, the rules."""

from followups.models.plans import (
    MAX_ITEM_LENGTH,
    MAX_ITEMS,
    UNANSWERED,
    WAITING,
    ContactAttempt,
    ContactChannel,
    ContactOutcome,
    FollowUpInvitation,
    FollowUpPlan,
    FollowUpType,
    InvitationStatus,
    PlanStatus,
)
from followups.models.policy import (
    CarePolicy,
)
from followups.models.waitlist import (
    OfferStatus,
    OpeningCause,
    OpeningStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)

__all__ = [
    "MAX_ITEMS",
    "MAX_ITEM_LENGTH",
    "UNANSWERED",
    "WAITING",
    "CarePolicy",
    "ContactAttempt",
    "ContactChannel",
    "ContactOutcome",
    "FollowUpInvitation",
    "FollowUpPlan",
    "FollowUpType",
    "InvitationStatus",
    "OfferStatus",
    "OpeningCause",
    "OpeningStatus",
    "PlanStatus",
    "WaitlistEntry",
    "WaitlistOffer",
    "WaitlistOpening",
    "WaitlistStatus",
]
