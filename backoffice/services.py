"""Acts on the scheduled jobs; everything else belongs to the apps' own services."""

from celery import current_app
from django.db import transaction
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from core import journal
from core.errors import ErrorCode, KairosError


def job_switch(*, job_id: int, enabled: bool) -> PeriodicTask:
    """Pause a scheduled job, or let it run again; the scheduler notices within seconds.

    Raises NOT_FOUND.
    """
    job = _locked(job_id)
    if job.enabled != enabled:
        before, job.enabled = job.enabled, enabled
        job.save()  # the library's own, which tells the scheduler
        _record(job, "job.switched", {"enabled": [before, enabled]})
    return job


def job_run(*, job_id: int) -> None:
    """Ask a worker to run the job now, besides its schedule, once this transaction is committed.

    Raises NOT_FOUND, and SERVICE_UNAVAILABLE when the broker does not answer.
    """
    job = _locked(job_id)
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=2)
    except OperationalError as error:
        raise KairosError(ErrorCode.SERVICE_UNAVAILABLE) from error
    transaction.on_commit(lambda: current_app.send_task(job.task, ignore_result=True))
    _record(job, "job.run", {})


def _locked(job_id: int) -> PeriodicTask:
    job = PeriodicTask.objects.select_for_update(of=("self",)).filter(pk=job_id).first()
    if job is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return job


def _record(job: PeriodicTask, action: str, changes: dict[str, list[bool]]) -> None:
    journal.record(
        journal.Act(
            action,
            "django_celery_beat.periodictask",
            changes={"name": [job.name, job.name], **changes},
        )
    )
