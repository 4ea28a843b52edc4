"""Cards, free times and the rows of the list as HTML.

Written here and not in a template because a board has some 1,400 of them: through the template
engine they take more than half of the time of the page, composed like this a tenth of it.
"""

from collections.abc import Sequence
from html import escape

from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from dashboard.board import Card, Free
from dashboard.listing import Row


def drawn(items: Sequence[Card | Free], key: str) -> SafeString:
    """The items of the column `key`, in their order; every text in them is escaped here."""
    icons = escape(static("dashboard/icons.svg"))
    urgent, free = escape(gettext("urgent")), escape(gettext("free"))
    parts = [
        _card(item, icons, urgent) if isinstance(item, Card) else _free(item, key, free)
        for item in items
    ]
    return mark_safe("".join(parts))  # noqa: S308 - what people wrote is escaped in the two below


def drawn_rows(rows: Sequence[Row]) -> SafeString:
    """The rows of the list; every text in them is escaped here."""
    icons = escape(static("dashboard/icons.svg"))
    return mark_safe("".join(_row(row, icons) for row in rows))  # noqa: S308 - escaped in `_row`


def _row(row: Row, icons: str) -> str:
    return (
        f'<tr class="{row.status}"><td class="nowrap">{row.time}'
        f'<span class="until"> – {row.until}</span></td><th scope="row"><a id="v{row.id}"'
        f' href="{escape(row.address)}" data-panel>{escape(row.name)}</a></th>'
        f"<td>{escape(row.doctor)}</td><td>{escape(row.service)}"
        f' <span class="muted">{escape(row.mode)}</span></td><td>'
        f'<span class="status {row.status}">{_icon(icons, row.status)} {escape(row.state)}</span>'
        "</td></tr>\n"
    )


def _icon(icons: str, name: str) -> str:
    return f'<svg class="icon" aria-hidden="true"><use href="{icons}#{name}"/></svg>'


def _card(card: Card, icons: str, urgent: str) -> str:
    movable = " data-movable" if card.movable else ""
    token = f' <b class="token">{escape(card.token)}</b>' if card.token else ""
    flag = f' <span class="flag">{urgent}</span>' if card.urgent else ""
    mode = f" {_icon(icons, card.mode)} {escape(card.mode_label)}" if card.mode else ""
    return (
        f'<a class="visit {card.status} {card.place} {card.service_class}" id="v{card.id}"'
        f' href="{escape(card.address)}" data-panel data-t="{card.minute}" data-v="{card.version}"'
        f'{movable}><span class="line">{_icon(icons, card.status)} <b>{card.time}</b>{token}{flag}'
        f' <span class="who" dir="auto">{escape(card.name)}</span></span> <span class="line">'
        f'<span class="what" dir="auto">{escape(card.service)}{mode}</span>'
        f' <span class="state">{escape(card.state)}</span></span></a>'
    )


def _free(item: Free, key: str, free: str) -> str:
    several = ""
    if item.remaining > 1:
        words = ngettext("%(n)s place", "%(n)s places", item.remaining) % {"n": item.remaining}
        several = f' <span class="room">{escape(words)}</span>'
    return (
        f'<a class="free {item.place}" id="{key}-{item.minute}" href="{escape(item.address)}"'
        f' data-panel data-t="{item.minute}"><span>{item.time}</span>{several}'
        f'<span class="unseen"> {free}</span></a>'
    )
