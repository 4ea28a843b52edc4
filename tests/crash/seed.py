"""`python -m tests.crash.seed DOCTORS CHARTS`: migrate the environment's database, open a clinic.

What a client has to know of it goes to the standard output, as JSON.

Its own process, because the tests' Django is bound to another database.
"""

import json
import os
import sys

import django
from django.core.management import call_command


def main(doctors: int, charts: int) -> dict:
    from tests.appointments.scene import house  # noqa: PLC0415 - needs the settings

    call_command("migrate", verbosity=0, interactive=False)
    ground = house("storm")
    staff = [ground.doctor, *(ground.add_doctor() for _ in range(doctors - 1))]
    for doctor in staff[1:]:
        ground.add_hours(doctor)
    return {
        "token": ground.reception.token,
        "doctors": [str(doctor.id) for doctor in staff],
        "charts": [str(ground.add_chart().id) for _ in range(charts)],
        "location": str(ground.location.id),
        "service": str(ground.service.id),
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
