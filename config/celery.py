"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("kairos")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Having a receiver stops Celery from replacing the logging that settings configured."""


@before_task_publish.connect
def _send_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and request_id:
        headers["kairos_request_id"] = request_id


@task_prerun.connect
def _bind_request_id(task: Any = None, task_id: str = "", **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    request_id = getattr(task.request, "kairos_request_id", None) or task_id
    structlog.contextvars.bind_contextvars(request_id=request_id, task=task.name)


@task_postrun.connect
def _clear(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
