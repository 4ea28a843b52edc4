"""Files on their way into a clinic: what was uploaded, how it is read, and what became of it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from clinics.models import Clinic
from core import ids
from core.models import Entity


class TransferKind(models.TextChoices):
    """What the lines of a file are."""

    PATIENTS = "patients", _("Patients")
    DOCTORS = "doctors", _("Doctors")
    HOURS = "hours", _("Working hours")
    SERVICES = "services", _("Services")
    APPOINTMENTS = "appointments", _("Appointments")


class TransferState(models.TextChoices):
    """How far a file has come. Only `backoffice.transfer.states` moves it."""

    UPLOADED = "UPLOADED", _("Columns to be chosen")
    CHECK_QUEUED = "CHECK_QUEUED", _("Waiting for the check")
    CHECKING = "CHECKING", _("Being checked")
    CHECKED = "CHECKED", _("Checked")
    RUN_QUEUED = "RUN_QUEUED", _("Waiting for the import")
    RUNNING = "RUNNING", _("Being imported")
    DONE = "DONE", _("Imported")
    FAILED = "FAILED", _("Stopped")
    DISCARDED = "DISCARDED", _("Discarded")


class FileFormat(models.TextChoices):
    CSV = "csv", _("CSV")
    XLSX = "xlsx", _("Excel workbook (XLSX)")


class DateStyle(models.TextChoices):
    """How days are written. ISO 8601 is understood in any case."""

    ISO = "iso", _("year first: 2026-12-31")
    DAY_FIRST = "dmy", _("day first: 31/12/2026")
    MONTH_FIRST = "mdy", _("month first: 12/31/2026")


class BadLines(models.TextChoices):
    """What bad lines do to the others."""

    STOP = "stop", _("All or nothing: with a bad line nothing is imported")
    SKIP = "skip", _("Skip bad lines, import the others")


class Transfer(Entity):
    """An import of one file into one clinic.

    `columns` are the file's headers in their order; `fields` maps a field of ours to the number of
    the column that holds it. `mapping` is a TOML mapping (docs/importing.md) in place of `fields`.
    The counts are those of the last check or run.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("kind"), max_length=12, choices=TransferKind.choices)
    state = models.CharField(
        _("state"), max_length=12, choices=TransferState.choices, default=TransferState.UPLOADED
    )
    file_name = models.CharField(_("file"), max_length=200)
    file_format = models.CharField(_("format"), max_length=4, choices=FileFormat.choices)
    size = models.PositiveBigIntegerField(_("size, bytes"))
    lines = models.PositiveIntegerField(_("lines"), help_text=_("Estimated until it is checked."))
    remarks = models.JSONField(default=list, blank=True)
    columns = models.JSONField(default=list, blank=True)
    fields = models.JSONField(default=dict, blank=True)
    mapping = models.TextField(blank=True)
    date_style = models.CharField(max_length=3, choices=DateStyle.choices, default=DateStyle.ISO)
    country = models.CharField(_("country of phone numbers"), max_length=2, blank=True)
    bad_lines = models.CharField(max_length=4, choices=BadLines.choices, default=BadLines.STOP)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    queued_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When work on it was last heard of.")
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    holder = models.UUIDField(null=True, blank=True, help_text=_("The attempt that works on it."))
    done = models.PositiveIntegerField(_("lines done"), default=0)
    fresh = models.PositiveIntegerField(_("new"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    bad = models.PositiveIntegerField(_("bad lines"), default=0)
    failure = models.TextField(_("why it stopped"), blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["CHECKING", "RUNNING"]) | Q(holder__isnull=False),
                name="backoffice_transfer_holder",
                violation_error_message=_("Work in progress is somebody's."),
            )
        ]
        indexes = [
            models.Index(fields=["clinic", "-id"], name="backoffice_transfer_clinic"),
            models.Index(fields=["created_at"], name="backoffice_transfer_age"),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_under_way(self) -> bool:
        return self.state in {"CHECK_QUEUED", "CHECKING", "RUN_QUEUED", "RUNNING"}

    @property
    def percent(self) -> int:
        """How much is done; never 100 before the end, since `lines` may be an estimate."""
        if not self.is_under_way:
            return 100
        return min(99, 100 * self.done // max(1, self.lines))


class TransferPart(models.Model):
    """A piece of the uploaded file. In the database, because the worker may be another machine, and
    under row security, because it holds what the clinic's tables hold."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    transfer = models.ForeignKey(
        Transfer, on_delete=models.CASCADE, related_name="parts", db_index=False
    )
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transfer", "number"],
                name="backoffice_part_number",
                violation_error_message=_("The file has this piece already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.transfer_id} {self.number}"


class TransferFault(models.Model):
    """One thing wrong with one line, as the last check or run found it."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    transfer = models.ForeignKey(
        Transfer, on_delete=models.CASCADE, related_name="faults", db_index=False
    )
    line = models.PositiveIntegerField(_("line"))
    column = models.CharField(_("column"), max_length=200, blank=True)
    code = models.CharField(_("code"), max_length=40)
    words = models.CharField(_("reason"), max_length=500)

    class Meta:
        indexes = [models.Index(fields=["transfer", "line", "id"], name="backoffice_fault_line")]

    def __str__(self) -> str:
        return f"{self.line} {self.code}"
