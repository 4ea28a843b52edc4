"""Who sits at the desk of a clinic, and how its pages answer.

The clinic stands in the address, so that two tabs may show two clinics. A page sees that clinic
alone: rights and row security are narrowed to it, and what the person is there as a patient does
not count.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from accounts.roles import Permission
from appointments.models import Appointment
from clinics.models import Clinic
from clinics.pages import PageRequest, page, who
from clinics.principal import Principal
from core import tenancy
from core.errors import ErrorCode, KairosError

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Desk:
    """The clinic of a page, and the rights there of who asks."""

    clinic: Clinic
    principal: Principal

    def may(self, permission: Permission) -> bool:
        """Whether the permission reaches anything here: the whole clinic, or what is theirs."""
        return self.principal.may_somewhere(permission)

    def may_whole(self, permission: Permission) -> bool:
        """Whether the permission reaches the whole clinic."""
        return self.principal.may(permission, self.clinic.id)

    def may_for(self, permission: Permission, doctor_id: UUID) -> bool:
        """Whether the permission reaches what belongs to this doctor's calendar."""
        return self.principal.may_for(permission, self.clinic.id, doctor_id=doctor_id)

    @property
    def may_book(self) -> bool:
        return self.may(Permission.APPOINTMENT_BOOK)

    @property
    def may_manage(self) -> bool:
        return self.may(Permission.APPOINTMENT_MANAGE)

    @property
    def may_see_leave(self) -> bool:
        return self.may(Permission.SCHEDULE_READ)

    @property
    def may_see_queue(self) -> bool:
        return self.may(Permission.QUEUE_READ)

    @property
    def may_see_arrivals(self) -> bool:
        return self.may(Permission.CHECKIN_PLACES_READ)

    @property
    def may_scan(self) -> bool:
        return self.may(Permission.CHECKIN_RUN)

    @property
    def may_see_recall(self) -> bool:
        return self.may(Permission.FOLLOWUP_READ)

    @property
    def may_see_figures(self) -> bool:
        return self.may(Permission.ANALYTICS_OPERATIONS) or self.may(Permission.ANALYTICS_BUSINESS)

    def require(self, permission: Permission, doctor_id: UUID | None = None) -> None:
        """Raises PERMISSION_DENIED."""
        self.principal.require(permission, self.clinic.id, doctor_id=doctor_id)


class DeskRequest(PageRequest):
    """A request to a page of the desk."""

    desk: Desk


DeskView = Callable[Concatenate[DeskRequest, P], HttpResponse]


def desk_page(
    needs: Permission = Permission.APPOINTMENT_READ, *, limit: str | None = None
) -> Callable[[DeskView[P]], Callable[..., HttpResponse]]:
    """Make a view a page of the desk, for staff who hold `needs` in the clinic of the address.

    A clinic in which the person does not work is as good as none: NOT_FOUND.
    """

    def decorate(view: DeskView[P]) -> Callable[..., HttpResponse]:
        @page(limit=limit)
        @wraps(view)
        def inner(
            request: PageRequest, slug: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            here = cast(DeskRequest, request)
            here.desk = _open(who(request), slug)
            if not here.desk.may(needs):
                raise KairosError(ErrorCode.PERMISSION_DENIED)
            with timezone.override(here.desk.clinic.timezone):
                response = view(here, *args, **kwargs)
                if isinstance(response, TemplateResponse):
                    response.render()
            return response

        return inner

    return decorate


def _open(found: Principal, slug: str) -> Desk:
    clinic = Clinic.objects.filter(slug=slug, is_active=True).first()
    if clinic is None or not found.is_staff_in(clinic.id):
        raise KairosError(ErrorCode.NOT_FOUND)
    if found.is_super_admin or found.clinics != {clinic.id}:
        tenancy.narrow([clinic.id])
    narrowed = replace(
        found,
        roles={clinic.id: found.roles.get(clinic.id, frozenset())},
        held={clinic.id: found.held.get(clinic.id, frozenset())},
        charts={},
    )
    return Desk(clinic=clinic, principal=narrowed)


def panel(
    request: DeskRequest, template: str, found: Mapping[str, Any], *, status: int = 200
) -> TemplateResponse:
    """What is shown beside the board; without JavaScript, or opened by its address, a whole page.

    `template` is a fragment whose first heading names it.
    """
    context = {"desk": request.desk, **found}
    if request.htmx:
        return TemplateResponse(request, template, context, status=status)
    whole = {**context, "fragment": template}
    return TemplateResponse(request, "dashboard/panel_page.html", whole, status=status)


def done(
    request: DeskRequest, said: str, *, to: str, undo: Appointment | None = None
) -> HttpResponse:
    """After an act: say so, go on to `to`, and offer to take it back (`undo`: a visit's last step).

    Beside a board the answer is an event that `static/dashboard/panel.js` hears; where the form is
    the page, as without JavaScript, the next page says it.
    """
    if not request.htmx:
        messages.success(request, said)
        return redirect(to)
    if to and request.headers.get("X-Page-Alone"):
        messages.success(request, said)
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    detail: dict[str, Any] = {"said": said, "to": to}
    if undo is not None:
        detail["undo"] = {
            "id": str(undo.id),
            "version": undo.version,
            "label": _("Undo"),
        }
    return trigger_client_event(HttpResponse(status=204), "desk:done", detail)
