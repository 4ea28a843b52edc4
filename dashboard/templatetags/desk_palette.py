"""Commands for templates."""

from django import template

from dashboard.access import Desk
from dashboard.commands import Command, commands_of

register = template.Library()


@register.simple_tag
def desk_commands(desk: Desk) -> list[Command]:
    """What the person may do from anywhere at this desk."""
    return commands_of(desk)
