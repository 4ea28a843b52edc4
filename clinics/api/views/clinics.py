"""Endpoints of clinics, their directory and their staff."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from clinics.api.directory import directory_answer
from clinics.api.filters import ClinicFilter, DoctorFilter, MemberFilter, PatientFilter
from clinics.api.serializers.clinics import (
    AppNameAnswerSerializer,
    AppNameSerializer,
    ClinicEntrySerializer,
    ClinicSerializer,
    MembershipSerializer,
    MyClinicSerializer,
    NewMemberSerializer,
)
from clinics.api.serializers.people import DoctorSerializer, PatientSerializer
from clinics.api.views.base import NO_CONTENT, clinic_of_caller, require_in
from clinics.api.views.doctors import doctors_shown
from clinics.api.views.patients import SEARCH, SEARCH_PARAMETERS, Patients, patients_page
from clinics.models import Clinic
from clinics.selectors.directory import (
    clinics_of,
    clinics_public,
    doctors_of_clinic,
    members_of,
)
from clinics.services.clinics import (
    app_name_check,
    clinic_create,
    clinic_deactivate,
    clinic_update,
)
from clinics.services.memberships import member_add, membership_end
from core.api.etag import expected_version
from core.api.filters import refuse_unknown
from core.api.resources import Resource, checked_body
from core.errors import ErrorCode, KairosError


class Clinics(Resource):
    """The directory of clinics, and the settings of one's own."""

    queryset = Clinic.objects.none()
    serializer_class = ClinicSerializer
    filterset_class = ClinicFilter
    idempotent = frozenset({"create", "member_create"})
    public = frozenset({"list", "retrieve", "by_app_name", "validate_app_name", "doctors"})
    needs = {
        "create": None,
        "update": Permission.CLINIC_MANAGE,
        "partial_update": Permission.CLINIC_MANAGE,
        "destroy": None,
        "mine": None,
        "patients": Permission.PATIENT_READ,
        "members": Permission.STAFF_MANAGE,
        "member_create": Permission.STAFF_MANAGE,
        "member_destroy": Permission.STAFF_MANAGE,
    }
    limit_class = {"list": "public", "patients": "search"}

    def get_ordering(self) -> tuple[str, ...]:
        match self.action:
            case "patients":
                return Patients.ordering
            case "doctors" | "members":
                return ("id",)
            case _:
                return ("name", "id")

    @property
    def extra_parameters(self) -> frozenset[str]:
        return SEARCH_PARAMETERS if self.action == "patients" else frozenset()

    def list(self, request: Request) -> Response:
        """Every active clinic, for anyone."""
        return directory_answer(
            request,
            self.page(
                clinics_public(),
                request,
                serialize=lambda rows: ClinicEntrySerializer(rows, many=True).data,
            ),
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        """A clinic's entry for anyone; with its policy for who manages it."""
        return self._shown(request, self.one(self._readable(request)))

    @extend_schema(responses=ClinicSerializer, filters=False)
    @action(detail=False, methods=["get"], url_path="by-app-name/(?P<slug>[-a-zA-Z0-9_]{1,60})")
    def by_app_name(self, request: Request, slug: str) -> Response:
        """The clinic that a link names."""
        return self._shown(request, self.one(self._readable(request), slug=slug))

    def create(self, request: Request) -> Response:
        """Open a clinic (administrators of the installation)."""
        _require_super_admin(request)
        return self.answer(clinic_create(**self.checked()), status=201)

    def update(self, request: Request, pk: str) -> Response:
        """Change settings. Only administrators of the installation close or reopen a clinic."""
        clinic = self.one(clinics_of(request.auth))
        request.auth.require(Permission.CLINIC_MANAGE, clinic.id)
        fields = self.checked(partial=True)
        if fields.get("is_active", clinic.is_active) != clinic.is_active:
            _require_super_admin(request)
        return self.answer(
            clinic_update(clinic=clinic, expected_version=expected_version(request), **fields)
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(responses=NO_CONTENT)
    def destroy(self, request: Request, pk: str) -> Response:
        """Close a clinic (administrators of the installation); its data stays."""
        _require_super_admin(request)
        clinic_deactivate(clinic_id=UUID(pk), expected_version=expected_version(request))
        return Response(status=204)

    @extend_schema(responses=MyClinicSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], filterset_class=None)
    def mine(self, request: Request) -> Response:
        """The clinics in which the caller is staff or patient."""
        principal = request.auth

        def with_rights(rows: Any) -> Any:
            for clinic in rows:
                clinic.held_roles = sorted(principal.roles.get(clinic.id, ()))
                clinic.own_charts = sorted(principal.charts.get(clinic.id, ()))
            return MyClinicSerializer(rows, many=True).data

        return self.page(
            clinics_of(principal).filter(id__in=principal.clinics), request, serialize=with_rights
        )

    @extend_schema(request=AppNameSerializer, responses=AppNameAnswerSerializer)
    @action(detail=False, methods=["post"], url_path="validate-app-name")
    def validate_app_name(self, request: Request) -> Response:
        """Whether a new clinic could have this name in its links."""
        name = checked_body(request, AppNameSerializer)["app_name"]
        found = app_name_check(name)
        return Response(
            {
                "app_name": name,
                "valid": found.valid,
                "available": found.available,
                "reason": found.reason,
            }
        )

    @extend_schema(responses=DoctorSerializer(many=True))
    @action(detail=True, methods=["get"], filterset_class=DoctorFilter)
    def doctors(self, request: Request, pk: str) -> Response:
        """Who can be booked at the clinic, for anyone."""
        clinic = clinic_of_caller(request, self._readable(request), pk)
        page = self.page(
            doctors_of_clinic(clinic.id),
            request,
            serialize=lambda rows: doctors_shown(request.auth, rows),
        )
        return directory_answer(request, page)

    @extend_schema(responses=PatientSerializer(many=True), parameters=[SEARCH])
    @action(detail=True, methods=["get"], filterset_class=PatientFilter)
    def patients(self, request: Request, pk: str) -> Response:
        """The clinic's charts, or with `q` those that fit what was typed."""
        clinic = clinic_of_caller(request, clinics_of(request.auth), pk)
        return patients_page(self, request, clinic_id=clinic.id)

    @extend_schema(responses=MembershipSerializer(many=True))
    @action(detail=True, methods=["get"], filterset_class=MemberFilter)
    def members(self, request: Request, pk: str) -> Response:
        """Who works, or worked, at the clinic."""
        clinic = self._managed(request, pk)
        return self.page(
            members_of(clinic.id),
            request,
            serialize=lambda rows: MembershipSerializer(rows, many=True).data,
        )

    @extend_schema(request=NewMemberSerializer, responses={201: MembershipSerializer})
    @members.mapping.post
    def member_create(self, request: Request, pk: str) -> Response:
        """Give someone a role, by email or phone; who has no account yet gets one, without a
        password."""
        refuse_unknown(request, frozenset())
        clinic = self._managed(request, pk)
        membership = member_add(clinic=clinic, **checked_body(request, NewMemberSerializer))
        return self.answer(membership, status=201, data=MembershipSerializer(membership).data)

    @extend_schema(responses=NO_CONTENT)
    @action(
        detail=True,
        methods=["delete"],
        url_path=f"members/(?P<member>{Resource.lookup_value_regex})",
    )
    def member_destroy(self, request: Request, pk: str, member: str) -> Response:
        """Take a role away, at once."""
        clinic = self._managed(request, pk)
        membership_end(
            clinic=clinic,
            membership_id=UUID(member),
            expected_version=expected_version(request),
        )
        return Response(status=204)

    def _readable(self, request: Request) -> Any:
        if request.auth is not None and request.auth.is_super_admin:
            return Clinic.objects.all()
        return clinics_public()

    def _managed(self, request: Request, pk: str) -> Clinic:
        clinic = clinic_of_caller(request, clinics_of(request.auth), pk)
        require_in(request.auth, Permission.STAFF_MANAGE, clinic.id)
        return clinic

    def _shown(self, request: Request, clinic: Clinic) -> Response:
        manages = request.auth is not None and request.auth.may(Permission.CLINIC_MANAGE, clinic.id)
        form = ClinicSerializer if manages else ClinicEntrySerializer
        return directory_answer(request, self.answer(clinic, data=form(clinic).data))


def _require_super_admin(request: Request) -> None:
    if not request.auth.is_super_admin:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
