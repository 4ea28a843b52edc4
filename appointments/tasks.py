"""Thin tasks of the appointments floor."""

from celery import shared_task

from appointments.services import no_shows, series_extension, sweep


@shared_task(name="appointments.holds_sweep")
def holds_sweep() -> int:
    """Remove expired holds."""
    return sweep.holds_sweep()


@shared_task(name="appointments.busy_time_prune")
def busy_time_prune() -> int:
    """Remove claims that ended a week ago."""
    return sweep.busy_time_prune()


@shared_task(name="appointments.no_shows_mark")
def no_shows_mark() -> int:
    """Mark who did not come."""
    return no_shows.no_shows_mark()


@shared_task(name="appointments.series_extend")
def series_extend() -> int:
    """Book what has come within the horizon of series until further notice."""
    return series_extension.series_extend()
