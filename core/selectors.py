"""Reads of the ground's own tables."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from core.models import AuditEvent

AUDIT_PAGE_MAX: Final = 500


def audit_search(
    *,
    clinics: Collection[UUID] | None,
    subject: UUID | None = None,
    actor: UUID | None = None,
    action: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[AuditEvent]:
    """The trail, newest first: at most `limit` events (500) that fit everything given.

    `clinics` are those of the caller's scope; None is every clinic and the installation's own
    events, for the system scope. `subject` is a patient whose data was changed or shown. `since`
    is included, `until` is not. `before` is the id of the last event of the page before.

    The search runs in a definer function, because the index of `subjects` is not used under row
    security; the rows are read under it, so that a clinic too many shows nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT core_audit_search(%s::uuid[], %s::uuid, %s::uuid, %s, %s::timestamptz,"
            " %s::timestamptz, %s::uuid, %s)",
            [
                None if clinics is None else sorted(clinics),
                subject,
                actor,
                action or None,
                since,
                until,
                before,
                max(1, min(limit, AUDIT_PAGE_MAX)),
            ],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(AuditEvent.objects.filter(id__in=ids).order_by("-id")) if ids else []
