"""The tables of the ground floor: outbox, audit trail, idempotency. They know ids, not clinics."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from core import clock, ids


class Entity(models.Model):
    """A row with a time-ordered id, and a `version` that rises with each change (the ETag)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=clock.now, editable=False)

    class Meta:
        abstract = True


class OutboxEvent(models.Model):
    """Something that happened, recorded in the transaction in which it happened.

    The relay hands it to its listeners at least once. Partitioned by month on the id.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic_id = models.UUIDField(null=True)
    topic = models.CharField(max_length=80)
    payload = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=clock.now)
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True, help_text=_("Given up after the last attempt."))
    last_error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="core_outbox_waiting",
                condition=models.Q(delivered_at=None),
            ),
            models.Index(fields=["clinic_id", "id"], name="core_outbox_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.id}"


class OutboxReceipt(models.Model):
    """One listener has handled one event; written in the listener's own transaction."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField()
    listener = models.CharField(max_length=120)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "listener"],
                name="core_receipt_once",
                violation_error_message=_("This listener has handled the event."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.listener} {self.event_id}"


class AuditEvent(models.Model):
    """Who did what to whom, or read whose data. Append-only; partitioned by month on the id.

    `entity` is the table's label (``appointments.appointment``); `subjects` are the patients whose
    data was changed or shown; `changes` maps a field to its [before, after].
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic_id = models.UUIDField(null=True)
    at = models.DateTimeField(default=clock.now)
    actor_id = models.UUIDField(null=True)
    action = models.CharField(max_length=80)
    entity = models.CharField(max_length=80)
    entity_id = models.UUIDField(null=True)
    subjects = ArrayField(models.UUIDField(), default=list)
    changes = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["clinic_id", "id"], name="core_audit_clinic"),
            models.Index(fields=["entity_id", "id"], name="core_audit_entity"),
            models.Index(fields=["actor_id", "id"], name="core_audit_actor"),
            # A pending list (fastupdate) would be read by each search, and emptied by some booking.
            GinIndex(fields=["subjects"], name="core_audit_subjects", fastupdate=False),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.entity_id or ''}".strip()


class AuditSeal(models.Model):
    """One link of a clinic's hash chain over its audit events. Append-only.

    Made after the fact, so that writers never wait for one another: each seal lists the events it
    covers, their digest, and the digest of the seal before it.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    chain = models.UUIDField(help_text=_("The clinic, or the nil id for the installation."))
    number = models.PositiveIntegerField()
    at = models.DateTimeField(default=clock.now)
    event_ids = ArrayField(models.UUIDField())
    digest = models.BinaryField(max_length=32)
    previous = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "number"],
                name="core_seal_number",
                violation_error_message=_("Two seals with one number."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.chain} {self.number}"


class IdempotencyRecord(models.Model):
    """The stored answer to a creating POST, kept 24 hours; written in the request's transaction."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    actor_id = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["actor_id", "key"],
                name="core_idempotency_key",
                violation_error_message=_("The key is in use."),
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="core_idempotency_age")]

    def __str__(self) -> str:
        return self.key
