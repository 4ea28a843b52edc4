"""Booking: a free time, the patient, done."""

from django.urls import path

from dashboard.views.booking import book, finding, free

urlpatterns = [
    path("book", book.book, name="desk-book"),
    path("next", free.next_free, name="desk-next"),
    path("holds", book.hold, name="desk-hold"),
    path("holds/<uuid:hold_id>/release", book.release, name="desk-hold-release"),
    path("find", finding.find, name="desk-patient-find"),
    path("patients/new", finding.new, name="desk-patient-new"),
]
