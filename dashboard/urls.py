"""Addresses of the desk, under /desk/."""

from django.urls import URLPattern, URLResolver, path

from dashboard import converters  # noqa: F401 - the views' addresses use what it registers
from dashboard.views import (
    analytics,
    arrivals,
    booking,
    chain,
    day,
    inbox,
    leave,
    patients,
    printing,
    queue,
    queue_entry,
    recall,
    recall_plan,
    search,
    series,
    series_acts,
    visits,
    waitlist,
    waitlist_offers,
    walk_in,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", day.home, name="desk"),
    path("<slug:slug>/brand.css", day.brand, name="desk-brand"),
    path("<slug:slug>/brand-dark.css", day.brand, {"shade": "dark"}, name="desk-brand-dark"),
    path("<slug:slug>/day", day.board, name="desk-today"),
    path("<slug:slug>/day/<day:day>", day.board, name="desk-day"),
    path("<slug:slug>/day/<day:day>/columns", day.columns, name="desk-columns"),
    path("<slug:slug>/week/<day:day>", day.week, name="desk-week"),
    path("<slug:slug>/week/<day:day>/columns", day.week_columns, name="desk-week-columns"),
    *(
        path(f"<slug:slug>/{pattern.pattern}", pattern.callback, name=pattern.name or "")
        for module in (
            analytics,
            arrivals,
            booking,
            inbox,
            leave,
            patients,
            printing,
            queue,
            walk_in,  # before an entry, whose address it would fit
            queue_entry,
            recall,
            recall_plan,
            search,
            series,
            series_acts,
            waitlist,
            waitlist_offers,
            chain,  # before a visit's steps, whose address it would fit
            visits,
        )
        for pattern in module.urlpatterns
    ),
]
