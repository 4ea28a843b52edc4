"""What open sockets of a user are told: ask again who I am and what I may do."""

from uuid import UUID

from core import live


def user_group(user_id: UUID) -> str:
    """The group that every socket of the user listens to."""
    return f"user.{user_id.hex}"


def rights_changed(user_id: UUID) -> None:
    """After the commit the user's open sockets read session and rights again.

    They do so every few seconds anyway; this makes it at once.
    """
    live.announce(user_group(user_id))
