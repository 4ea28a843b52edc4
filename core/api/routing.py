"""URLs of the API: a trailing slash is optional everywhere."""

from rest_framework.routers import SimpleRouter


class Router(SimpleRouter):
    """Routes of `Endpoint`s, with or without the slash at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"
        self.include_format_suffixes = False
