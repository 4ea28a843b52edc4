"""The part of a form that says who the patient is: found as one types, chosen, or a new chart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.roles import Permission
from clinics.models import Patient
from core import clock
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.finding import searchable
from dashboard.forms.booking import NewPatientForm
from dashboard.people import Chosen, Found, chosen, found, name_typed

FIND, CHOSEN, NEW = "find", "chosen", "new"


@dataclass(kw_only=True)
class PatientPart:
    """What `dashboard/book_who.html` shows. `who` says how the patient is to be told."""

    desk: Desk
    who: str = FIND
    q: str = ""
    found: list[Found] | None = None
    chosen: Chosen | None = None
    new: NewPatientForm | None = None
    like: list[Patient] = field(default_factory=list)
    seen: list[UUID] = field(default_factory=list)
    patient_said: str = ""

    def tell(self, data: Mapping[str, Any]) -> None:
        """The part about the patient, as it was sent."""
        self.q = searchable(data.get("q", ""))
        self.seen = ids_in(data.get("seen", ""))
        asked = data.get("who", FIND)
        patient = uuid_in(data.get("patient"))
        if patient is not None and asked != NEW:
            try:
                self.choose(patient)
            except KairosError as error:
                if error.code != ErrorCode.NOT_FOUND:
                    raise
                self.patient_said = _("This chart cannot be booked for any more. Search again.")
        elif asked == NEW and self.desk.may_whole(Permission.PATIENT_WRITE):
            self.who, self.new = NEW, NewPatientForm(data, today=today_at(self.desk))

    def step(self, step: str, argument: str) -> bool:
        """Take a step within the part that a button asks for; False when it asks for none."""
        if step == "use" and (patient := uuid_in(argument)) is not None:
            self.new = None
            self.choose(patient)
        elif step == NEW:
            self.begin_chart()
        elif step == FIND or (not step and self.who == FIND and self.q):
            self.search()
        else:
            return False
        return True

    def choose(self, patient: UUID) -> None:
        """Take a chart that is there. One that is not of this clinic is not found."""
        self.who, self.chosen = CHOSEN, chosen(self.desk, patient)

    def search(self) -> None:
        """Look for what was typed."""
        self.who, self.chosen, self.new = FIND, None, None
        self.found = found(self.desk, self.q)

    def warn(self, like: list[Patient]) -> None:
        """Show charts that may be of the same person as the new one."""
        self.like, self.seen = like, [one.id for one in like]

    def begin_chart(self) -> None:
        """Offer the fields of a new chart, with what was typed in them."""
        self.desk.require(Permission.PATIENT_WRITE)
        self.who, self.chosen, self.found = NEW, None, None
        self.new = new_chart_form(self.desk, self.q)


def new_chart_form(desk: Desk, typed: str) -> NewPatientForm:
    """An empty chart's form, with what was typed in its fields."""
    return NewPatientForm(initial=name_typed(typed), today=today_at(desk))


def today_at(desk: Desk) -> Any:
    """The clinic's local day."""
    return timezone.localdate(clock.now(), timezone=ZoneInfo(desk.clinic.timezone))


def ids_in(text: str) -> list[UUID]:
    """Ids with spaces between them; what is none is left out."""
    return [found for word in text.split() if (found := uuid_in(word)) is not None]


def uuid_in(value: Any) -> UUID | None:
    """The id that a field holds; None for anything else."""
    try:
        return UUID(str(value))
    except ValueError:
        return None
