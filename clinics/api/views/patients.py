"""Endpoints of patients' charts. Every chart shown is written into the audit trail."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from clinics.api.filters import PatientFilter
from clinics.api.serializers.people import PatientSerializer
from clinics.api.views.base import refuse_move, require_in
from clinics.models import Patient
from clinics.principal import Principal
from clinics.selectors.patients import clinical_text_of, patients_search, patients_visible_to
from clinics.services.patients import patient_create, patient_update, patients_read
from core.api.etag import expected_version
from core.api.filters import refuse_unknown
from core.api.resources import Resource
from core.errors import invalid

SEARCH_PARAMETERS = frozenset({"q"})
_SEARCH_LENGTH = 100
SEARCH = OpenApiParameter(
    "q",
    str,
    description="Part of a name (typos allowed), the end of a phone number, a record number or a "
    "birth date; best first, one page only.",
)


def patients_page(view: Resource, request: Request, *, clinic_id: UUID | None) -> Response:
    """One page of charts: the list, or what a search finds. Both are audited."""

    def shown(rows: list[Patient]) -> Any:
        return PatientSerializer(
            rows, many=True, context={"clinical": clinical_text_of(request.auth, rows)}
        ).data

    text = request.query_params.get("q", "").strip()
    if text:
        found = _search(view, request, text, clinic_id)
        patients_read(found, action="patient.searched")
        return Response({"results": shown(found), "next_cursor": None, "has_more": False})
    listed: list[Patient] = []

    def shown_and_kept(rows: list[Patient]) -> Any:
        listed.extend(rows)
        return shown(rows)

    charts = patients_visible_to(request.auth)
    if clinic_id is not None:
        charts = charts.filter(clinic_id=clinic_id)
    answer = view.page(charts, request, serialize=shown_and_kept)
    patients_read(listed, action="patient.listed")
    return answer


def _search(view: Resource, request: Request, text: str, clinic_id: UUID | None) -> list[Patient]:
    refuse_unknown(request, SEARCH_PARAMETERS | {"clinic"})
    if len(text) > _SEARCH_LENGTH or not text.isprintable():
        raise invalid("q", f"at most {_SEARCH_LENGTH} printable characters")
    clinics = request.auth.search_scope(Permission.PATIENT_READ)
    wanted = clinic_id or _clinic_asked_for(request)
    if wanted is not None:
        clinics = [clinic for clinic in clinics if clinic == wanted]
    limit = view.pagination_class.page_size(request)
    return patients_search(clinics, text, limit=limit)


def _clinic_asked_for(request: Request) -> UUID | None:
    raw = request.query_params.get("clinic")
    if not raw:
        return None
    try:
        return UUID(raw)
    except ValueError:
        raise invalid("clinic", "not an id") from None


class Patients(Resource):
    """Charts of the clinic's patients; patients reach their own."""

    queryset = Patient.objects.none()
    serializer_class = PatientSerializer
    filterset_class = PatientFilter
    extra_parameters = SEARCH_PARAMETERS
    ordering = ("family_name", "given_name", "id")
    needs = {
        "list": Permission.PATIENT_READ,
        "retrieve": Permission.PATIENT_READ,
        "create": Permission.PATIENT_WRITE,
        "update": Permission.PATIENT_WRITE,
        "partial_update": Permission.PATIENT_WRITE,
    }
    limit_class = {"list": "search"}

    @extend_schema(parameters=[SEARCH])
    def list(self, request: Request) -> Response:
        """Charts by name, or with `q` those that fit what was typed."""
        return patients_page(self, request, clinic_id=None)

    def retrieve(self, request: Request, pk: str) -> Response:
        patient = self.one(patients_visible_to(request.auth))
        patients_read([patient], action="patient.read")
        return self._answer(request.auth, patient)

    def create(self, request: Request) -> Response:
        """Open a chart."""
        fields = self.checked()
        clinic = fields.pop("clinic")
        require_in(request.auth, Permission.PATIENT_WRITE, clinic.id)
        return self._answer(request.auth, patient_create(clinic=clinic, fields=fields), status=201)

    def update(self, request: Request, pk: str) -> Response:
        """Change a chart; patients change their own contact data."""
        principal: Principal = request.auth
        patient = self.one(patients_visible_to(principal).select_related("clinic"))
        principal.require(Permission.PATIENT_WRITE, patient.clinic_id, patient_id=patient.id)
        fields = self.checked(partial=True)
        refuse_move(patient, fields, "clinic")
        changed = patient_update(
            patient=patient,
            fields=fields,
            expected_version=expected_version(request),
            contact_only=not principal.may(Permission.PATIENT_WRITE, patient.clinic_id),
        )
        return self._answer(principal, changed)

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    def _answer(self, principal: Principal, patient: Patient, *, status: int = 200) -> Response:
        shown = PatientSerializer(
            patient, context={"clinical": clinical_text_of(principal, [patient])}
        ).data
        return self.answer(patient, status=status, data=shown)
