"""Thin tasks of the accounts."""

from celery import shared_task

from accounts.services.sessions import page_sessions_prune


@shared_task(name="accounts.page_sessions_prune")
def prune_page_sessions() -> None:
    """Forget page sessions that are over."""
    page_sessions_prune()
