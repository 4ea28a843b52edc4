"""`python -m tests.crash.seed`: migrate the environment's database and open a clinic in it.

What a client has to know of it goes to the standard output, as JSON.
"""

import json
import os

import django
from django.core.management import call_command

DOCTORS, CHARTS = 3, 40


def seed() -> dict:
    """A clinic with a few doctors and patients, and its receptionist's token."""
    from tests.appointments.scene import house  # noqa: PLC0415 - its models need the settings

    ground = house("storm")
    doctors = [ground.doctor, *(ground.add_doctor() for _ in range(DOCTORS - 1))]
    for doctor in doctors[1:]:
        ground.add_hours(doctor)
    return {
        "token": ground.reception.token,
        "doctors": [str(doctor.id) for doctor in doctors],
        "charts": [str(ground.add_chart().id) for _ in range(CHARTS)],
        "location": str(ground.location.id),
        "service": str(ground.service.id),
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    print(json.dumps(seed()))
