"""Names for the ids that trails and histories keep."""

from collections.abc import Iterable
from uuid import UUID

from accounts.models import User


def names_of(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """The users behind `ids`, by name. Who is in no row that is shown is not looked up."""
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    users = User.objects.filter(id__in=wanted).only("id", "given_name", "family_name", "email")
    return {user.id: user.full_name or user.email or str(user.id) for user in users}
