"""A service's refusal, shown in the form that asked for the act."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from core.api.problems import as_kairos_error
from core.errors import ErrorCode, KairosError

T = TypeVar("T")


def refusal_show(form: forms.BaseForm, refusal: KairosError) -> None:
    """Put a service's refusal where a person looks for it: at its fields, or above the form."""
    placed = False
    for name, sentences in (refusal.errors or {}).items():
        field = name if name in form.fields else NON_FIELD_ERRORS
        for sentence in sentences:
            text = sentence if field != NON_FIELD_ERRORS else _labelled(name, sentence)
            form.add_error(None if field == NON_FIELD_ERRORS else field, text)
            placed = True
    if not placed:
        form.add_error(None, _said(refusal))
    if free := refusal.extra.get("alternatives"):
        form.add_error(None, _("Free nearby: %(times)s") % {"times": _times(free)})


def attempted(act: Callable[[], T]) -> tuple[T | None, KairosError | None]:
    """What the service gives, or the rule that said no, with everything undone.

    Raises what a form cannot mend: a right that is missing, a fault of ours.
    """
    try:
        with transaction.atomic():
            return act(), None
    except Exception as exc:
        refusal = as_kairos_error(exc)
        if refusal is None or refusal.status >= 500 or refusal.status == 403:
            raise
        return None, refusal


def attempt(form: forms.BaseForm, act: Callable[[], T]) -> T | None:
    """As `attempted`; the refusal is said in the form."""
    done, refusal = attempted(act)
    if refusal is not None:
        refusal_show(form, refusal)
    return done


def _times(slots: list[dict[str, Any]]) -> str:
    """Starts of slots, as a person reads them, in the time zone of each."""
    moments = [
        datetime.fromisoformat(str(slot["starts_at"])).astimezone(ZoneInfo(slot["timezone"]))
        for slot in slots
    ]
    return ", ".join(date_format(moment, "D j M, H:i") for moment in moments)


def _labelled(name: str, sentence: str) -> str:
    return sentence if name in {"non_field", NON_FIELD_ERRORS} else f"{name}: {sentence}"


def _said(refusal: KairosError) -> str:
    if refusal.code == ErrorCode.PRECONDITION_FAILED:
        return str(
            _(
                "Somebody else changed this while you had it open. Nothing of yours was saved."
                " Open it again to see the change, then make yours."
            )
        )
    return refusal.detail
