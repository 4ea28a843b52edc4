"""Addresses of the patients' pages."""

from django.urls import path

from portal.views import arrival, booking, clinic, mine, times, visits

_PAGES = (
    ("", "visit", visits.show),
    ("/confirm", "confirm", visits.confirm),
    ("/cancel", "cancel", visits.cancel),
    ("/move", "move", visits.move),
    ("/visit.ics", "file", visits.file),
    ("/place", "place", arrival.place),
    ("/pass.svg", "pass", arrival.pass_svg),
    ("/pass.png", "pass-picture", arrival.pass_png),
)

urlpatterns = [
    path("c/<slug:slug>", clinic.clinic, name="portal-clinic"),
    path("c/<slug:slug>/brand.css", clinic.brand, name="portal-brand"),
    path("c/<slug:slug>/brand-<slug:shade>.css", clinic.brand, name="portal-brand-shade"),
    path("c/<slug:slug>/release", times.release, name="portal-release"),
    path("c/<slug:slug>/<uuid:service>", times.times, name="portal-times"),
    path("c/<slug:slug>/<uuid:service>/hold", times.hold, name="portal-hold"),
    path("c/<slug:slug>/<uuid:service>/book", booking.details, name="portal-details"),
    path("my", mine.mine, name="portal-my"),
    *(
        path(f"my/<uuid:visit>{end}", visits.owned(view), name=f"portal-my-{name}")
        for end, name, view in _PAGES
    ),
    *(
        path(f"visit/<str:token>{end}", visits.linked(view), name=f"portal-{name}")
        for end, name, view in _PAGES
    ),
]
