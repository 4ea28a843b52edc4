"""Recurring visits: a preview, the booking of all, and changes of one, the following or all."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api import series_shapes as shape
from appointments.models import AppointmentSeries
from appointments.selectors.appointments import shows_clinical_text
from appointments.selectors.series import (
    SeriesSummary,
    series_summary,
    series_visible_to,
    summary_of,
)
from appointments.services.calendar import slot_data
from appointments.services.series import series_create, series_preview
from appointments.services.series_changes import (
    ChangedSeries,
    series_cancel,
    series_change,
    series_change_preview,
)
from appointments.services.series_dates import SeriesDate, SeriesPreview
from clinics.principal import Principal
from core import journal
from core.api.etag import expected_version
from core.api.resources import Resource


class Recurring(Resource):
    """New series."""

    queryset = AppointmentSeries.objects.none()
    serializer_class = shape.SeriesWithVisitsSerializer
    needs = {"create": Permission.APPOINTMENT_BOOK, "preview": Permission.APPOINTMENT_BOOK}

    @extend_schema(
        request=shape.SeriesCreateSerializer,
        responses={201: shape.SeriesWithVisitsSerializer},
        filters=False,
    )
    def create(self, request: Request) -> Response:
        """Book a series. SERIES_CONFLICT lists every clash in `clashes`, with what is free near."""
        data = self.checked(serializer=shape.SeriesCreateSerializer)
        made = series_create(by=request.auth, mode=data.pop("type"), **data)
        summary = summary_of(made.visits, made.skips)
        return self.answer(
            made.series, status=201, data=_with_visits(made.series, request.auth, summary)
        )

    @extend_schema(
        request=shape.SeriesWishSerializer, responses=shape.SeriesPreviewSerializer, filters=False
    )
    def preview(self, request: Request) -> Response:
        """Every date of the series, with its clash and what is free near it. Nothing is booked."""
        data = self.checked(serializer=shape.SeriesWishSerializer)
        return Response(_preview(series_preview(by=request.auth, mode=data.pop("type"), **data)))


class Series(Resource):
    """A series and its visits. Patients read their own."""

    queryset = AppointmentSeries.objects.none()
    serializer_class = shape.SeriesWithVisitsSerializer
    needs = {
        "retrieve": Permission.APPOINTMENT_READ,
        "update": Permission.APPOINTMENT_BOOK,
        "partial_update": Permission.APPOINTMENT_BOOK,
        "destroy": Permission.APPOINTMENT_BOOK,
        "preview": Permission.APPOINTMENT_BOOK,
    }

    @extend_schema(responses=shape.SeriesWithVisitsSerializer, filters=False)
    def retrieve(self, request: Request, pk: str) -> Response:
        """The series, its visits, and the dates that were left out."""
        series = self.one(series_visible_to(request.auth))
        journal.record(
            journal.Act(
                "series.read",
                "appointments.appointmentseries",
                series.id,
                series.clinic_id,
                (series.patient_id,),
            )
        )
        return self.answer(
            series, data=_with_visits(series, request.auth, series_summary(series.id))
        )

    @extend_schema(request=shape.SeriesChangeSerializer, responses=shape.SeriesChangedSerializer)
    def update(self, request: Request, pk: str) -> Response:
        """Change this visit, this and the following ones, or all that are still to come."""
        data = self.checked(serializer=shape.SeriesChangeSerializer)
        return self._changed(
            series_change(
                by=request.auth,
                series_id=UUID(pk),
                appointment_id=data.pop("appointment", None),
                expected_version=expected_version(request),
                **data,
            )
        )

    @extend_schema(request=shape.SeriesChangeSerializer, responses=shape.SeriesChangedSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(
        request=shape.SeriesCancelSerializer, responses={200: shape.SeriesChangedSerializer}
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Cancel what is still to come: the visits stay, cancelled."""
        data = self.checked(serializer=shape.SeriesCancelSerializer)
        return self._changed(
            series_cancel(
                by=request.auth,
                series_id=UUID(pk),
                appointment_id=data.pop("appointment", None),
                expected_version=expected_version(request),
                **data,
            )
        )

    @extend_schema(
        request=shape.SeriesChangePreviewSerializer,
        responses=shape.SeriesPreviewSerializer,
        filters=False,
    )
    def preview(self, request: Request, pk: str) -> Response:
        """What a change would do, date by date. Nothing is changed."""
        data = self.checked(serializer=shape.SeriesChangePreviewSerializer)
        return Response(
            _preview(
                series_change_preview(
                    by=request.auth,
                    series_id=UUID(pk),
                    appointment_id=data.pop("appointment", None),
                    **data,
                )
            )
        )

    def _changed(self, made: ChangedSeries) -> Response:
        body = series_data(made.series, self.request.auth) | {
            "changed": _visits(made.changed),
            "booked": _visits(made.booked),
            "cancelled": _visits(made.cancelled),
            "kept": [_date(one) for one in made.kept],
            "skips": _skips(made.skips),
        }
        return self.answer(made.series, data=body)


def series_data(series: AppointmentSeries, reader: Principal) -> dict[str, Any]:
    """A series as `reader` may see it: clinical text only for whom it is."""
    clinical = shows_clinical_text(reader, series)
    staff = reader.is_staff_in(series.clinic_id)
    return {
        "id": series.id,
        "version": series.version,
        "clinic": series.clinic_id,
        "patient": series.patient_id,
        "doctor": series.doctor_id,
        "location": series.location_id,
        "room": series.room_id,
        "service": series.service_id,
        "type": series.type,
        "rrule": series.rrule,
        "local_time": series.local_time,
        "timezone": series.timezone,
        "duration_minutes": series.duration_minutes,
        "start_date": series.start_date,
        "end_date": series.end_date,
        "open_ended": series.open_ended,
        "booked_until": series.booked_until,
        "status": series.status,
        "policy": series.policy,
        "reason": series.reason if clinical else None,
        "notes": series.notes if clinical and staff else None,
        "priority": series.priority,
        "created_by": series.created_by_id if staff else None,
        "cancel_reason": series.cancel_reason,
        "created_at": series.created_at,
        "updated_at": series.updated_at,
    }


def _with_visits(
    series: AppointmentSeries, reader: Principal, summary: SeriesSummary
) -> dict[str, Any]:
    return series_data(series, reader) | {
        "total": sum(summary.by_status.values()),
        "by_status": summary.by_status,
        "next": None if summary.next is None else _visits([summary.next])[0],
        "visits": _visits(summary.visits),
        "skips": _skips(summary.skips),
    }


def _visits(visits: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "version": one.version,
            "sequence": one.series_sequence,
            "status": one.status,
            "doctor": one.doctor_id,
            "location": one.location_id,
            "starts_at": one.starts_at,
            "ends_at": one.ends_at,
        }
        for one in visits
    ]


def _skips(skips: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "sequence": one.sequence,
            "starts_at": one.starts_at,
            "code": one.code,
            "made_up_by": one.made_up_by_id,
        }
        for one in skips
    ]


def _date(one: SeriesDate) -> dict[str, Any]:
    return {
        "sequence": one.sequence,
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
        "code": one.code,
        "act": one.act,
        "appointment": one.appointment,
        "was": one.was,
        "alternatives": [slot_data(slot) for slot in one.alternatives],
    }


def _preview(preview: SeriesPreview) -> dict[str, Any]:
    return {
        "timezone": preview.timezone,
        "clashes": len(preview.clashes),
        "dates": [_date(one) for one in preview.dates],
        "left_out": preview.left_out,
    }
