"""Tags of the patients' pages."""

from django import template
from django.utils.dates import WEEKDAYS
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal import words

register = template.Library()


@register.simple_tag
def visit_status(status: str) -> SafeString:
    """A visit's status: its shape, its colour, and words for a patient."""
    return _marked(status, words.STATUS[status])


@register.simple_tag
def plan_status(status: str) -> SafeString:
    """How a follow-up plan stands, in the same looks."""
    said, look = words.PLAN[status]
    return _marked(look, said)


@register.simple_tag
def wish_status(status: str) -> SafeString:
    """How an entry of the waitlist stands, in the same looks."""
    said, look = words.WISH[status]
    return _marked(look, said)


def _marked(look: str, said: object) -> SafeString:
    return format_html(
        '<span class="visit-status visit-status-{}"><span aria-hidden="true">{}</span> {}</span>',
        look.lower().replace("_", "-"),
        words.MARK[look],
        said,
    )


@register.filter
def weekdays(days: list[int]) -> str:
    """ISO weekdays by their names."""
    return ", ".join(str(WEEKDAYS[day - 1]) for day in days)


@register.filter
def mode_words(mode: str) -> str:
    """How doctor and patient meet."""
    return str(words.MODE[mode])


@register.filter
def chosen(choices: list, default: object = None) -> object:
    """The choice that is in force, of a list of them."""
    return next((choice for choice in choices if choice.is_current), default)
