"""What the endpoints of a clinic's rows have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from clinics.models import Clinic
from clinics.principal import Principal
from clinics.selectors.directory import of_clinics
from clinics.services.changes import apply_changes, create_row
from core.api.etag import expected_version
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError, invalid

NO_CONTENT = {204: OpenApiResponse(description="Done.")}


def require_in(principal: Principal, permission: Permission, clinic_id: UUID) -> None:
    """Raises PERMISSION_DENIED in a clinic the caller belongs to, NOT_FOUND in any other."""
    if principal.may(permission, clinic_id):
        return
    known = principal.is_super_admin or clinic_id in principal.clinics
    raise KairosError(ErrorCode.PERMISSION_DENIED if known else ErrorCode.NOT_FOUND)


def refuse_move(row: Any, fields: dict[str, Any], *names: str) -> None:
    """Take `names` out of `fields`; a PUT may repeat them, but not change them."""
    for name in names:
        if name in fields and fields.pop(name).pk != getattr(row, f"{name}_id"):
            raise invalid(name, "cannot be changed")


class ClinicRows(Resource):
    """Rows of a clinic that its members read and whoever holds `manages` writes.

    Nothing is removed: DELETE makes a row inactive.
    """

    manages: ClassVar[Permission] = Permission.CLINIC_MANAGE
    noun: ClassVar[str]
    needs: ClassVar[Mapping[str, str | None]] = {
        "list": None,
        "retrieve": None,
        "create": Permission.CLINIC_MANAGE,
        "update": Permission.CLINIC_MANAGE,
        "partial_update": Permission.CLINIC_MANAGE,
        "destroy": Permission.CLINIC_MANAGE,
    }

    @property
    def model(self) -> Any:
        return self.queryset.model

    def visible(self, request: Request) -> QuerySet[Any]:
        """The rows that the caller may read."""
        return of_clinics(self.model, request.auth)

    def made(self, request: Request, fields: dict[str, Any]) -> Any:
        """Check the caller's right in the clinic, and create the row."""
        require_in(request.auth, self.manages, fields["clinic"].id)
        return create_row(self.model, fields, action=f"{self.noun}.created")

    def changed(self, request: Request, row: Any, fields: dict[str, Any]) -> Any:
        """Change the row, of a clinic in which the caller has the right."""
        refuse_move(row, fields, "clinic")
        return apply_changes(
            self.model,
            row.id,
            fields,
            expected_version=expected_version(request),
            action=f"{self.noun}.changed",
        )

    def list(self, request: Request) -> Response:
        return self.page(self.visible(request), request)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.one(self.visible(request)))

    def create(self, request: Request) -> Response:
        return self.answer(self.made(request, self.checked()), status=201)

    def update(self, request: Request, pk: str) -> Response:
        row = self.one(self.visible(request))
        request.auth.require(self.manages, row.clinic_id)
        return self.answer(self.changed(request, row, self.checked(partial=True)))

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(responses=NO_CONTENT)
    def destroy(self, request: Request, pk: str) -> Response:
        row = self.one(self.visible(request))
        request.auth.require(self.manages, row.clinic_id)
        apply_changes(
            self.model,
            row.id,
            {"is_active": False},
            expected_version=expected_version(request),
            action=f"{self.noun}.deactivated",
        )
        return Response(status=204)


def clinic_of_caller(request: Request, queryset: QuerySet[Clinic], pk: str) -> Clinic:
    """A clinic out of `queryset`. Raises NOT_FOUND for a foreign one as for none."""
    clinic = queryset.filter(pk=pk).first()
    if clinic is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return clinic
