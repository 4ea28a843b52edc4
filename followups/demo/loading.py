"""Continuing care in the demo clinics: plans, chains, series, the waitlist."""

from collections.abc import Iterable
from datetime import datetime

from clinics.models import Clinic
from core import journal
from followups.demo.cast import clinic_read
from followups.demo.chains import chain_load
from followups.demo.plans import plans_load
from followups.demo.series import series_load
from followups.demo.waitlist import waitlist_load
from followups.services.offer_jobs import offers_send_due
from followups.services.plan_changes import plans_mark_overdue


def care_load(clinics: Iterable[Clinic], *, now: datetime) -> None:
    """Give the clinics what follows their visits, through the services.

    The same for the same diary; within the load's transaction, in the system's scope. What a job
    would do later is done once:
    plans whose date has passed are overdue, and the freed times are offered to the first people,
    where it is an hour at which the clinic sends.
    """
    for clinic in clinics:
        stage = clinic_read(clinic, now=now)
        chain_load(stage)
        plans_load(stage)
        series_load(stage)
        waitlist_load(stage)
        journal.record(journal.Act("care.demo_loaded", "clinics.clinic", clinic.id, clinic.id))
    plans_mark_overdue()
    offers_send_due()
