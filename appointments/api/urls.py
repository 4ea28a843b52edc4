from django.urls import re_path

from appointments.api.assessments import Assessments
from appointments.api.bundles import Bundles
from appointments.api.exceptions import Exceptions
from appointments.api.merging import PatientMerges, PatientMerging
from appointments.api.series import Recurring, Series
from appointments.api.slots import Slots
from appointments.api.views import Appointments
from core.api.routing import Router

router = Router()
router.register("appointments", Appointments, basename="appointment")
router.register("schedule-exceptions", Exceptions, basename="schedule-exception")

urlpatterns = [
    re_path(
        r"^appointments/doctor/(?P<doctor_id>[0-9a-fA-F-]{36})/availability/?$",
        Slots.as_view({"get": "availability"}),
        name="availability",
    ),
    re_path(
        r"^appointments/bundles/search/?$",
        Bundles.as_view({"post": "search"}),
        name="bundles-search",
    ),
    re_path(r"^appointments/bundles/?$", Bundles.as_view({"post": "create"}), name="bundles"),
    re_path(
        r"^assessments/slot-pairs/?$",
        Assessments.as_view({"get": "list"}),
        name="assessment-pairs",
    ),
    re_path(r"^assessments/?$", Assessments.as_view({"post": "create"}), name="assessments"),
    re_path(r"^slots/?$", Slots.as_view({"get": "list"}), name="slots"),
    re_path(r"^slots/next/?$", Slots.as_view({"get": "next"}), name="slots-next"),
    re_path(r"^slots/holds/?$", Slots.as_view({"post": "create"}), name="holds"),
    re_path(
        r"^slots/holds/(?P<pk>[0-9a-fA-F-]{36})/?$",
        Slots.as_view({"delete": "destroy"}),
        name="hold",
    ),
    re_path(
        rf"^patients/(?P<pk>{PatientMerging.lookup_value_regex})/merge-preview/?$",
        PatientMerging.as_view({"get": "preview"}),
        name="patient-merge-preview",
    ),
    re_path(
        rf"^patients/(?P<pk>{PatientMerging.lookup_value_regex})/merge/?$",
        PatientMerging.as_view({"post": "merge"}),
        name="patient-merge",
    ),
    re_path(
        rf"^patient-merges/(?P<pk>{PatientMerges.lookup_value_regex})/undo/?$",
        PatientMerges.as_view({"post": "undo"}),
        name="patient-merge-undo",
    ),
    re_path(
        r"^appointments/recurring/?$",
        Recurring.as_view({"post": "create"}),
        name="recurring",
    ),
    re_path(
        r"^appointments/recurring/preview/?$",
        Recurring.as_view({"post": "preview"}),
        name="recurring-preview",
    ),
    re_path(
        rf"^appointments/series/(?P<pk>{Series.lookup_value_regex})/?$",
        Series.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
        name="series",
    ),
    re_path(
        rf"^appointments/series/(?P<pk>{Series.lookup_value_regex})/preview/?$",
        Series.as_view({"post": "preview"}),
        name="series-preview",
    ),
    *router.urls,
]
