"""`/pair`: a browser becomes a device of a clinic by the code that an administrator reads out."""

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from checkin.device_auth import device_forget, device_keep, token_in
from checkin.models import CheckInDevice
from checkin.pages.door import HOMES
from checkin.services.devices import device_by_token, device_pair, device_return
from clinics.pages import PageRequest, page
from core import tenancy
from core.errors import ErrorCode, KairosError
from core.forms import refusal_show


class PairForm(forms.Form):
    """The code, however it is typed: in any case, with or without what parts its groups."""

    code = forms.CharField(
        label=_("Pairing code"),
        max_length=40,
        help_text=_("Eight letters and digits, such as K7WM-4TPX."),
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )


@sensitive_post_parameters("code")
@page(public=True)
def pair(request: PageRequest) -> HttpResponse:
    """Type the code once; from then on this browser is the device."""
    form = PairForm(request.POST if request.method == "POST" else None)
    status, headers = 200, {}
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                device, token = device_pair(pairing_code=form.cleaned_data["code"])
            except KairosError as refusal:
                refusal_show(form, refusal)
                status, headers = refusal.status, refusal.headers
            else:
                response = redirect(HOMES[device.kind])
                device_keep(response, token)
                return response
    present = _present(request)
    home = HOMES[present.kind] if present is not None else ""
    shown = {"form": form, "device": present, "home": home}
    return TemplateResponse(request, "checkin/pair.html", shown, status=status, headers=headers)


@page(public=True)
def end(request: PageRequest) -> HttpResponse:
    """A phone that was lent as a scanner stops being one, by whoever holds it."""
    response = redirect("pair")
    if request.method == "POST":
        device = _present(request)
        if device is not None:
            if device.expires_at is None:  # a kiosk is no business of who stands before it
                raise KairosError(ErrorCode.PERMISSION_DENIED)
            device_return(device=device)
        device_forget(response)
    return response


def _present(request: PageRequest) -> CheckInDevice | None:
    """The live device that this browser is."""
    try:
        return device_by_token(token_in(request))
    except KairosError:
        tenancy.narrow([])
        return None
