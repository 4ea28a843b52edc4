"""DRF's default permission, for views that are not an `Endpoint`."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class SignedIn(BasePermission):
    """Whoever has proven who they are."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is not None
