"""What templates of the back office need."""

from collections.abc import Mapping
from uuid import UUID

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def named(names: Mapping[UUID, str], who: UUID | None) -> str:
    """The name behind an id that a trail keeps; nobody is the system itself."""
    if who is None:
        return _("the system")
    return names.get(who, str(who))
