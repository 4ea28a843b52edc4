"""The addresses of the back office. Importing the panels registers them with the site."""

from backoffice import panels
from backoffice.navigation import NAVIGATION
from backoffice.site import site
from backoffice.transfer.urls import urlpatterns as transfer_urls

__all__ = ["NAVIGATION", "panels", "urlpatterns"]

site.mount("transfers/", transfer_urls)

urlpatterns = site.urls
