"""The pages: upload, columns, report, progress, result; and the exports."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import Permission
from backoffice.access import Access, access_of, clinics_choosable
from backoffice.models import BadLines, FileFormat, Transfer, TransferFault, TransferState
from backoffice.site import site
from backoffice.transfer import transfers
from backoffice.transfer.exporting import Export, Filters, export_stream
from backoffice.transfer.faults import BadCell
from backoffice.transfer.forms import ExportForm, ReadingForm, RunForm, UploadForm
from backoffice.transfer.kinds import KINDS, Kind, kind_of
from backoffice.transfer.people import DoctorsByName, doctors_of
from backoffice.transfer.work import work_here
from clinics.models import Clinic
from core import clock, tenancy
from core.errors import ErrorCode, KairosError, invalid
from core.forms import refusal_show
from core.formulas import guarded

_SHOWN = 50
_CLINICS = 200
_FAULTS = 2000
#: Work that has not been heard of for so long has probably died with its worker.
_SILENT = timedelta(seconds=60)
_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
Right = Callable[[Kind], Permission]


def _import_right(kind: Kind) -> Permission:
    return kind.import_right


def _export_right(kind: Kind) -> Permission:
    return kind.export_right


def _kinds(access: Access, right: Right) -> list[Kind]:
    """The kinds that the person may import, or export, somewhere in sight."""
    found = [kind for kind in KINDS.values() if access.may_whole(right(kind))]
    if not found:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    return found


def _clinics(access: Access, kinds: list[Kind], right: Right) -> list[Clinic]:
    """The clinics in which at least one of the kinds may be."""
    if access.clinic is not None:
        return [access.clinic]
    rows = clinics_choosable(access.principal)
    if not access.principal.is_super_admin:
        mine = {at for kind in kinds for at in access.principal.clinics_with(right(kind))}
        rows = rows.filter(id__in=mine)
    return list(rows[:_CLINICS])


def _in_sight(access: Access) -> QuerySet[Transfer]:
    """The imports that the person may make themselves. Raises PERMISSION_DENIED if there are none.

    Row security says the same of the clinics; this adds the kinds.
    """
    kinds = _kinds(access, _import_right)
    if access.principal.is_super_admin:
        return access.limited(Transfer.objects.all(), None)
    seen = Q(pk__in=[])
    for kind in kinds:
        at = access.principal.clinics_with(kind.import_right)
        seen |= Q(kind=kind.kind.value, clinic_id__in=at)
    return Transfer.objects.filter(seen)


def _transfer(request: HttpRequest, pk: UUID) -> Transfer:
    transfer = _in_sight(access_of(request)).select_related("clinic", "created_by").filter(pk=pk)
    found = transfer.first()
    if found is None:
        raise Http404
    return found


@require_safe
def transfer_list(request: HttpRequest) -> HttpResponse:
    """The imports of the last weeks, the newest first."""
    access = access_of(request)
    rows = _in_sight(access).select_related("clinic", "created_by").order_by("-id")
    return site.page(
        request,
        "backoffice/transfer/list.html",
        {
            "title": _("Import and export"),
            "transfers": rows[:_SHOWN],
            "may_export": any(access.may_whole(kind.export_right) for kind in KINDS.values()),
            "kept_days": transfers.limits.kept().days,
        },
    )


def transfer_new(request: HttpRequest) -> HttpResponse:
    """Upload a file."""
    access = access_of(request)
    kinds = _kinds(access, _import_right)
    form = UploadForm(
        request.POST or None,
        request.FILES or None,
        clinics=_clinics(access, kinds, _import_right),
        kinds=kinds,
    )
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            transfer = transfers.transfer_create(
                principal=access.principal,
                clinic=form.chosen(),
                kind=form.cleaned_data["kind"],
                file_name=upload.name,
                stream=upload.file,
                mapping=form.cleaned_data["mapping"],
            )
        except KairosError as refusal:
            if refusal.code != ErrorCode.VALIDATION_ERROR:
                raise
            refusal_show(form, refusal)
        else:
            return redirect("admin:transfer_columns", transfer.pk)
    return site.page(
        request,
        "backoffice/transfer/new.html",
        {"title": _("Import a file"), "form": form, "kinds": kinds},
    )


def transfer_columns(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say which column is which; then the whole file is checked."""
    transfer = _transfer(request, pk)
    if transfer.state not in {
        TransferState.UPLOADED,
        TransferState.CHECKED,
        TransferState.FAILED,
    }:
        return redirect("admin:transfer_detail", transfer.pk)
    seen = transfers.transfer_preview(transfer, transfer.fields)
    form = ReadingForm(request.POST or None, transfer=transfer, found=seen.style, sample=seen.lines)
    if request.method == "POST" and form.is_valid():
        try:
            transfers.transfer_check(
                principal=access_of(request).principal,
                transfer=transfer,
                fields=form.chosen(),
                date_style=form.cleaned_data["date_style"],
                country=form.cleaned_data["country"],
                bad_lines=form.cleaned_data["bad_lines"],
            )
        except KairosError as refusal:
            if refusal.code != ErrorCode.VALIDATION_ERROR:
                raise
            refusal_show(form, refusal)
        else:
            return _on_with(transfer)
    return site.page(
        request,
        "backoffice/transfer/columns.html",
        {
            "title": _("Columns of %(file)s") % {"file": transfer.file_name},
            "transfer": transfer,
            "form": form,
            "unused": len(transfer.columns) - len(transfer.fields),
        },
    )


def _on_with(transfer: Transfer) -> HttpResponse:
    """Do the work of a small file now; of a large one the page shows how far it is."""
    if transfers.is_small(transfer):
        work_here(transfer.id, transfer.clinic_id)
    return redirect("admin:transfer_detail", transfer.pk)


@require_safe
def transfer_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How far an import is, what is wrong with the file, what became of it."""
    transfer = _transfer(request, pk)
    faults, more = _faults(transfer, request.GET.get("after", ""))
    return site.page(
        request,
        "backoffice/transfer/detail.html",
        {
            "title": transfer.file_name,
            "transfer": transfer,
            "faults": faults,
            "more": more,
            "is_first": not request.GET.get("after"),
            "good": transfer.fresh + transfer.changed + transfer.unchanged,
            "is_silent": _is_silent(transfer),
            "skip": BadLines.SKIP.value,
            "stop": BadLines.STOP.value,
        },
    )


def _is_silent(transfer: Transfer) -> bool:
    heard = transfer.beat_at or transfer.queued_at
    return transfer.is_under_way and heard is not None and heard < clock.now() - _SILENT


def _faults(transfer: Transfer, after: str) -> tuple[list[TransferFault], str]:
    """A page of what is wrong, and where the next begins."""
    rows = TransferFault.objects.filter(transfer=transfer).order_by("line", "id")
    if after:
        rows = rows.filter(_after(after))
    page = list(rows[: _SHOWN + 1])
    if len(page) <= _SHOWN:
        return page, ""
    last = page[_SHOWN - 1]
    return page[:_SHOWN], f"{last.line}.{last.pk}"


def _after(mark: str) -> Q:
    line, _dot, raw = mark.partition(".")
    try:
        number, pk = int(line), UUID(raw)
    except ValueError:
        raise Http404 from None
    return Q(line__gt=number) | Q(line=number, id__gt=pk)


@require_safe
def transfer_progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """For the page's script: how far it is."""
    transfer = _transfer(request, pk)
    return JsonResponse(
        {
            "state": transfer.state,
            "label": str(TransferState(transfer.state).label),
            "done": transfer.done,
            "lines": transfer.lines,
            "percent": transfer.percent,
            "bad": transfer.bad,
            "under_way": transfer.is_under_way,
        }
    )


@require_safe
def transfer_faults(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Everything that is wrong, as a CSV file."""
    transfer = _transfer(request, pk)
    return _attachment(
        _report(transfer.id, transfer.clinic_id),
        f"{slugify(transfer.file_name) or 'import'}-report.csv",
        FileFormat.CSV,
    )


def _report(transfer_id: UUID, clinic_id: UUID) -> Iterator[bytes]:
    """Drawn after the request's transaction, so in scopes of its own."""
    after = Q()
    yield "\ufeffline,column,code,reason\r\n".encode()
    while True:
        with tenancy.scope([clinic_id], statement_timeout_ms=30_000):
            rows = TransferFault.objects.filter(after, transfer_id=transfer_id)
            page = list(rows.order_by("line", "id")[:_FAULTS])
        out = io.StringIO()
        csv.writer(out).writerows(
            [fault.line, guarded(fault.column), fault.code, guarded(fault.words)] for fault in page
        )
        yield out.getvalue().encode()
        if len(page) < _FAULTS:
            return
        after = Q(line__gt=page[-1].line) | Q(line=page[-1].line, id__gt=page[-1].pk)


@require_POST
def transfer_run(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Import what was checked."""
    transfer = _transfer(request, pk)
    form = RunForm(request.POST)
    if not form.is_valid():
        raise invalid("bad_lines", _("Say whether bad lines are left out."))
    transfers.transfer_run(
        principal=access_of(request).principal,
        transfer=transfer,
        bad_lines=form.cleaned_data["bad_lines"],
    )
    return _on_with(transfer)


@require_POST
def transfer_continue(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for a worker again, after one has died."""
    transfer = _transfer(request, pk)
    transfers.transfer_continue(principal=access_of(request).principal, transfer=transfer)
    return redirect("admin:transfer_detail", transfer.pk)


@require_POST
def transfer_discard(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Remove the file and its report."""
    transfer = _transfer(request, pk)
    transfers.transfer_discard(principal=access_of(request).principal, transfer=transfer)
    return redirect("admin:transfer_list")


def transfer_export(request: HttpRequest) -> HttpResponse:
    """Choose what is to leave the house; a POST is the file."""
    access = access_of(request)
    kinds = _kinds(access, _export_right)
    form = ExportForm(
        request.POST or None, clinics=_clinics(access, kinds, _export_right), kinds=kinds
    )
    if request.method == "POST" and form.is_valid():
        clinic, kind = form.chosen(), form.cleaned_data["kind"]
        access.principal.require(kind_of(kind).export_right, clinic.id)
        try:
            filters = form.filters(_doctor(clinic, form.cleaned_data["doctor"]))
        except BadCell as bad:
            form.add_error("doctor", bad.words)
        else:
            return _exported(access, clinic, kind, form.cleaned_data["file_format"], filters)
    return site.page(
        request,
        "backoffice/transfer/export.html",
        {"title": _("Export"), "form": form},
    )


def _doctor(clinic: Clinic, name: str) -> UUID | None:
    """The doctor that was named. Raises BadCell."""
    if not name.strip():
        return None
    return DoctorsByName(doctors_of(clinic.id)).find(name.strip()).id


def _exported(
    access: Access, clinic: Clinic, kind: str, file_format: str, filters: dict[str, Any]
) -> HttpResponse:
    export = Export(
        kind=kind,
        clinic=clinic,
        file_format=file_format,
        clinical=access.principal.may(Permission.APPOINTMENT_CLINICAL, clinic.id),
        filters=Filters(**filters),
    )
    name = f"{clinic.slug}-{kind}-{clock.now():%Y-%m-%d}.{file_format}"
    return _attachment(export_stream(export), name, FileFormat(file_format))


def _attachment(content: Iterator[bytes], name: str, file_format: FileFormat) -> HttpResponse:
    response = StreamingHttpResponse(content, content_type=_TYPES[file_format])
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response  # type: ignore[return-value]
