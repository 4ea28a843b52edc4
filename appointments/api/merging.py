"""Merging duplicate charts: a preview, the merge, and its undoing."""

from typing import Any
from uuid import UUID

from django.db.models import TextChoices
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.models import PatientMerge
from appointments.selectors.merging import FIELDS, ConflictKind, MergePreview
from appointments.services.merging import merge_preview, merge_undo, patients_merge
from clinics.models import Patient
from core.api.etag import expected_version
from core.api.fields import InstantField
from core.api.filters import refuse_unknown
from core.api.resources import Resource
from core.errors import invalid


class Side(TextChoices):
    """Whose value stands after the merge."""

    KEPT = "kept"
    DUPLICATE = "duplicate"


class MergeSerializer(serializers.Serializer[Any]):
    """`POST patients/{id}/merge`. Without `take`: what is empty on the kept chart."""

    duplicate = serializers.UUIDField()
    duplicate_version = serializers.IntegerField(
        required=False, min_value=1, help_text="As in the preview; another one is a 412."
    )
    take = serializers.ListField(
        child=serializers.ChoiceField(choices=FIELDS), required=False, max_length=len(FIELDS)
    )
    reason = serializers.CharField(max_length=500)


class UndoSerializer(serializers.Serializer[Any]):
    """`POST patient-merges/{id}/undo`."""

    reason = serializers.CharField(max_length=500)


class MergedSerializer(serializers.ModelSerializer[Any]):
    """A merge. `not_restored` says what an undo left as it was: fields, account, proxies."""

    taken = serializers.ListField(
        child=serializers.CharField(), help_text="Fields taken from the duplicate."
    )
    not_restored = serializers.JSONField()

    class Meta:
        model = PatientMerge
        fields = (
            "id",
            "version",
            "clinic",
            "kept",
            "duplicate",
            "reason",
            "merged_by",
            "created_at",
            "appointments",
            "taken",
            "undone_at",
            "undone_by",
            "undo_reason",
            "not_restored",
        )
        read_only_fields = fields


class ChartSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    mrn = serializers.CharField()
    created_at = InstantField()


class FieldPairSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="As in `take`.")
    kept = serializers.JSONField(allow_null=True)
    duplicate = serializers.JSONField(allow_null=True)
    takes = serializers.ChoiceField(choices=Side.choices)


class MovesSerializer(serializers.Serializer[Any]):
    visits = serializers.IntegerField()
    open_visits = serializers.IntegerField()
    proxies = serializers.IntegerField()
    proxies_shared = serializers.IntegerField(help_text="Act for both; kept once.")
    account = serializers.BooleanField()


class ConflictSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text=" or ".join(ConflictKind.values))
    blocking = serializers.BooleanField()
    detail = serializers.CharField()
    starts_at = InstantField(allow_null=True)


class PreviewSerializer(serializers.Serializer[Any]):
    """Both charts side by side, what would move, and what stands against it."""

    kept = ChartSerializer()
    duplicate = ChartSerializer()
    possible = serializers.BooleanField()
    fields_compared = FieldPairSerializer(many=True)
    moves = MovesSerializer()
    conflicts = ConflictSerializer(many=True)


class PatientMerging(Resource):
    """Two charts of one person made into one."""

    queryset = Patient.objects.none()
    serializer_class = PreviewSerializer
    needs = {"merge": Permission.PATIENT_WRITE, "preview": Permission.PATIENT_WRITE}
    idempotent = frozenset({"merge"})

    @extend_schema(
        parameters=[OpenApiParameter("duplicate", UUID, required=True)],
        responses=PreviewSerializer,
        filters=False,
    )
    @action(detail=True)
    def preview(self, request: Request, pk: str) -> Response:
        """What merging the duplicate into this chart would do. Both charts are shown (audited)."""
        refuse_unknown(request, {"duplicate"})
        found = merge_preview(by=request.auth, keep=UUID(pk), duplicate=_duplicate(request))
        return Response(_preview(found))

    @extend_schema(request=MergeSerializer, responses={201: MergedSerializer})
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        """Merge the duplicate into this chart; `If-Match` is this chart's. It can be undone."""
        data = self.checked(serializer=MergeSerializer)
        keep = UUID(pk)
        versions = {
            chart: version
            for chart, version in (
                (keep, expected_version(request)),
                (data["duplicate"], data.get("duplicate_version")),
            )
            if version is not None
        }
        merge = patients_merge(
            by=request.auth,
            keep=keep,
            duplicate=data["duplicate"],
            take=data.get("take"),
            expected_versions=versions,
            reason=data["reason"],
        )
        return self.answer(merge, status=201, data=MergedSerializer(merge).data)


class PatientMerges(Resource):
    """Merges that were made."""

    queryset = PatientMerge.objects.none()
    serializer_class = MergedSerializer
    needs = {"undo": Permission.PATIENT_WRITE}

    @extend_schema(request=UndoSerializer, responses=MergedSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Part the charts again; what was booked or changed since then stays where it is."""
        data = self.checked(serializer=UndoSerializer)
        return self.answer(merge_undo(by=request.auth, merge=UUID(pk), reason=data["reason"]))


def _duplicate(request: Request) -> UUID:
    try:
        return UUID(request.query_params["duplicate"])
    except (KeyError, ValueError):
        raise invalid("duplicate", "the id of a chart") from None


def _preview(found: MergePreview) -> dict[str, Any]:
    return {
        "kept": ChartSerializer(found.kept).data,
        "duplicate": ChartSerializer(found.duplicate).data,
        "possible": found.is_possible,
        "fields_compared": [
            {
                "name": pair.name,
                "kept": pair.kept,
                "duplicate": pair.duplicate,
                "takes": Side.DUPLICATE if pair.taken else Side.KEPT,
            }
            for pair in found.fields
        ],
        "moves": MovesSerializer(found.moves).data,
        "conflicts": [ConflictSerializer(conflict).data for conflict in found.conflicts],
    }
