"""Signing in, staying signed in, signing out."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Exists, F, OuterRef

from accounts import tokens
from accounts.live import rights_changed
from accounts.models import RefreshSession, User
from accounts.selectors import user_by_login
from core import clock, context, journal
from core.errors import ErrorCode, KairosError

#: A lost race for the same token looks like this; a stolen token comes later.
ROTATION_GRACE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a device gets. `refresh` is shown once; only its hash is kept."""

    access: str
    refresh: str
    expires_in: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a sign-in or refresh.

    A `refusal` is returned, not raised: what was learned from it (the attempt in the trail, a
    revoked family) must be committed although the answer is no.
    """

    user: User | None = None
    pair: TokenPair | None = None
    refusal: KairosError | None = None


def credentials_check(*, login: str, password: str) -> User | None:
    """The active user with this email or phone and password; None for any other reason alike.

    A refusal goes into the trail, so the caller's transaction has to commit it.
    """
    user = authenticate(username=login, password=password)
    if isinstance(user, User):
        return user
    known = user_by_login(login)
    journal.record(journal.Act("session.refused", "accounts.user", known.id if known else None))
    return None


def page_session_record(*, user: User, action: str) -> None:
    """Write a sign-in or sign-out on our pages into the trail; Django keeps that session itself."""
    context.current().actor_id = user.id
    journal.record(journal.Act(action, "accounts.user", user.id))


def page_sessions_prune() -> None:
    """Forget the page sessions that are over, and with them the forms that were kept in some."""
    SessionStore.clear_expired()


def session_open(
    *, login: str, password: str, device_name: str = "", user_agent: str = ""
) -> Outcome:
    """Sign a device in; INVALID_CREDENTIALS is the same whether or not the name exists."""
    user = credentials_check(login=login, password=password)
    if user is None:
        return Outcome(refusal=KairosError(ErrorCode.INVALID_CREDENTIALS))
    now = clock.now()
    secret = secrets.token_urlsafe(32)
    session = RefreshSession.objects.create(
        user=user,
        token_hash=RefreshSession.hash_token(secret),
        device_name=device_name[:120],
        user_agent=user_agent[:300],
        address=context.current().address,
        expires_at=tokens.session_expiry(now),
    )
    update_last_login(User, user)
    context.current().actor_id = user.id
    journal.record(journal.Act("session.opened", "accounts.refreshsession", session.id))
    return Outcome(user=user, pair=_pair(user.id, session.id, secret))


def session_refresh(*, refresh: str) -> Outcome:
    """Exchange a refresh token for a new pair, once.

    The exchange is one compare-and-set, so of several at once exactly one wins. A token used again
    later was copied: its whole family is revoked. Refusals: TOKEN_REVOKED, TOKEN_EXPIRED.
    """
    session_id, old = _split(refresh)
    now = clock.now()
    secret = secrets.token_urlsafe(32)
    offered = RefreshSession.hash_token(old)
    # No join here: Django would move it, and the comparison with it, into a subquery, which whoever
    # has waited for the row's lock does not evaluate anew. All of several would win.
    won = RefreshSession.objects.filter(
        Exists(User.objects.filter(id=OuterRef("user_id"), is_active=True)),
        id=session_id,
        token_hash=offered,
        revoked_at=None,
        expires_at__gt=now,
    ).update(
        previous_hash=F("token_hash"),
        token_hash=RefreshSession.hash_token(secret),
        rotated_at=now,
        last_used_at=now,
        expires_at=tokens.session_expiry(now),
    )
    session = RefreshSession.objects.filter(id=session_id).select_related("user").first()
    if session is None:
        return Outcome(refusal=KairosError(ErrorCode.TOKEN_REVOKED))
    if won:
        return Outcome(user=session.user, pair=_pair(session.user_id, session.id, secret))
    if session.revoked_at is None and bytes(session.token_hash) == offered:
        expired = session.expires_at <= now
        code = ErrorCode.TOKEN_EXPIRED if expired else ErrorCode.TOKEN_REVOKED
        return Outcome(refusal=KairosError(code))
    raced = (
        session.previous_hash is not None
        and bytes(session.previous_hash) == offered
        and session.rotated_at is not None
        and now - session.rotated_at <= ROTATION_GRACE
    )
    if not raced and session_family_revoke(family=session.family):
        journal.record(journal.Act("session.reuse", "accounts.refreshsession", session.id))
    return Outcome(refusal=KairosError(ErrorCode.TOKEN_REVOKED))


def session_family_revoke(*, family: UUID) -> int:
    """Sign out every device that descends from one sign-in; returns how many were still in."""
    return RefreshSession.objects.filter(family=family, revoked_at=None).update(
        revoked_at=clock.now()
    )


def session_close(*, session_id: UUID, user_id: UUID) -> None:
    """Sign a device out at once: its access tokens stop working with it."""
    closed = RefreshSession.objects.filter(id=session_id, user_id=user_id, revoked_at=None).update(
        revoked_at=clock.now()
    )
    if closed:
        journal.record(journal.Act("session.closed", "accounts.refreshsession", session_id))
        rights_changed(user_id)


def session_revoke(*, session_id: UUID, clinic_id: UUID | None = None) -> None:
    """Sign somebody else's device out at once; one that has ended stays as it is.

    `clinic_id` is the clinic whose trail keeps the act. Who may do this is the caller's to check.
    Raises NOT_FOUND.
    """
    session = RefreshSession.objects.filter(id=session_id).first()
    if session is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    now = clock.now()
    if RefreshSession.objects.filter(id=session_id, revoked_at=None).update(revoked_at=now):
        journal.record(
            journal.Act(
                "session.revoked",
                "accounts.refreshsession",
                session_id,
                clinic_id,
                changes={"user": [session.user_id, None]},
            )
        )
        rights_changed(session.user_id)


def sessions_revoke_all(*, user_id: UUID) -> int:
    """Sign every device of a user out; returns how many were in. Audited by what calls for it."""
    rights_changed(user_id)
    return RefreshSession.objects.filter(user_id=user_id, revoked_at=None).update(
        revoked_at=clock.now()
    )


def _pair(user_id: UUID, session_id: UUID, secret: str) -> TokenPair:
    return TokenPair(
        access=tokens.issue_access(user_id, session_id),
        refresh=f"{session_id}.{secret}",
        expires_in=tokens.expires_in(),
        session_id=session_id,
    )


def _split(refresh: str) -> tuple[UUID, str]:
    head, _, secret = refresh.partition(".")
    try:
        return UUID(head), secret
    except ValueError:
        raise KairosError(ErrorCode.TOKEN_REVOKED) from None
