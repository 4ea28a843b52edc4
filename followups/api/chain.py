"""The chain of a visit over HTTP."""

import base64
import binascii

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.chains import LIMIT, chain_page
from core import journal
from core.api.filters import refuse_unknown
from core.api.pagination import MAX_LIMIT, KeysetPagination
from core.api.resources import Resource
from core.errors import ErrorCode, invalid
from followups.api import serializers as shape
from followups.api.shapes import node_data


class Chains(Resource):
    """A visit's root and everything that followed it."""

    queryset = Appointment.objects.none()
    serializer_class = shape.ChainSerializer
    missing = ErrorCode.APPOINTMENT_NOT_FOUND
    needs = {"chain": Permission.APPOINTMENT_READ}

    @extend_schema(
        parameters=[
            OpenApiParameter("limit", int, description=f"1 to {MAX_LIMIT}; {LIMIT} unless said."),
            OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
        ],
        responses=shape.ChainSerializer,
        filters=False,
    )
    def chain(self, request: Request, pk: str) -> Response:
        """The chain to which a visit belongs: each visit after the one that it follows."""
        refuse_unknown(request, {"limit", "cursor"})
        if "expand" in request.query_params:
            raise invalid("expand", "unknown parameter")
        limit = LIMIT
        if "limit" in request.query_params:
            limit = KeysetPagination.page_size(request)
        page = chain_page(
            by=request.auth,
            appointment_id=self.kwargs["pk"],
            after=_decoded(request.query_params.get("cursor")),
            limit=limit,
        )
        for clinic in {node.row.clinic_id for node in page.nodes}:
            journal.record(
                journal.Act(
                    "appointment.chain_read",
                    "appointments.appointment",
                    self.kwargs["pk"],
                    clinic,
                    sorted({node.row.patient_id for node in page.nodes}),
                )
            )
        return Response(
            {
                "results": [node_data(node, request.auth) for node in page.nodes],
                "next_cursor": _encoded(page.next),
                "has_more": page.next is not None,
            }
        )


def _encoded(place: str | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _decoded(cursor: str | None) -> str | None:
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw.decode("ascii")
    except (binascii.Error, ValueError):
        raise invalid("cursor", "not a cursor of this list") from None
