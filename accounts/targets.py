"""Where a form leads afterwards: only to a page of ours."""

from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme


def own_page(request: HttpRequest, otherwise: str) -> str:
    """The address that the request's `next` names when it is ours, else the page `otherwise`."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    # A path, for a redirect takes a bare word for the name of a page.
    if wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return resolve_url(otherwise)
