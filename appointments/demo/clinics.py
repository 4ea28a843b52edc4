"""The three demonstration clinics, in three time zones; the main one first."""

from accounts.roles import Role
from appointments.demo.names import AUSTRALIA, INDIA, UNITED_STATES
from appointments.demo.shapes import (
    HOME,
    IN_PERSON,
    MAIN,
    OTHER,
    PHONE,
    THIRD,
    VIDEO,
    ClinicSpec,
    LocationSpec,
    ServiceSpec,
)

CLINICS = (
    ClinicSpec(
        slug=MAIN,
        name="Riverside Clinic",
        timezone="America/New_York",
        country="US",
        colour="#0b6e6e",
        names=UNITED_STATES,
        patients=1000,
        # 555-0100 to 555-0199 of any area code are kept for fiction (NANP).
        phones=tuple(
            f"+1{area}55501"
            for area in (212, 315, 332, 347, 516, 518, 585, 607, 631, 646, 716, 718, 845, 914, 917)
        ),
        free_digits=2,
        regions=("NY", "NJ", "CT"),
        insurances=("Northlight Health", "Evergreen Mutual", "Harborview Plan", "Self-pay"),
        language="en",
        locations=(
            LocationSpec(
                "Riverside Main",
                "12 Quay Street",
                "New York",
                "40.712800",
                "-74.006000",
                ("Room 1", "Room 2", "Room 3", "Treatment room", "Group room"),
            ),
            LocationSpec(
                "Riverside Uptown",
                "480 Park Terrace",
                "New York",
                "40.787000",
                "-73.975400",
                ("Room A", "Room B"),
            ),
        ),
        services=(
            ServiceSpec("Consultation", 30, (IN_PERSON, VIDEO), colour="#4477aa"),
            ServiceSpec("Short visit", 15, (IN_PERSON, PHONE), colour="#66ccee"),
            ServiceSpec("Annual check-up", 45, after=15, colour="#228833"),
            ServiceSpec("Minor procedure", 60, before=15, after=15, colour="#ee6677"),
            ServiceSpec("Telephone advice", 15, (PHONE,), colour="#bbbbbb"),
            ServiceSpec("Home visit", 45, (HOME,), before=30, after=30, colour="#aa3377"),
            ServiceSpec("Therapy session", 45, (IN_PERSON, VIDEO), after=15, colour="#ccbb44"),
            ServiceSpec("Assessment session", 90, (IN_PERSON, VIDEO), colour="#997700"),
            ServiceSpec("Back school (group)", 60, capacity=3, colour="#117733"),
        ),
        staff=(
            ("clinic-admin@demo.kairos", "Nadia", "Okafor", Role.CLINIC_ADMIN),
            ("reception@demo.kairos", "Rosa", "Lindqvist", Role.RECEPTIONIST),
            ("nurse@demo.kairos", "Grace", "Tanaka", Role.NURSE),
        ),
        patient_account=("patient@demo.kairos", "Paula", "Whitaker"),
        requires_approval=True,
    ),
    ClinicSpec(
        slug=OTHER,
        name="Harbour Family Practice",
        timezone="Australia/Sydney",
        country="AU",
        colour="#7a3e9d",
        names=AUSTRALIA,
        patients=600,
        # Kept for fiction by the Australian Communications and Media Authority.
        phones=("+6125550", "+6135550", "+6175550", "+6185550"),
        free_digits=4,
        regions=("NSW", "VIC", "QLD"),
        insurances=("Medicover Blue", "Southern Cross Mutual", "Self-pay"),
        language="en",
        locations=(
            LocationSpec(
                "Harbour Rooms",
                "3 Wharf Lane",
                "Sydney",
                "-33.868800",
                "151.209300",
                ("Room 1", "Room 2", "Room 3"),
            ),
            LocationSpec(
                "Harbour Northside",
                "71 Ridge Street",
                "Sydney",
                "-33.839700",
                "151.207000",
                ("Room 1",),
            ),
        ),
        services=(
            ServiceSpec("Standard consultation", 20, (IN_PERSON, VIDEO, PHONE)),
            ServiceSpec("Long consultation", 40, (IN_PERSON, VIDEO), colour="#228833"),
            ServiceSpec("Dental check-up", 30, after=10, colour="#66ccee"),
            ServiceSpec("Dental treatment", 60, after=10, colour="#ee6677"),
            ServiceSpec("Physiotherapy", 40, after=10, colour="#ccbb44"),
            ServiceSpec(
                "Mental health session", 50, (IN_PERSON, VIDEO), after=10, colour="#aa3377"
            ),
        ),
        staff=(("reception@other.kairos", "Sienna", "Barlow", Role.RECEPTIONIST),),
        patient_account=("patient@other.kairos", "Oliver", "Marchetti"),
    ),
    ClinicSpec(
        slug=THIRD,
        name="Sangam Health Centre",
        timezone="Asia/Kolkata",
        country="IN",
        colour="#b45309",
        names=INDIA,
        patients=400,
        # India keeps no numbers for fiction; no subscriber number there begins with 10.
        phones=("+9110000",),
        free_digits=5,
        regions=("WB", "BR", "JH"),
        insurances=("Suraksha Care", "Jeevan Plus", "Self-pay"),
        language="hi",
        locations=(
            LocationSpec(
                "Sangam Main",
                "27 Lake Road",
                "Kolkata",
                "22.572600",
                "88.363900",
                ("Room 1", "Room 2"),
            ),
        ),
        services=(
            ServiceSpec("Consultation", 15, (IN_PERSON, PHONE)),
            ServiceSpec("Extended consultation", 30, (IN_PERSON, VIDEO), colour="#228833"),
            ServiceSpec("Diet counselling", 30, (IN_PERSON, VIDEO), after=10, colour="#ccbb44"),
            ServiceSpec("Video therapy", 45, (VIDEO,), after=15, colour="#aa3377"),
        ),
        staff=(),
    ),
)
