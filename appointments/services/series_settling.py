"""Judging a change of a series: what fits together, and what each date is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from appointments.models import ClashPolicy
from appointments.services import calendar
from appointments.services.series_dates import Act, SeriesDate, alternatives_near, patient_key
from appointments.services.series_plan import ChangePlan, Move
from appointments.services.series_scope import kept_date
from core.errors import ErrorCode, KairosError

#: More than any buffer around a visit (`Service` allows four hours).
_BUFFERS = timedelta(hours=4)
_TOO_OFTEN = 12


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The kernel's word on a change: on each move by its visit, on each new date in order."""

    moves: dict[UUID, calendar.Judgement]
    new: list[calendar.Judgement]

    def of_move(self, move: Move) -> calendar.Judgement:
        return self.moves[move.visit.id]


def settle(made: ChangePlan, policy: str, *, admit: bool) -> Verdicts:
    """Judge every move and every new date; one statement where nothing clashes.

    A visit that cannot move keeps its time, and may thereby be in the way of another: under
    SKIP_CONFLICTS what remains is judged again until it fits together. Raises SERIES_CONFLICT if
    it does not come to an end.
    """
    new = made.drawn.visits if made.drawn is not None else []
    verdicts: dict[UUID, calendar.Judgement] = {}
    going = list(made.moves)
    fresh = dict(enumerate(new))
    refused: dict[int, calendar.Judgement] = {}
    for _round in range(_TOO_OFTEN):
        judgements = _judge(made, going, list(fresh.values()), admit=admit)
        moved = dict(zip([move.visit.id for move in going], judgements, strict=False))
        drawn = dict(zip(fresh, judgements[len(going) :], strict=True))
        in_the_way = _collisions(made, going, fresh)
        for key in in_the_way:
            clash = calendar.Judgement(None, ErrorCode.PATIENT_CONFLICT)
            if isinstance(key, UUID):
                moved[key] = clash
            else:
                drawn[key] = clash
        verdicts |= moved
        refused |= drawn
        clashing = [move for move in going if verdicts[move.visit.id].code is not None]
        lost = [number for number in fresh if drawn[number].code is not None]
        if policy == ClashPolicy.ALL_OR_NOTHING or not (clashing or lost):
            return Verdicts(verdicts, [refused[number] for number in range(len(new))])
        stuck = {move.visit.id for move in clashing}
        going = [move for move in going if move.visit.id not in stuck]
        fresh = {number: visit for number, visit in fresh.items() if number not in lost}
    raise KairosError(ErrorCode.SERIES_CONFLICT)


def _judge(
    made: ChangePlan, going: Sequence[Move], fresh: Sequence[calendar.Visit], *, admit: bool
) -> list[calendar.Judgement]:
    visits = [move.target for move in going] + list(fresh)
    if not visits:
        return []
    leaving = [move.visit for move in going] + made.cancels
    keys = {patient_key(made.in_scope.series.patient_id)}
    for doctor, start, end in [
        *((one.doctor_id, one.starts_at, one.ends_at) for one in leaving),
        *((one.doctor, one.starts_at, one.ends_at) for one in visits),
    ]:
        for capped in (False, True):
            keys.update(calendar.lock_keys(doctor, start - _BUFFERS, end + _BUFFERS, capped=capped))
    return calendar.judge_all(
        visits,
        patient_rules=False,
        admit=admit,
        moving=[visit.id for visit in leaving],
        until=max(visit.ends_at for visit in visits) + timedelta(days=1),
        also_lock=sorted(keys) if admit else (),
    )


def _collisions(
    made: ChangePlan, going: Sequence[Move], fresh: dict[int, calendar.Visit]
) -> list[UUID | int]:
    """Of visits that would be at the same time the later ones: the kernel judges each by itself.

    Visits that stay are among them only where nobody else tells: their claims are there.
    """
    spans: list[tuple[datetime, datetime, UUID | int]] = sorted(
        [
            *((one.target.starts_at, one.target.ends_at, one.visit.id) for one in going),
            *((one.starts_at, one.ends_at, number) for number, one in fresh.items()),
        ],
        key=lambda span: span[:2],
    )
    found: list[UUID | int] = []
    until: datetime | None = None
    for start, end, key in spans:
        if until is not None and start < until:
            found.append(key)
        else:
            until = end
    return found


def change_dates(made: ChangePlan, verdicts: Verdicts, *, explain: bool = True) -> list[SeriesDate]:
    """The change date by date, by time; with `explain` clashes have what is free near them."""
    clashing = [move.target for move in made.moves if verdicts.of_move(move).code is not None]
    fresh = made.drawn.visits if made.drawn is not None else []
    clashing += [
        visit for visit, one in zip(fresh, verdicts.new, strict=True) if one.code is not None
    ]
    near = _near(made, clashing, [*(move.target for move in made.moves), *fresh], explain=explain)
    dates = made.in_scope.kept
    for move in made.moves:
        code = verdicts.of_move(move).code
        dates.append(
            SeriesDate(
                move.visit.series_sequence or 0,
                move.target.starts_at,
                move.target.ends_at,
                code,
                near[move.target] if code is not None else (),
                appointment=move.visit.id,
                was=move.visit.starts_at,
                act=Act.MOVE,
            )
        )
    for visits, act in (
        (made.cancels, Act.CANCEL),
        (made.untouched, Act.EDIT if made.texts else Act.KEEP),
    ):
        dates += [replace(kept_date(visit), code=None, act=act) for visit in visits]
    if made.drawn is not None:
        for number, visit, one in zip(made.drawn.numbers, fresh, verdicts.new, strict=True):
            free = near[visit] if one.code is not None else ()
            dates.append(SeriesDate(number, visit.starts_at, visit.ends_at, one.code, free))
    return sorted(dates, key=lambda one: (one.starts_at, one.sequence))


def _near(
    made: ChangePlan,
    clashing: Sequence[calendar.Visit],
    wanted: Sequence[calendar.Visit],
    *,
    explain: bool,
) -> dict[calendar.Visit, Sequence[Any]]:
    if not clashing or not explain:
        return dict.fromkeys(clashing, ())
    # They are alike but for those that were moved by themselves.
    moving = [move.visit.id for move in made.moves] + [visit.id for visit in made.cancels]
    found = alternatives_near(clashing[0], clashing, wanted, moving)
    return dict(zip(clashing, found, strict=True))
