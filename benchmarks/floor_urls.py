"""The floor of reads: one indexed SELECT of 20 rows, answered as JSON; no sign-in, no rules."""

import orjson
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

_SQL = (
    "SELECT id, status, doctor_id, patient_id, service_id, type, starts_at, ends_at, timezone"
    " FROM appointments_appointment WHERE clinic_id = %s AND starts_at >= %s"
    " ORDER BY starts_at LIMIT 20"
)


def floor(request: HttpRequest) -> HttpResponse:
    """The first visits of a clinic from a moment on."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [request.GET["clinic"], request.GET["from"]])
        rows = cursor.fetchall()
    body = orjson.dumps(rows)
    return HttpResponse(
        body, content_type="application/json", headers={"Content-Length": str(len(body))}
    )


urlpatterns = [path("floor", floor)]
