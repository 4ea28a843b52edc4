"""Every address of the installation."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from accounts import preferences
from accounts import views as accounts_pages
from accounts.api.urls import urlpatterns as accounts_urls
from appointments.api.urls import urlpatterns as appointments_urls
from backoffice.urls import urlpatterns as back_office_urls
from checkin.api.urls import urlpatterns as checkin_urls
from checkin.pages.urls import urlpatterns as checkin_pages
from clinics import views as clinics_pages
from clinics.api.urls import urlpatterns as clinics_urls
from core import views
from core.api import docs
from dashboard.urls import urlpatterns as desk_urls
from followups.api.urls import urlpatterns as followups_urls
from portal.urls import urlpatterns as portal_urls

urlpatterns: list[URLPattern | URLResolver] = [
    path("", clinics_pages.home, name="home"),
    path("start", clinics_pages.start, name="start"),
    path("sign-in", accounts_pages.sign_in, name="sign-in"),
    path("sign-out", accounts_pages.sign_out, name="sign-out"),
    path("welcome", accounts_pages.welcome, name="welcome"),
    path("account", preferences.account, name="account"),
    path("account/password", preferences.password, name="account-password"),
    path("language", preferences.language, name="language"),
    path("api/v1/", include(accounts_urls)),
    path("api/v1/", include(clinics_urls)),
    # Before the visits: checking one in is more than a step of its life.
    path("api/v1/", include(checkin_urls)),
    path("api/v1/", include(followups_urls)),
    path("api/v1/", include(appointments_urls)),
    path("desk", RedirectView.as_view(pattern_name="desk"), name="desk-door"),
    path("desk/", include(desk_urls)),
    path("", include(portal_urls)),
    path("", include(checkin_pages)),
    path("admin", RedirectView.as_view(pattern_name="admin:index"), name="back-office"),
    path("admin/", back_office_urls),
    re_path("^api/schema/?$", docs.Schema.as_view(), name="schema"),
    re_path("^api/docs/?$", docs.Swagger.as_view(), name="docs"),
    re_path("^api/docs/errors/?$", docs.errors, name="error-codes"),
    re_path("^api/redoc/?$", docs.Redoc.as_view(), name="redoc"),
    re_path("^health/?$", views.alive, name="health"),
    re_path("^health/detailed/?$", views.detailed, name="health-detailed"),
    # Our own page with DEBUG too, whose own would need inline styles.
    re_path("", views.not_found, name="not-found"),
]

handler400 = views.bad_request
handler403 = views.forbidden
handler404 = views.not_found
handler500 = views.server_error
