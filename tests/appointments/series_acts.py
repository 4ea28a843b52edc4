"""A series changed over the API, and what the answer is compared with."""

from tests.appointments.scene import House
from tests.appointments.test_series import starts


def path(made: dict) -> str:
    return f"appointments/series/{made['id']}"


def now(ground: House, made: dict, *, cancelled: bool = False) -> list[str]:
    """The series' visits as they stand, by time, in Berlin."""
    seen = ground.reception.api.get(path(made)).json()
    if not cancelled:
        seen["visits"] = [one for one in seen["visits"] if one["status"] != "CANCELLED"]
    return sorted(starts(seen))


def change(ground: House, made: dict, scope: str, visit: int | None = None, **fields):
    """`visit`: which of the visits, from 1."""
    body = {"scope": scope, **fields}
    if visit is not None:
        body["appointment"] = made["visits"][visit - 1]["id"]
    return ground.reception.api.patch(path(made), body)


def changed(ground: House, made: dict, scope: str, visit: int | None = None, **fields) -> dict:
    """The change, previewed first: the preview says what then happens."""
    body = {"scope": scope, **fields}
    if visit is not None:
        body["appointment"] = made["visits"][visit - 1]["id"]
    preview = ground.reception.api.post(
        f"{path(made)}/preview", {key: value for key, value in body.items() if key != "policy"}
    )
    assert preview.status_code == 200, preview.content
    answer = ground.reception.api.patch(path(made), body)
    assert answer.status_code == 200, answer.content
    done = answer.json()
    acts: dict[str, set[str]] = {"move": set(), "edit": set(), "cancel": set(), "book": set()}
    for one in preview.json()["dates"]:
        if one["act"] != "keep" and one["code"] is None:
            acts[one["act"]].add(one["appointment"] or one["starts_at"])
    assert {one["id"] for one in done["changed"]} == acts["move"] | acts["edit"]
    assert {one["id"] for one in done["cancelled"]} == acts["cancel"]
    assert {one["starts_at"] for one in done["booked"]} == acts["book"]
    return done


def days(*pairs: tuple[int, int], hour: int = 9, minute: int = 0) -> list[str]:
    return [f"2035-{month:02}-{day:02} {hour:02}:{minute:02}" for month, day in pairs]
