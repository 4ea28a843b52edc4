"""Patients of the demonstration clinics: drawn at random, the same on every run of one day."""

import random
from datetime import date, timedelta

from accounts.models import User
from appointments.demo.places import OpenClinic
from clinics.models import Patient, PatientProxy, Sex
from clinics.services.changes import create_row

_MAIL_HOSTS = ("example.org", "example.net", "mail.example")
_NOTES = ("", "", "", "", "Prefers mornings.", "Hard of hearing.", "Needs step-free access.")


def patients_drawn(clinic: OpenClinic, *, today: date, account: User | None) -> list[Patient]:
    """Unsaved charts. The first is the account's own, the second that of the account's child."""
    rng = random.Random(f"patients:{clinic.spec.slug}")  # noqa: S311 - not a secret
    charts = [_patient(clinic, number, rng, today) for number in range(1, clinic.spec.patients + 1)]
    if account is not None:
        own, child = charts[0], charts[1]
        own.user, own.email = account, account.email or ""
        own.given_name, own.family_name = account.given_name, account.family_name
        own.birth_date = date(today.year - 41, 5, 17)
        own.contact_preferences = {"email": True, "sms": True}
        child.family_name = account.family_name
        child.birth_date = date(today.year - 8, 2, 3)
        child.email = ""
    return charts


def proxy_grant(clinic: OpenClinic, *, child: Patient, account: User) -> None:
    """The account books for the child."""
    create_row(
        PatientProxy,
        {
            "clinic": clinic.row,
            "patient": child,
            "user": account,
            "relation": PatientProxy.Relation.PARENT.value,
        },
        action="proxy.granted",
    )


def _patient(clinic: OpenClinic, number: int, rng: random.Random, today: date) -> Patient:
    spec = clinic.spec
    female = rng.random() < 0.54
    given = rng.choice(spec.names.women if female else spec.names.men)
    family = rng.choice(spec.names.families)
    sex = Sex.FEMALE if female else Sex.MALE
    if rng.random() < 0.02:
        sex = rng.choice((Sex.OTHER, Sex.UNKNOWN))
    age_days = int(min(97, rng.triangular(0, 97, 44)) * 365.25) + rng.randrange(365)
    free = rng.randrange(10**spec.free_digits)
    phone = f"{rng.choice(spec.phones)}{free:0{spec.free_digits}d}"
    mail = f"{given}.{family}.{number}@{rng.choice(_MAIL_HOSTS)}".lower().replace("'", "")
    return Patient(
        clinic=clinic.row,
        mrn=f"{spec.country}{number:06d}",
        given_name=given,
        family_name=family,
        sex=sex.value,
        birth_date=today - timedelta(days=age_days) if rng.random() < 0.98 else None,
        phone=phone if rng.random() < 0.95 else "",
        email=mail if rng.random() < 0.8 else "",
        region=rng.choice(spec.regions),
        insurance=rng.choice(spec.insurances),
        language=spec.language,
        contact_preferences={"email": rng.random() < 0.7, "sms": rng.random() < 0.8},
        notes=rng.choice(_NOTES),
    )
