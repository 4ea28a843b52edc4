"""Shapes of the waitlist: entries, offers, and what a link shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from appointments.api.serializers import AppointmentSerializer
from appointments.models import Priority
from clinics.models import VisitMode
from core.api.fields import InstantField
from followups.models import (
    OfferStatus,
    OpeningCause,
    OpeningStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistStatus,
)
from followups.offer_links import offer_link
from followups.services.entry_rules import MAX_DOCTORS
from followups.services.offers import OpenedOffer


def _ids() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=MAX_DOCTORS
    )


def _days() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=7),
        required=False,
        max_length=7,
        help_text="1 is Monday; empty: any.",
    )


class _WishSerializer(serializers.Serializer[Any]):
    """When and with whom somebody would come. Days and times are local to the place."""

    service = serializers.UUIDField(required=False)
    type = serializers.ChoiceField(choices=VisitMode.choices, required=False)
    location = serializers.UUIDField(required=False, allow_null=True)
    doctors = _ids()
    weekdays = _days()
    time_from = serializers.TimeField(required=False, allow_null=True)
    time_to = serializers.TimeField(required=False, allow_null=True, help_text="Over by.")
    earliest = serializers.DateField(required=False)
    latest = serializers.DateField(required=False)
    urgency = serializers.ChoiceField(
        choices=Priority.choices, required=False, help_text="Patients: NORMAL alone."
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=500)
    appointment = serializers.UUIDField(
        required=False, allow_null=True, help_text="A visit that would be moved; kept until then."
    )


class WaitlistEntryCreateSerializer(_WishSerializer):
    """`POST waitlist-entries`. A patient may leave `patient` out."""

    patient = serializers.UUIDField(required=False, allow_null=True)


class EntryChangeSerializer(_WishSerializer):
    """`PUT`, `PATCH waitlist-entries/{id}`: what is left out stays as it is."""


class OpenOfferSerializer(serializers.Serializer[Any]):
    """An offer that can be accepted now, with the token to do so."""

    id = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    starts_at = InstantField()
    ends_at = InstantField()
    timezone = serializers.CharField()
    expires_at = InstantField()
    token = serializers.CharField(help_text="Empty for staff: the link is the patient's.")


class WaitlistEntrySerializer(serializers.Serializer[Any]):
    """Somebody who waits."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    clinic = serializers.UUIDField()
    patient = serializers.UUIDField()
    service = serializers.UUIDField()
    type = serializers.ChoiceField(choices=VisitMode.choices)
    location = serializers.UUIDField(allow_null=True)
    doctors = serializers.ListField(child=serializers.UUIDField())
    weekdays = serializers.ListField(child=serializers.IntegerField())
    time_from = serializers.TimeField(allow_null=True)
    time_to = serializers.TimeField(allow_null=True)
    earliest = serializers.DateField()
    latest = serializers.DateField()
    urgency = serializers.ChoiceField(choices=Priority.choices)
    status = serializers.ChoiceField(choices=WaitlistStatus.choices)
    appointment = serializers.UUIDField(allow_null=True)
    booked = serializers.UUIDField(allow_null=True, help_text="The visit that was won.")
    note = serializers.CharField()
    by_patient = serializers.BooleanField()
    created_at = InstantField()
    closed_at = InstantField(allow_null=True)
    offers = OpenOfferSerializer(many=True)


class HandOfferSerializer(serializers.Serializer[Any]):
    """`POST waitlist-entries/{id}/offers`: a time for one person, chosen by the desk."""

    doctor = serializers.UUIDField()
    location = serializers.UUIDField(required=False, allow_null=True)
    starts_at = InstantField()


class StaffAcceptSerializer(serializers.Serializer[Any]):
    """`POST waitlist-entries/{id}/accept`: the patient has said yes to the desk."""

    offer = serializers.UUIDField()


class NothingSerializer(serializers.Serializer[Any]):
    """A step that takes nothing."""


class OfferSerializer(serializers.Serializer[Any]):
    """One line of the ledger."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    clinic = serializers.UUIDField()
    entry = serializers.UUIDField()
    patient = serializers.UUIDField()
    opening = serializers.UUIDField()
    cause = serializers.ChoiceField(choices=OpeningCause.choices)
    opening_status = serializers.ChoiceField(choices=OpeningStatus.choices)
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    starts_at = InstantField()
    ends_at = InstantField()
    timezone = serializers.CharField()
    status = serializers.ChoiceField(choices=OfferStatus.choices)
    batch = serializers.IntegerField()
    place = serializers.IntegerField()
    created_at = InstantField()
    sent_at = InstantField(allow_null=True)
    sent_by = serializers.CharField(help_text="Empty: to be told by the desk.")
    expires_at = InstantField()
    answered_at = InstantField(allow_null=True)
    by_staff = serializers.BooleanField()


class NamedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class OpenedOfferSerializer(serializers.Serializer[Any]):
    """What a link shows: nothing of the patient."""

    clinic = NamedSerializer()
    doctor = NamedSerializer()
    service = NamedSerializer()
    location = NamedSerializer(allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices)
    starts_at = InstantField()
    ends_at = InstantField()
    timezone = serializers.CharField()
    expires_at = InstantField()
    status = serializers.ChoiceField(choices=OfferStatus.choices)
    moves_from = InstantField(allow_null=True, help_text="The visit that would be moved.")


class AcceptedSerializer(serializers.Serializer[Any]):
    """The visit that was booked or moved, and its personal link."""

    appointment = AppointmentSerializer()
    visit_link = serializers.CharField()


def entry_data(
    entry: WaitlistEntry, offers: Sequence[WaitlistOffer], *, with_tokens: bool
) -> Mapping[str, Any]:
    """An entry as it stands in answers; `with_tokens` for the patient themselves."""
    return {
        "id": entry.id,
        "version": entry.version,
        "clinic": entry.clinic_id,
        "patient": entry.patient_id,
        "service": entry.service_id,
        "type": entry.mode,
        "location": entry.location_id,
        "doctors": entry.doctors,
        "weekdays": entry.weekdays,
        "time_from": entry.time_from,
        "time_to": entry.time_to,
        "earliest": entry.earliest,
        "latest": entry.latest,
        "urgency": entry.urgency,
        "status": entry.status,
        "appointment": entry.appointment_id,
        "booked": entry.booked_id,
        "note": entry.note,
        "by_patient": entry.by_patient,
        "created_at": entry.created_at,
        "closed_at": entry.closed_at,
        "offers": [
            {
                "id": offer.id,
                "doctor": offer.opening.doctor_id,
                "location": offer.opening.location_id,
                "starts_at": offer.starts_at,
                "ends_at": offer.ends_at,
                "timezone": offer.opening.timezone,
                "expires_at": offer.expires_at,
                "token": offer_link(offer) if with_tokens else "",
            }
            for offer in offers
        ],
    }


def offer_data(offer: WaitlistOffer) -> dict[str, Any]:
    """A line of the ledger; its entry and its opening are read with it."""
    opening = offer.opening
    return {
        "id": offer.id,
        "version": offer.version,
        "clinic": offer.clinic_id,
        "entry": offer.entry_id,
        "patient": offer.entry.patient_id,
        "opening": offer.opening_id,
        "cause": opening.cause,
        "opening_status": opening.status,
        "doctor": opening.doctor_id,
        "location": opening.location_id,
        "starts_at": offer.starts_at,
        "ends_at": offer.ends_at,
        "timezone": opening.timezone,
        "status": offer.status,
        "batch": offer.batch,
        "place": offer.place,
        "created_at": offer.created_at,
        "sent_at": offer.sent_at,
        "sent_by": offer.sent_by,
        "expires_at": offer.expires_at,
        "answered_at": offer.answered_at,
        "by_staff": offer.by_staff,
    }


def opened_data(opened: OpenedOffer) -> dict[str, Any]:
    """What the holder of a link is shown."""
    offer, entry = opened.offer, opened.entry
    opening, present = offer.opening, entry.appointment
    place = opening.location
    return {
        "clinic": {"id": offer.clinic_id, "name": offer.clinic.name},
        "doctor": {"id": opening.doctor_id, "name": opening.doctor.display_name},
        "service": {"id": entry.service_id, "name": entry.service.name},
        "location": {"id": place.id, "name": place.name} if place is not None else None,
        "type": entry.mode,
        "starts_at": offer.starts_at,
        "ends_at": offer.ends_at,
        "timezone": opening.timezone,
        "expires_at": offer.expires_at,
        "status": offer.status,
        "moves_from": present.starts_at if present is not None else None,
    }
