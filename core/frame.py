"""Context processor: what the frame of every page is drawn from."""

from django.conf import settings
from django.http import HttpRequest

from core.theme import THEMES, theme_of


def page_frame(request: HttpRequest) -> dict[str, object]:
    """`page_theme`, and what the foot of the page offers: `page_themes` and `page_languages`.

    Languages are called by their own names: who cannot read the page finds theirs. Django's tag
    would translate them.
    """
    return {
        "page_theme": theme_of(request),
        "page_themes": THEMES,
        "page_languages": settings.LANGUAGES,
    }
