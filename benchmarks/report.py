"""The figures as a table for people, and as JSON."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures

_HEAD = (
    f"{'case':<36} {'ok/s':>7} {'(range)':>13} {'p50':>7} {'p95':>7} {'p99':>7} {'refused':>8}"
    f" {'SQL':>5} {'http':>6} {'pg':>6} {'valkey':>6} {'floor/s':>8} {'ratio':>6}  aim"
)
_UNITS = (
    f"{'':<36} {'':>7} {'':>13} {'ms':>7} {'ms':>7} {'ms':>7} {'':>8} {'each':>5}"
    f" {'ms processor, each':>20} {'':>8} {'':>6}"
)


def table(figures: Iterable[Figures], say: Callable[[str], None]) -> None:
    """One line a case."""
    say(_HEAD)
    say(_UNITS)
    for one in figures:
        say(_line(one))


def _line(one: Figures) -> str:
    low, high = one.range
    aim = ""
    if one.aim:
        aim = f"{one.aim} {'reached' if one.rate >= one.aim else 'missed'}"
    return (
        f"{one.what:<36} {one.rate:7.0f} {f'({low:.0f}-{high:.0f})':>13}"
        f" {one.latency('p50'):7.1f} {one.latency('p95'):7.1f} {one.latency('p99'):7.1f}"
        f" {one.refused:8d} {'' if one.statements is None else f'{one.statements:.1f}':>5}"
        f" {one.cpu('http'):6.2f} {one.cpu('postgres'):6.2f} {one.cpu('valkey'):6.2f}"
        f" {'' if one.floor is None else f'{one.floor:.0f}':>8}"
        f" {'' if not one.floor else f'{one.rate / one.floor:.2f}':>6}  {aim}"
    )


def as_json(figures: Iterable[Figures]) -> list[dict[str, Any]]:
    """The same, for programs."""
    return [
        {
            "case": one.name,
            "what": one.what,
            "ok_per_second": round(one.rate, 1),
            "range": [round(rate, 1) for rate in one.range],
            "latency_ms": {share: one.latency(share) for share in ("p50", "p95", "p99")},
            "refused": one.refused,
            "statements": one.statements,
            "processor_ms": {
                name: round(one.cpu(name), 3) for name in ("http", "postgres", "valkey")
            },
            "floor": {"name": one.floor_name, "per_second": one.floor},
            "ratio": round(one.rate / one.floor, 3) if one.floor else None,
            "aim": one.aim,
        }
        for one in figures
    ]


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
