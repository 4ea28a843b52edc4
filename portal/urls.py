"""Addresses of the patients' pages."""

from django.urls import path

from portal.views import (
    arrival,
    booking,
    clinic,
    followups,
    mine,
    offers,
    times,
    visits,
    waitlist,
)

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
    path("my/follow-ups", followups.mine, name="portal-my-follow-ups"),
    path("my/follow-ups/<uuid:plan>", followups.choose, name="portal-my-follow-up-time"),
    path("my/waitlist", waitlist.mine, name="portal-my-waitlist"),
    path("my/waitlist/at/<slug:slug>", waitlist.new, name="portal-my-wish"),
    path("my/waitlist/<uuid:entry>/withdraw", waitlist.withdraw, name="portal-my-wish-withdraw"),
    path("my/<uuid:visit>/earlier", visits.owned(waitlist.earlier), name="portal-my-earlier"),
    *(
        path(f"my/<uuid:visit>{end}", visits.owned(view), name=f"portal-my-{name}")
        for end, name, view in _PAGES
    ),
    *(
        path(f"visit/<str:token>{end}", visits.linked(view), name=f"portal-{name}")
        for end, name, view in _PAGES
    ),
    *(
        path(f"offer/<str:token>{end}", offers.offered(view), name=f"portal-offer{name}")
        for end, name, view in (
            ("", "", offers.show),
            ("/accept", "-accept", offers.accept),
            ("/decline", "-decline", offers.decline),
            ("/visit.ics", "-file", offers.file),
        )
    ),
    *(
        path(f"follow-up/<str:token>{end}", followups.invited(view), name=f"portal-follow-up{name}")
        for end, name, view in (
            ("", "", followups.show),
            ("/accept", "-accept", followups.accept),
            ("/decline", "-decline", followups.decline),
            ("/visit.ics", "-file", followups.file),
        )
    ),
]
