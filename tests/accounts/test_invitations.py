"""A new member's link to a first password: once, for nobody who has one, for no other clinic's."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from accounts.services.invitations import invitation_accept, invitation_find
from clinics.models import Membership
from clinics.principal import principal_open
from clinics.services.invitations import member_invitation_make
from clinics.services.memberships import member_add, membership_add, membership_end
from core import clock, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent
from tests.casts import Cast, build_cast, build_super_admin

PASSWORD = "a lamp in the east window"


@pytest.fixture
def cast(db: None) -> Cast:
    return build_cast("home")


@pytest.fixture
def outsider(db: None) -> Cast:
    return build_cast("away")


@pytest.fixture
def invited(cast: Cast) -> Membership:
    with tenancy.scope([cast.clinic.id]):
        return member_add(clinic=cast.clinic, role=Role.NURSE, email="someone.new@example.test")


def make(by: User, membership: Membership) -> str | ErrorCode:
    """The secret, or the code of the refusal."""
    with tenancy.scope(()):
        principal = principal_open(by.id, None, write=True)
        assert principal is not None
        try:
            return member_invitation_make(by=principal, membership_id=membership.id)
        except KairosError as refusal:
            return refusal.code


def accept(secret: str, password: str = PASSWORD) -> ErrorCode | None:
    try:
        with tenancy.scope(()):
            invitation_accept(secret=secret, password=password)
    except KairosError as refusal:
        return refusal.code
    return None


def test_it_opens_the_door_once(cast: Cast, invited: Membership) -> None:
    secret = make(cast.clinic_admin, invited)
    assert isinstance(secret, str)
    other = make(cast.clinic_admin, invited)
    assert accept(secret) is None
    assert User.objects.get(pk=invited.user_id).check_password(PASSWORD)
    assert accept(secret, "another lamp, further west") == ErrorCode.TOKEN_EXPIRED
    assert isinstance(other, str)
    assert accept(other) == ErrorCode.TOKEN_EXPIRED
    with tenancy.scope(tenancy.SYSTEM):
        made = AuditEvent.objects.filter(action="user.invitation_made", entity_id=invited.user_id)
        (first, _second) = made.order_by("id")
        assert first.clinic_id == cast.clinic.id
        assert AuditEvent.objects.filter(action="user.password_set").count() == 1


def test_it_grows_old(cast: Cast, invited: Membership) -> None:
    secret = make(cast.clinic_admin, invited)
    later = clock.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + 60)
    with time_machine.travel(later, tick=False):
        assert accept(str(secret)) == ErrorCode.TOKEN_EXPIRED
    assert accept(str(secret)) is None  # the same link, in time


def test_a_weak_password_leaves_it_open(cast: Cast, invited: Membership) -> None:
    secret = str(make(cast.clinic_admin, invited))
    assert accept(secret, "password12") == ErrorCode.VALIDATION_ERROR
    assert accept(secret) is None


@pytest.mark.parametrize("secret", ["", "x", "x.y", f"{'0' * 8}-0000-7000-8000-{'0' * 12}.a-b"])
def test_what_is_no_secret_opens_nothing(db: None, secret: str) -> None:
    with pytest.raises(KairosError) as refused, tenancy.scope(()):
        invitation_find(secret=secret)
    assert refused.value.code == ErrorCode.TOKEN_EXPIRED


def test_nobody_who_has_a_password_gets_one(cast: Cast) -> None:
    cast.nurse.set_password(PASSWORD)
    cast.nurse.save(update_fields=["password"])
    assert make(cast.clinic_admin, cast.membership) == ErrorCode.CONFLICT


@pytest.mark.parametrize("role", ["receptionist", "doctor_user", "nurse", "patient_user"])
def test_others_of_the_clinic_make_none(cast: Cast, invited: Membership, role: str) -> None:
    assert make(cast.user(role), invited) == ErrorCode.NOT_FOUND


def test_the_outsider_makes_none(outsider: Cast, invited: Membership) -> None:
    assert make(outsider.clinic_admin, invited) == ErrorCode.NOT_FOUND


def test_one_clinic_does_not_open_anothers_door(
    cast: Cast, outsider: Cast, invited: Membership
) -> None:
    """Whoever works in two clinics would let the first one's admin into the second."""
    with tenancy.scope([outsider.clinic.id]):
        theirs = membership_add(clinic=outsider.clinic, user=invited.user, role=Role.NURSE)
    assert make(cast.clinic_admin, invited) == ErrorCode.CONFLICT
    assert make(outsider.clinic_admin, theirs) == ErrorCode.CONFLICT
    assert isinstance(make(build_super_admin(), invited), str)


def test_a_former_member_gets_none(cast: Cast, invited: Membership) -> None:
    with tenancy.scope([cast.clinic.id]):
        membership_end(clinic=cast.clinic, membership_id=invited.id)
    assert make(cast.clinic_admin, invited) == ErrorCode.NOT_FOUND


def test_the_page(cast: Cast, invited: Membership) -> None:
    client = Client(enforce_csrf_checks=False)
    secret = make(cast.clinic_admin, invited)
    page = client.get("/welcome", {"s": secret})
    assert page.status_code == 200
    assert "someone.new@example.test" in page.text
    url = f"/welcome?s={secret}"
    unlike = client.post(url, {"password": PASSWORD, "again": "not that"})
    assert unlike.status_code == 400
    assert client.post(url, {"password": "short", "again": "short"}).status_code == 400
    assert not User.objects.get(pk=invited.user_id).has_usable_password()
    done = client.post(url, {"password": PASSWORD, "again": PASSWORD})
    assert (done.status_code, done.headers["Location"]) == (302, "/sign-in")
    used = client.get(url)
    assert used.status_code == 410
    assert "someone.new" not in used.text
