"""The columns of each kind of file: their names, what may be in them, what else they are called.

An exported file has exactly these headers, and can be imported as it is.
"""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _
from import_export.fields import Field
from import_export.resources import Resource
from import_export.widgets import Widget

from accounts.roles import Role
from appointments.importing.refusals import Refusal
from appointments.models import AppointmentStatus
from backoffice.transfer.values import (
    Choice,
    Clock,
    Day,
    Email,
    Flag,
    Moment,
    Number,
    Phone,
    Text,
    Words,
)
from clinics.models import Profession, Sex, VisitMode, Weekday


class Column(Field):
    """One column. `label` is for people; `also` are headers that other systems give it.

    `is_clinical` columns leave the house only with the right to clinical text.
    """

    def __init__(
        self,
        attribute: str,
        widget: Widget,
        label: Any,
        *,
        also: Iterable[str] = (),
        is_clinical: bool = False,
    ) -> None:
        super().__init__(attribute=attribute, widget=widget)
        self.label = label
        self.also = tuple(also)
        self.is_clinical = is_clinical


class Columns(Resource):
    """The columns of a kind. `required` lists groups of which one column each must be chosen."""

    required: tuple[tuple[str, ...], ...] = ()

    def names(self) -> dict[str, list[str]]:
        """Every word by which a header is recognised, by column."""
        return {
            name: [name, str(column.label), *column.also] for name, column in self.fields.items()
        }

    def missing(self, chosen: Iterable[str]) -> list[tuple[str, ...]]:
        """The required groups of which nothing was chosen."""
        have = set(chosen)
        return [group for group in self.required if not have & set(group)]


_SEXES = {
    "FEMALE": ("f", "w", "woman", "mujer", "femenino", "feminino", "mulher"),
    "MALE": ("m", "man", "h", "hombre", "masculino", "homem"),
    "OTHER": ("o", "x", "d", "otro", "outro"),
    "UNKNOWN": ("u", "unbekannt", "desconocido", "desconhecido"),
}
_MODES = {
    "IN_PERSON": ("office", "presencial", "on site"),
    "VIDEO_CALL": ("video", "telehealth", "videollamada", "videochamada"),
    "HOME_VISIT": ("home", "domicilio"),
    "PHONE": ("telephone", "telefono", "telefone"),
}
_WEEKDAYS = {
    "MONDAY": ("mon", "lunes", "lun", "segunda", "segunda-feira", "seg"),
    "TUESDAY": ("tue", "martes", "mar", "terça", "terça-feira", "ter"),
    "WEDNESDAY": ("wed", "miércoles", "mié", "quarta", "quarta-feira", "qua"),
    "THURSDAY": ("thu", "jueves", "jue", "quinta", "quinta-feira", "qui"),
    "FRIDAY": ("fri", "viernes", "vie", "sexta", "sexta-feira", "sex"),
    "SATURDAY": ("sat", "sábado", "sáb"),
    "SUNDAY": ("sun", "domingo", "dom"),
}
_STATUSES = {
    "SCHEDULED": ("booked", "open", "agendado", "programada"),
    "COMPLETED": ("done", "attended", "fulfilled", "concluido", "completada", "realizado"),
    "NO_SHOW": ("missed", "did not attend", "dna", "faltou", "ausente"),
    "CANCELLED": ("canceled", "cancelado", "cancelada"),
}


class PatientColumns(Columns):
    """A patient's chart; known by the outside id, or without one by the record number."""

    required = (("external_id", "mrn"), ("given_name",))

    external_id = Column(
        "external_id", Text(80), _("id in another system"),
        also=("external id", "patient id", "id", "código", "id paciente"),
    )  # fmt: skip
    mrn = Column(
        "mrn", Text(40), _("record number"),
        also=("medical record number", "record", "chart", "chart number", "historia clínica",
              "número de historia", "prontuário", "nº prontuário", "expediente"),
    )  # fmt: skip
    given_name = Column(
        "given_name", Text(200), _("given name"),
        also=("first name", "firstname", "name", "nombre", "nombres", "nome", "vorname"),
    )  # fmt: skip
    family_name = Column(
        "family_name", Text(200), _("family name"),
        also=("last name", "lastname", "surname", "apellido", "apellidos", "sobrenome",
              "nachname"),
    )  # fmt: skip
    birth_date = Column(
        "birth_date", Day(), _("birth date"),
        also=("date of birth", "dob", "birthday", "born", "fecha de nacimiento", "nacimiento",
              "data de nascimento", "nascimento", "geburtsdatum"),
    )  # fmt: skip
    sex = Column(
        "sex", Choice(Sex, also=_SEXES), _("sex"), also=("gender", "sexo", "género", "genero")
    )
    phone = Column(
        "phone", Phone(), _("phone"),
        also=("phone number", "mobile", "telephone", "tel", "cell", "teléfono", "celular", "móvil",
              "telefone", "telemóvel"),
    )  # fmt: skip
    email = Column(
        "email", Email(), _("email"),
        also=("e-mail", "mail", "email address", "correo", "correo electrónico"),
    )  # fmt: skip
    region = Column(
        "region", Text(80), _("region"),
        also=("neighbourhood", "district", "city", "state", "barrio", "bairro", "región", "ciudad",
              "cidade"),
    )  # fmt: skip
    insurance = Column(
        "insurance", Text(80), _("insurance"),
        also=("insurer", "payer", "plan", "seguro", "aseguradora", "convênio", "plano de saúde"),
    )  # fmt: skip
    language = Column(
        "language", Text(12), _("language"), also=("lang", "locale", "idioma", "lengua", "língua")
    )
    notes = Column(
        "notes", Text(4000), _("notes"), is_clinical=True,
        also=("remarks", "comment", "notas", "observaciones", "observações"),
    )  # fmt: skip
    is_active = Column("is_active", Flag(), _("active"), also=("activo", "ativo"))


class DoctorColumns(Columns):
    """Someone who can be booked; known by the email address, or without one by the phone number."""

    required = (("email", "phone"), ("display_name", "family_name"))

    email = Column(
        "user__email", Email(), _("email"),
        also=("e-mail", "mail", "email address", "correo", "correo electrónico"),
    )  # fmt: skip
    phone = Column(
        "user__phone", Phone(), _("phone"),
        also=("phone number", "mobile", "telephone", "teléfono", "celular", "telefone"),
    )  # fmt: skip
    display_name = Column(
        "display_name", Text(200), _("name shown"),
        also=("name", "doctor", "full name", "nombre completo", "nome completo", "médico"),
    )  # fmt: skip
    given_name = Column(
        "user__given_name", Text(100), _("given name"), also=("first name", "nombre", "nome")
    )
    family_name = Column(
        "user__family_name", Text(100), _("family name"),
        also=("last name", "surname", "apellido", "apellidos", "sobrenome"),
    )  # fmt: skip
    role = Column("role", Choice(Role), _("role"), also=("rol", "papel", "função"))
    profession = Column(
        "profession", Choice(Profession), _("profession"), also=("profesión", "profissão")
    )
    specialties = Column(
        "specialties", Words(), _("specialties"),
        also=("specialty", "speciality", "especialidad", "especialidades", "especialidade"),
    )  # fmt: skip
    languages = Column(
        "languages", Words(), _("languages"), also=("language", "idiomas", "línguas")
    )
    licensed_regions = Column(
        "licensed_regions", Words(), _("licensed regions"), also=("licence", "license", "licencia")
    )
    accepted_insurances = Column(
        "accepted_insurances", Words(), _("accepted insurances"),
        also=("insurances", "insurance", "seguros", "convênios"),
    )  # fmt: skip
    max_daily_appointments = Column(
        "max_daily_appointments", Number(), _("appointments a day"), also=("daily cap",)
    )
    max_weekly_appointments = Column(
        "max_weekly_appointments", Number(), _("appointments a week"), also=("weekly cap",)
    )
    is_active = Column("is_active", Flag(), _("active"), also=("activo", "ativo"))


class HoursColumns(Columns):
    """A doctor's hours on a weekday; known by doctor, location, weekday, start and first day."""

    required = (("doctor",), ("location",), ("weekday",), ("start_time",), ("end_time",))

    doctor = Column(
        "doctor_name", Text(254), _("doctor"),
        also=("doctor email", "email", "name", "médico", "doctor name"),
    )  # fmt: skip
    location = Column(
        "location__name", Text(200), _("location"), also=("site", "place", "sede", "local", "lugar")
    )
    weekday = Column(
        "weekday", Choice(Weekday, also=_WEEKDAYS), _("weekday"),
        also=("day", "day of week", "día", "dia", "dia da semana", "día de la semana"),
    )  # fmt: skip
    start_time = Column(
        "start_time",
        Clock(),
        _("from"),
        also=("start", "opens", "desde", "inicio", "início", "das"),
    )
    end_time = Column("end_time", Clock(), _("to"), also=("end", "until", "hasta", "fin", "até"))
    slot_minutes = Column(
        "slot_minutes", Number(), _("slot, minutes"), also=("slot", "interval", "minutes")
    )
    capacity = Column(
        "capacity", Number(), _("patients at a time"), also=("capacidad", "capacidade")
    )
    modes = Column(
        "modes", Words(Choice(VisitMode, also=_MODES)), _("ways to meet"), also=("mode", "type")
    )
    services = Column(
        "service_names", Words(Text(160)), _("services"), also=("service", "servicios", "serviços")
    )
    valid_from = Column("valid_from", Day(), _("valid from"), also=("first day", "válido desde"))
    valid_to = Column("valid_to", Day(), _("valid to"), also=("last day", "válido hasta"))


class ServiceColumns(Columns):
    """What can be booked; known by its name."""

    required = (("name",), ("duration_minutes",))

    name = Column("name", Text(160), _("name"), also=("service", "servicio", "serviço", "nombre"))
    description = Column(
        "description", Text(500), _("description"), also=("descripción", "descrição")
    )
    duration_minutes = Column(
        "duration_minutes", Number(), _("duration, minutes"),
        also=("duration", "minutes", "length", "duración", "duração"),
    )  # fmt: skip
    buffer_before_minutes = Column(
        "buffer_before_minutes", Number(), _("buffer before, minutes"), also=("buffer before",)
    )
    buffer_after_minutes = Column(
        "buffer_after_minutes", Number(), _("buffer after, minutes"), also=("buffer after",)
    )
    modes = Column(
        "modes", Words(Choice(VisitMode, also=_MODES)), _("ways to meet"), also=("mode", "type")
    )
    capacity = Column("capacity", Number(), _("patients at a time"))
    colour = Column("colour", Text(7), _("colour"), also=("color", "cor"))
    min_notice_minutes = Column("min_notice_minutes", Number(), _("notice, minutes"))
    horizon_days = Column("horizon_days", Number(), _("how far ahead, days"))
    is_active = Column("is_active", Flag(), _("active"), also=("activo", "ativo"))
    is_public = Column("is_public", Flag(), _("patients may book it"), also=("public", "online"))


class AppointmentColumns(Columns):
    """A visit; known by its id, whether of Kairos or of the system that it comes from."""

    required = (
        ("id",), ("patient_external_id", "patient_mrn"), ("patient_given_name",), ("doctor",),
        ("status",), ("starts_at",), ("ends_at", "minutes"),
    )  # fmt: skip

    id = Column(
        "id", Text(120), _("id"), also=("appointment id", "visit id", "external id", "id cita")
    )
    patient_external_id = Column(
        "patient__external_id", Text(80), _("patient: id in another system"),
        also=("patient id", "patient", "id paciente", "paciente"),
    )  # fmt: skip
    patient_mrn = Column(
        "patient__mrn", Text(40), _("patient: record number"),
        also=("mrn", "record number", "medical record number", "prontuário", "historia clínica"),
    )  # fmt: skip
    patient_given_name = Column(
        "patient__given_name", Text(200), _("patient: given name"),
        also=("given name", "first name", "name", "patient name", "nombre", "nome"),
    )  # fmt: skip
    patient_family_name = Column(
        "patient__family_name", Text(200), _("patient: family name"),
        also=("family name", "last name", "surname", "apellidos", "sobrenome"),
    )  # fmt: skip
    patient_birth_date = Column(
        "patient__birth_date", Day(), _("patient: birth date"),
        also=("birth date", "date of birth", "dob", "fecha de nacimiento", "data de nascimento"),
    )  # fmt: skip
    patient_phone = Column(
        "patient__phone", Phone(), _("patient: phone"), also=("phone", "teléfono", "telefone")
    )
    doctor = Column(
        "doctor_name", Text(254), _("doctor"), also=("doctor email", "doctor name", "médico")
    )
    location = Column("location__name", Text(200), _("location"), also=("site", "sede", "local"))
    service = Column(
        "service__name", Text(160), _("service"), also=("servicio", "serviço", "procedure")
    )
    type = Column(
        "type", Choice(VisitMode, also=_MODES), _("way to meet"), also=("mode", "visit type")
    )
    status = Column(
        "status", Choice(AppointmentStatus, also=_STATUSES, code=Refusal.UNKNOWN_STATUS),
        _("status"), also=("state", "estado", "situação"),
    )  # fmt: skip
    starts_at = Column(
        "starts_at", Moment(), _("starts"), also=("start", "starts", "begin", "inicio", "início")
    )
    ends_at = Column("ends_at", Moment(), _("ends"), also=("end", "fin", "fim", "término"))
    minutes = Column("minutes", Number(), _("minutes"), also=("duration", "duración", "duração"))
    booked_at = Column(
        "booked_at", Moment(), _("booked"), also=("booked", "created", "created at", "scheduled")
    )
    cancelled_at = Column("cancelled_at", Moment(), _("cancelled"), also=("canceled at",))
    cancel_reason = Column(
        "cancel_reason", Text(500), _("why cancelled"), also=("cancellation reason",)
    )
    reason = Column(
        "reason", Text(500), _("reason for the visit"), is_clinical=True,
        also=("reason for visit", "motivo"),
    )  # fmt: skip
