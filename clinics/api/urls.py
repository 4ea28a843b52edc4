from clinics.api.views.clinics import Clinics
from clinics.api.views.doctors import Doctors, ScheduleTemplates
from clinics.api.views.patients import Patients
from clinics.api.views.places import Locations, Rooms, Services
from core.api.routing import Router

router = Router()
router.register("clinics", Clinics, basename="clinic")
router.register("clinic-locations", Locations, basename="clinic-location")
router.register("rooms", Rooms, basename="room")
router.register("services", Services, basename="service")
router.register("doctors", Doctors, basename="doctor")
router.register("patients", Patients, basename="patient")
router.register("schedule-templates", ScheduleTemplates, basename="schedule-template")
urlpatterns = router.urls
