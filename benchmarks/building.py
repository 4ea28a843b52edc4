"""`python -m benchmarks.building SHAPE`: fill the migrated, empty database of the environment."""

import os
import sys
import time

import django


def main(name: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from benchmarks.filling import fill  # noqa: PLC0415 - models are there only after set-up
    from benchmarks.people import people_create  # noqa: PLC0415 - same
    from benchmarks.shape import SHAPES  # noqa: PLC0415 - same

    started = time.monotonic()

    def say(what: str) -> None:
        print(f"  {time.monotonic() - started:6.1f} s  {what}", file=sys.stderr, flush=True)

    people_create(SHAPES[name])
    say("clinics, doctors, accounts")
    fill(os.environ["DATABASE_URL"], SHAPES[name], say)


if __name__ == "__main__":
    main(sys.argv[1])
