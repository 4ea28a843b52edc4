"""Tags of the patients' pages."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal import words

register = template.Library()


@register.simple_tag
def visit_status(status: str) -> SafeString:
    """A visit's status: its shape, its colour, and words for a patient."""
    return format_html(
        '<span class="visit-status visit-status-{}"><span aria-hidden="true">{}</span> {}</span>',
        status.lower().replace("_", "-"),
        words.MARK[status],
        words.STATUS[status],
    )


@register.filter
def mode_words(mode: str) -> str:
    """How doctor and patient meet."""
    return str(words.MODE[mode])


@register.filter
def chosen(choices: list, default: object = None) -> object:
    """The choice that is in force, of a list of them."""
    return next((choice for choice in choices if choice.is_current), default)
