"""Who gets which answer from which page, by roles.md. A page without a row fails the tests.

A row is walked as every role against its own clinic's thing, a foreign one and one that does not
exist. What a foreign thing answers must be what an unknown thing answers, to the letter.
"""

from tests.backoffice.filled import (
    clinic_form,
    device_form,
    doctor_form,
    entry_form,
    exception_form,
    first_rules_form,
    location_form,
    membership_form,
    new_doctor_form,
    patient_form,
    plan_form,
    point_form,
    proxy_form,
    room_form,
    rules_form,
    service_form,
    template_form,
    upload_form,
    visit_form,
    week_form,
)
from tests.backoffice.rows import (
    ALL,
    ARRIVALS,
    CHART_WRITERS,
    CHASERS,
    EXPORTERS,
    HOURS_READERS,
    HOURS_WRITERS,
    INSTALLATION,
    NOBODY,
    OTHERS,
    PLACES_READERS,
    PLAN_READERS,
    PLAN_WRITERS,
    QUEUE_READERS,
    TREATERS,
    UNSEEN,
    VISIT_BOOKERS,
    VISIT_READERS,
    WAITLIST,
    Row,
    Table,
    about,
    button,
    nothing,
    on_version,
    panel,
    read,
    site,
    step,
    visit_page,
)
from tests.backoffice.world import page
from tests.matrix.table import MANAGERS

TABLE: Table = {
    # The site itself
    ("index", "get", ""): Row(site("index"), elsewhere=None),
    # The theme's own search is closed: the sidebar is the way.
    ("search", "get", ""): Row(site("search", query="?s=pat"), NOBODY, refused=404, elsewhere=None),
    ("login", "get", ""): Row(site("login"), ok=302, elsewhere=None, public=True),
    ("logout", "get", ""): Row(site("logout"), ok=405, elsewhere=None, public=True),
    ("logout", "post", ""): Row(site("logout"), ok=302, body=nothing, elsewhere=None, public=True),
    ("clinic_switch", "get", ""): Row(site("clinic_switch"), elsewhere=None),
    ("clinic_switch", "post", ""): Row(
        site("clinic_switch"), ok=302, body=lambda world: {"clinic": world.clinic.pk}
    ),
    ("password_change", "get", ""): Row(site("password_change"), ok=302, elsewhere=None),
    ("password_change", "post", ""): Row(
        site("password_change"), ok=302, body=nothing, elsewhere=None
    ),
    ("password_change_done", "get", ""): Row(site("password_change_done"), elsewhere=None),
    ("autocomplete", "get", ""): Row(
        site("autocomplete", query="?app_label=clinics&model_name=room&field_name=location&term=a"),
        elsewhere=None,
    ),
    ("jsi18n", "get", ""): Row(site("jsi18n"), elsewhere=None),
    # No row has a page of its own outside: all alike are not there.
    ("view_on_site", "get", ""): Row(
        lambda world: page("view_on_site", 1, world.patient.pk), NOBODY, refused=404
    ),
    ("app_list", "get", ""): Row(site("app_list", "clinics"), ok=302, elsewhere=None),
    # Visits: read, and moved by their steps; never changed or deleted as rows
    **panel(
        "appointments_appointment",
        "visit",
        reads=VISIT_READERS,
        adds=VISIT_BOOKERS,
        may_add_somewhere=OTHERS,
        new=visit_form,
    ),
    **step("approve", "PENDING", VISIT_BOOKERS),
    **step("confirm", "SCHEDULED", VISIT_BOOKERS),
    **step("check_in", "CONFIRMED", ARRIVALS),
    **step("start", "CHECKED_IN", TREATERS),
    **step("complete", "IN_PROGRESS", TREATERS),
    **step("no_show", "SCHEDULED", VISIT_BOOKERS),
    **step("cancel", "SCHEDULED", VISIT_BOOKERS),
    **visit_page(
        "reschedule",
        VISIT_BOOKERS,
        "visit",
        lambda world: {
            "day": "2035-06-04",
            "time": "11:30",
            "minutes": 30,
            "doctor": world.doctor.pk,
            "location": world.location.pk,
        },
    ),
    **visit_page("edit", VISIT_BOOKERS, "visit", lambda world: {"priority": "HIGH"}),
    **visit_page("undo", VISIT_BOOKERS, "confirmed", lambda world: {"reason": "because"}),
    # The calendar
    **panel("appointments_busytime", "hold", reads=HOURS_READERS, blind=OTHERS),
    **button("appointments_busytime_release", "hold", VISIT_BOOKERS, refused=404),
    **panel(
        "clinics_scheduletemplate",
        "template",
        reads=HOURS_READERS,
        adds=HOURS_WRITERS - OTHERS,
        may_add_somewhere=OTHERS,
        changes=HOURS_WRITERS,
        removes=HOURS_WRITERS,
        blind=OTHERS,
        new=template_form,
        changed=lambda world: read(world, "template", **template_form(world)),
    ),
    **panel(
        "clinics_scheduleexception",
        "exception",
        reads=HOURS_READERS,
        adds=HOURS_WRITERS - OTHERS,
        may_add_somewhere=OTHERS,
        removes=HOURS_WRITERS,
        blind=OTHERS,
        new=exception_form,
    ),
    **panel(
        "clinics_doctor",
        "doctor",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        new=new_doctor_form,
        changed=lambda world: read(world, "doctor", **doctor_form(world)),
    ),
    ("clinics_doctor_hours", "get", ""): Row(
        about("clinics_doctor_hours", "doctor"), HOURS_READERS - OTHERS
    ),
    ("clinics_doctor_hours", "post", ""): Row(
        about("clinics_doctor_hours", "doctor"), TREATERS, 302, week_form
    ),
    # Arrival
    **panel(
        "checkin_checkinlocation",
        "point",
        reads=PLACES_READERS,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=point_form,
        changed=lambda world: read(world, "point", **point_form(world)),
    ),
    **on_version("checkin_checkinlocation_turn", "point"),
    **panel(
        "checkin_checkindevice", "scanner", reads=PLACES_READERS, adds=MANAGERS, new=device_form
    ),
    **on_version("checkin_checkindevice_renew", "scanner"),
    **on_version("checkin_checkindevice_revoke", "scanner"),
    **panel("checkin_checkinalert", "alert", reads=PLACES_READERS),
    **on_version("checkin_checkinalert_see", "alert"),
    **panel("checkin_checkin", "arrival", reads=ARRIVALS),
    **panel("checkin_checkinattempt", "attempt", reads=PLACES_READERS),
    **panel("checkin_queueentry", "entry", reads=QUEUE_READERS, blind=OTHERS),
    # Continuing care
    **panel("appointments_appointmentseries", "series", reads=VISIT_READERS),
    **panel(
        "followups_followupplan",
        "plan",
        reads=PLAN_READERS,
        adds=PLAN_WRITERS,
        may_add_somewhere=OTHERS,
        changes=PLAN_WRITERS | OTHERS,
        blind=OTHERS,
        new=plan_form,
        changed=lambda world: read(world, "plan", **plan_form(world)),
    ),
    ("followups_followupplan_cancel", "get", ""): Row(
        about("followups_followupplan_cancel", "plan"), PLAN_WRITERS, also=UNSEEN
    ),
    ("followups_followupplan_cancel", "post", ""): Row(
        about("followups_followupplan_cancel", "plan"),
        PLAN_WRITERS,
        302,
        lambda world: {"version": 1, "reason": "because"},
        also=UNSEEN,
    ),
    **panel("followups_contactattempt", "asked", reads=PLAN_READERS, blind=OTHERS),
    **panel("followups_followupinvitation", "invitation", reads=PLAN_READERS, blind=OTHERS),
    **on_version("followups_followupinvitation_withdraw", "invitation", CHASERS, also=UNSEEN),
    **panel(
        "followups_waitlistentry",
        "waiting",
        reads=WAITLIST,
        adds=VISIT_BOOKERS,
        may_add_somewhere=OTHERS,
        changes=WAITLIST,
        blind=OTHERS,
        new=entry_form,
        changed=lambda world: read(world, "waiting", **entry_form(world)),
    ),
    **on_version("followups_waitlistentry_withdraw", "waiting", VISIT_BOOKERS, also=UNSEEN),
    **panel("followups_waitlistopening", "opening", reads=WAITLIST, blind=OTHERS),
    **panel("followups_waitlistoffer", "offer", reads=WAITLIST, blind=OTHERS),
    **panel(
        "followups_carepolicy",
        "rules",
        reads=MANAGERS,
        adds=MANAGERS,
        changes=MANAGERS,
        new=first_rules_form,
        changed=lambda world: read(world, "rules", **rules_form(world)),
    ),
    # The clinic and what stands in it
    **panel(
        "clinics_clinic",
        "clinic",
        reads=MANAGERS,
        adds=INSTALLATION,
        changes=MANAGERS,
        new=lambda world: clinic_form("Third", "third") | {"admin_email": "third@new.test"},
        changed=lambda world: read(world, "clinic", **clinic_form("Renamed", "renamed")),
    ),
    **panel(
        "clinics_location",
        "location",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=location_form,
        changed=lambda world: read(world, "location", **location_form(world)),
    ),
    **panel(
        "clinics_room",
        "room",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=room_form,
        changed=lambda world: read(world, "room", **room_form(world)),
    ),
    **panel(
        "clinics_service",
        "service",
        reads=ALL,
        adds=MANAGERS,
        changes=MANAGERS,
        removes=MANAGERS,
        new=service_form,
        changed=lambda world: read(world, "service", **service_form(world)),
    ),
    # People
    **panel(
        "clinics_patient",
        "patient",
        reads=ALL,
        adds=CHART_WRITERS,
        changes=CHART_WRITERS,
        new=patient_form,
        changed=lambda world: read(world, "patient", **patient_form(world)),
    ),
    ("clinics_patient_merge", "get", ""): Row(
        lambda world: (
            page("clinics_patient_merge", world.patient.pk) + f"?duplicate={world.spare.pk}"
        ),
        CHART_WRITERS,
    ),
    ("clinics_patient_merge", "post", ""): Row(
        lambda world: (
            page("clinics_patient_merge", world.patient.pk) + f"?duplicate={world.spare.pk}"
        ),
        CHART_WRITERS,
        302,
        lambda world: {"kept_version": 1, "duplicate_version": 1, "reason": "because"},
    ),
    **panel("appointments_patientmerge", "merge", reads=CHART_WRITERS),
    ("appointments_patientmerge_undo", "get", ""): Row(
        about("appointments_patientmerge_undo", "merge"), CHART_WRITERS, refused=404
    ),
    ("appointments_patientmerge_undo", "post", ""): Row(
        about("appointments_patientmerge_undo", "merge"),
        CHART_WRITERS,
        302,
        lambda world: {"reason": "because"},
        refused=404,
    ),
    **panel(
        "clinics_patientproxy",
        "proxy",
        reads=CHART_WRITERS,
        adds=CHART_WRITERS,
        changes=CHART_WRITERS,
        removes=CHART_WRITERS,
        new=proxy_form,
        changed=lambda world: read(world, "proxy", valid_until="2036-01-01"),
    ),
    **panel(
        "clinics_membership",
        "membership",
        reads=MANAGERS,
        adds=MANAGERS,
        changes=MANAGERS,
        new=membership_form,
        changed=lambda world: read(world, "membership", role="NURSE", is_active="on"),
    ),
    **button("clinics_membership_invitation", "invited", MANAGERS, ok=200, refused=404),
    **panel(
        "accounts_user",
        "nurse",
        reads=INSTALLATION,
        changes=INSTALLATION,
        changed=lambda world: {"given_name": "New", "locale": "en", "timezone": "UTC"},
    ),
    **button("accounts_user_switch", "nurse", INSTALLATION, refused=404),
    **panel("accounts_refreshsession", "session", reads=MANAGERS),
    **button("accounts_refreshsession_sign_out", "session", MANAGERS, refused=404),
    # Files in and out: charts may be imported by who writes them, exported by who runs the clinic
    ("transfer_list", "get", ""): Row(site("transfer_list"), CHART_WRITERS, elsewhere=None),
    ("transfer_new", "get", ""): Row(site("transfer_new"), CHART_WRITERS, elsewhere=None),
    ("transfer_new", "post", ""): Row(
        site("transfer_new"), CHART_WRITERS, 302, upload_form, elsewhere=None
    ),
    ("transfer_export", "get", ""): Row(site("transfer_export"), EXPORTERS, elsewhere=None),
    ("transfer_export", "post", ""): Row(
        site("transfer_export"),
        EXPORTERS,
        body=lambda world: {"clinic": world.clinic.pk, "kind": "hours", "file_format": "csv"},
        elsewhere=None,
    ),
    ("transfer_detail", "get", ""): Row(about("transfer_detail", "checked"), CHART_WRITERS),
    ("transfer_columns", "get", ""): Row(about("transfer_columns", "upload"), CHART_WRITERS),
    ("transfer_columns", "post", ""): Row(
        about("transfer_columns", "upload"),
        CHART_WRITERS,
        302,
        lambda world: {
            "date_style": "iso",
            "country": "DE",
            "bad_lines": "stop",
            "mrn": "0",
            "given_name": "1",
            "family_name": "2",
        },
    ),
    ("transfer_progress", "get", ""): Row(about("transfer_progress", "upload"), CHART_WRITERS),
    ("transfer_faults", "get", ""): Row(about("transfer_faults", "checked"), CHART_WRITERS),
    ("transfer_run", "get", ""): Row(
        about("transfer_run", "checked"), NOBODY, refused=405, elsewhere=405
    ),
    ("transfer_run", "post", ""): Row(
        about("transfer_run", "checked"), CHART_WRITERS, 302, lambda world: {"bad_lines": "stop"}
    ),
    # There is nothing that waits for a worker, which is a clash, and seen by who may see it.
    **button("transfer_continue", "upload", CHART_WRITERS, ok=409),
    **button("transfer_discard", "upload", CHART_WRITERS),
    # The installation's machinery and the trail
    **panel("core_outboxevent", "outbox", reads=INSTALLATION),
    **button("core_outboxevent_retry", "outbox", INSTALLATION),
    **panel(
        "django_celery_beat_periodictask",
        "job",
        reads=INSTALLATION,
        changes=INSTALLATION,
        changed=lambda world: {"enabled": "on"},
    ),
    **button("django_celery_beat_periodictask_run", "job", INSTALLATION),
    **panel("core_auditevent", "audit", reads=MANAGERS),
}
#: Tables that belong to no clinic: there is no foreign row in them.
SHARED = frozenset({"django_celery_beat_periodictask"})
