"""How a transfer moves: each step is one compare-and-set, so that of two callers one gets it."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from backoffice.models import Transfer, TransferFault, TransferState
from core import clock
from core.errors import ErrorCode, KairosError

_State = TransferState
#: From which states each may be entered. A check may always be repeated until it is imported.
MOVES: dict[TransferState, frozenset[TransferState]] = {
    _State.UPLOADED: frozenset({_State.UPLOADED, _State.CHECKED, _State.FAILED}),
    _State.CHECK_QUEUED: frozenset({_State.UPLOADED, _State.CHECKED, _State.FAILED}),
    _State.CHECKING: frozenset({_State.CHECK_QUEUED, _State.CHECKING}),
    _State.CHECKED: frozenset({_State.CHECKING}),
    _State.RUN_QUEUED: frozenset({_State.CHECKED}),
    _State.RUNNING: frozenset({_State.RUN_QUEUED, _State.RUNNING}),
    _State.DONE: frozenset({_State.RUNNING}),
    _State.FAILED: frozenset({_State.CHECKING, _State.RUNNING}),
    _State.DISCARDED: frozenset({_State.UPLOADED, _State.CHECKED, _State.FAILED, _State.DONE}),
}
#: A transfer that begins again.
NO_COUNTS = {"done": 0, "fresh": 0, "changed": 0, "unchanged": 0, "bad": 0, "failure": ""}


def move(transfer_id: UUID, to: TransferState, **values: Any) -> None:
    """Move the transfer, with new `values`, if it is where it may be moved from.

    Raises CONFLICT when it is not: somebody else was faster.
    """
    if not moved(transfer_id, to, from_states=MOVES[to], values=values):
        raise KairosError(
            ErrorCode.CONFLICT, _("Somebody else has gone on with this import; look again.")
        )


def moved(
    transfer_id: UUID,
    to: TransferState,
    *,
    from_states: Iterable[TransferState],
    values: Mapping[str, Any],
    holder: UUID | None = None,
) -> bool:
    """As `move`, from these states alone and only while `holder` has it; says whether it did."""
    rows = Transfer.objects.filter(id=transfer_id, state__in=list(from_states))
    if holder is not None:
        rows = rows.filter(holder=holder)
    return rows.update(state=to, updated_at=clock.now(), **values) == 1


def start_over(transfer_id: UUID) -> None:
    """Forget the counts and the faults of an earlier check or run."""
    TransferFault.objects.filter(transfer_id=transfer_id).delete()
    Transfer.objects.filter(id=transfer_id).update(**NO_COUNTS)
