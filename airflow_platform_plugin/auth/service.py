"""API keys: made, found, narrowed, rotated, revoked."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Table, and_, false, or_, select, true, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import ancestry, key_format
from airflow_platform_plugin.auth.models import ApiKey, Owned
from airflow_platform_plugin.auth.settings import AuthSettings
from airflow_platform_plugin.core import crypto, db, pagination, rate_limits, scopes, settings
from airflow_platform_plugin.core.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.timestamps import timestamp

# The permission to do for others what everybody may for their own keys.
MANAGE_READ, OTHERS_WRITE = "api_keys:read", "api_keys:write"


def create(
    session: Session,
    *,
    name: str,
    user_id: int,
    by: str | None = None,
    **limits: Any,  # noqa: ANN401 - columns
) -> tuple[ApiKey, str]:
    """Make a key that acts as the user of that id; returns the row and the key's text, which is not kept.

    ``limits`` are the key's columns: scopes, allowed_dags, allowed_networks, rate_limits, expires_at,
    tenant_id, parent. Where there is no such user, the key never counts.
    """
    text = key_format.generate()
    row = ApiKey(id=text.id, name=name, secret_hash=crypto.digest(text.secret), created_by=by, **limits)
    row.account, row.user_id = airflow_compat.users.account(session, user_id), user_id
    session.add(row)
    session.flush()
    return row, str(text)


def create_for(session: Session, fields: dict[str, Any], *, by: Principal) -> tuple[ApiKey, str]:
    """Make a key for the caller or, with the permission, for the user named ``owner``.

    What a credential makes is bound to it: it has the same scopes, tenant and end unless it is given less.

    Raises:
        PermissionDenied: the key is for somebody else, may more or lives longer than the caller's own
            credential, or has rate limits of its own.
        ValidationFailed: there is no such owner or tenant.
        Conflict: the owner has as many live keys as one user may have.
    """
    account = owner(session, fields.pop("owner", by.username), by=by, field="owner")
    if by.credential is not None:
        mine = by.credential
        fields.setdefault("scopes", None if mine.scopes is None else sorted(mine.scopes))
        fields.setdefault("tenant_id", mine.tenant_id)
        fields.setdefault("expires_at", mine.expires_at)
    require_within(by, _asked(fields))
    _require_tenant(session, fields.get("tenant_id"), by)
    _require_rate_limits_unchanged(session, fields, by)
    _require_room(session, account)
    return create(
        session, user_id=account.id, by=by.username, parent=ancestry.parent_of_new(session, by), **fields
    )


def owner(session: Session, name: str, *, by: Principal, field: str) -> Account:
    """The account of that name, as whom a credential of the caller's may act; ``field`` named it.

    Raises:
        PermissionDenied: it is not the caller's own, and the caller lacks the permission.
        ValidationFailed: there is none.
    """
    if name == by.username:
        return by.account
    require_others(by)
    found = airflow_compat.users.accounts_by_name(session, [name]).get(name)
    if found is None:
        raise ValidationFailed.of(field, message=f"there is no user {name!r}")
    return found


def _require_room(session: Session, account: Account) -> None:
    """Refuse a key beyond what one user may have: each has rate limits for itself."""
    most = settings.get(AuthSettings).api_keys_per_user
    live = select(ApiKey.id).where(
        ApiKey.owned_by(account),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > db.now()),
    )
    if len(session.execute(live.limit(most)).all()) >= most:
        raise Conflict(
            f"User '{account.name}' has {most} API keys, and more are not allowed: revoke one first, "
            "or let the operator raise [platform] api_keys_per_user.",
            owner=account.name,
            api_keys_per_user=most,
        )


class ActiveKey(NamedTuple):
    """A key that counts, and how often its tenant's keys may call; None for what the settings say."""

    row: ApiKey
    tenant_rate_limits: dict[str, str] | None


def find(session: Session, parsed: key_format.ParsedKey) -> ActiveKey | None:
    """The live key of those parts, or None; a rotated key is found by its former secret for a while."""
    known = of_id(session, parsed.id)
    row = None if known is None else known.row
    given = crypto.digest(parsed.secret)
    # All compared, and also where there is no row, so that timing does not tell known ids from unknown ones.
    current = hmac.compare_digest(str(row.secret_hash if row else ""), given)
    former = hmac.compare_digest(str((row.previous_secret_hash or "") if row else ""), given)
    if row is None or row.revoked_at is not None:
        return None
    overlaps = former and row.previous_expires_at is not None and db.now() < row.previous_expires_at
    return known if current or overlaps else None


def of_id(session: Session, key_id: str) -> ActiveKey | None:
    """The key of that id, dead or alive; in one query."""
    tenant = _tenants()
    wanted = select(ApiKey, tenant.c.rate_limits).outerjoin(tenant, tenant.c.tenant_id == ApiKey.tenant_id)
    found = session.execute(wanted.where(ApiKey.id == key_id)).first()
    return None if found is None else ActiveKey(*found)


def note_use(session: Session, key_id: str, *, unless_since: datetime) -> None:
    """Write down that the key is in use, unless somebody has since that moment."""
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < unless_since)
    session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, stale)
        .values(last_used_at=db.now())
        .execution_options(synchronize_session=False)
    )


def get(session: Session, key_id: str, *, by: Principal, scope: str) -> ApiKey:
    """A key of the caller's, or one that the caller reaches with ``scope`` by permission.

    Raises:
        NotFound: there is none that the caller may see.
    """
    row: ApiKey | None = session.scalar(select(ApiKey).where(ApiKey.id == key_id, _visible(by, scope)))
    if row is None:
        raise NotFound(f"API key '{key_id}' not found", id=key_id)
    return row


def page(session: Session, query: dict[str, Any], *, by: Principal) -> pagination.Page:
    """The keys that the caller may see, the newest first; revoked ones if asked for."""
    wanted = select(ApiKey).where(_visible(by, MANAGE_READ)).order_by(ApiKey.created_at.desc())
    if "owner" in query:
        account = airflow_compat.users.accounts_by_name(session, [query["owner"]]).get(query["owner"])
        wanted = wanted.where(false() if account is None else ApiKey.owned_by(account))
    if "tenant_id" in query:
        wanted = wanted.where(ApiKey.tenant_id == query["tenant_id"])
    if not query["revoked"]:
        wanted = wanted.where(ApiKey.revoked_at.is_(None))
    return pagination.fetch(
        session,
        wanted,
        pagination.Query(limit=query["limit"], offset=query["offset"], order_by=query.get("order_by")),
    )


def change(session: Session, key_id: str, fields: dict[str, Any], *, by: Principal) -> ApiKey:
    """Set what is given of a key's name and limits; null removes a limit.

    Raises:
        NotFound: as for ``get``.
        PermissionDenied: the key may more than the caller's own, before or after, or its rate limits change.
        Conflict: the key is revoked.
    """
    row = _changeable(session, key_id, by)
    require_within(by, _asked(fields, row))
    _require_tenant(session, fields.get("tenant_id"), by)
    _require_rate_limits_unchanged(session, fields, by, row)
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def rotate(session: Session, key_id: str, *, overlap: timedelta, by: Principal) -> tuple[ApiKey, str]:
    """Give a key a new secret; the old one works on for ``overlap``. Returns the row and the new text.

    Raises:
        NotFound, PermissionDenied, Conflict: as for ``change``.
    """
    row = _changeable(session, key_id, by)
    ancestry.adopt(session, row, by)
    text = key_format.generate(public_id=str(row.id))
    row.previous_secret_hash, row.secret_hash = row.secret_hash, crypto.digest(text.secret)
    row.previous_expires_at = db.now() + overlap
    return row, str(text)


def revoke(session: Session, key_id: str, *, by: Principal) -> None:
    """End a key for good. The row stays, for whoever asks later what it was.

    Raises:
        NotFound: as for ``get``.
    """
    row = get(session, key_id, by=by, scope=OTHERS_WRITE)
    row.revoked_at = row.revoked_at or db.now()
    ancestry.revoke_below(session, [ancestry.of_key(row)])


def owner_names(session: Session, rows: Sequence[Owned]) -> list[str | None]:
    """The names of the owners, in order; None where the owner is gone, also if another has the id now."""
    owned = [row.account for row in rows]
    there = airflow_compat.users.accounts(session, [account.id for account in owned if account is not None])
    return [account.name if account and there.get(account.id) == account else None for account in owned]


def _visible(by: Principal, scope: str) -> Any:  # noqa: ANN401 - a condition
    """The caller's own keys, and those of the tenants in which the caller holds ``scope``, or all."""
    reach = by.reach(scope)
    if reach.everywhere:
        return true()
    own = ApiKey.owned_by(by.account)
    if by.credential is not None and by.credential.tenant_id is not None:
        own = and_(own, ApiKey.tenant_id == by.credential.tenant_id)
    return or_(own, reach.where(ApiKey.tenant_id))


def _changeable(session: Session, key_id: str, by: Principal) -> ApiKey:
    """A key that the caller may change: a tenant's administrator may only revoke the keys of others."""
    row = get(session, key_id, by=by, scope=OTHERS_WRITE)
    if row.account != by.account:
        require_others(by)
    require_within(by, _asked({}, row))
    if row.revoked_at is not None:
        raise Conflict(f"API key '{key_id}' is revoked", id=key_id)
    return row


class Asked(NamedTuple):
    """What a credential is, or would be.

    Attributes:
        scopes: what it is for; None for everything.
        tenant_id: the tenant that it is limited to.
        expires_at: when it ends; None for never.
        rate_limits: its own; None for none.
    """

    scopes: Sequence[str] | None
    tenant_id: str | None
    expires_at: datetime | None
    rate_limits: Mapping[str, str] | None = None


def _asked(fields: dict[str, Any], row: ApiKey | None = None) -> Asked:
    """What a key will be once the fields are set."""
    return Asked(*(fields.get(name, getattr(row, name, None)) for name in Asked._fields))


def require_within(by: Principal, asked: Asked) -> None:
    """A key or token cannot make, change, or get the secret of, what may more or lives longer than itself.

    Args:
        by: the caller.
        asked: the key or OAuth client in question.

    Raises:
        PermissionDenied: it has more scopes, counts in more networks, reaches more tenants, lives longer or
            may call more often.
    """
    mine = by.credential
    if mine is None:
        return
    if mine.networked:
        raise PermissionDenied("A key that is limited to networks cannot make or change others.")
    if not scopes.within(asked.scopes, mine.scopes):
        raise PermissionDenied("This has, or would have, scopes that the caller's own credential lacks.")
    if mine.tenant_id not in {None, asked.tenant_id}:
        raise PermissionDenied("A key of a tenant makes and changes keys of that tenant alone.")
    if mine.expires_at is not None and (asked.expires_at is None or asked.expires_at > mine.expires_at):
        raise PermissionDenied(
            f"This would outlive the caller's own credential, which ends at "
            f"{timestamp(mine.expires_at)}. What is to last longer is made in a browser's session, "
            "or by airflow-platform api-keys create.",
            expires_at=timestamp(mine.expires_at),
        )
    for name, text in (asked.rate_limits or {}).items():
        if name in mine.own_limits and not rate_limits.within(text, mine.own_limits[name]):
            raise PermissionDenied(
                f"This would have higher rate limits than the caller's own credential: "
                f"{mine.own_limits[name]} for the class {name}."
            )


def require_others(by: Principal) -> None:
    """Let through whoever may make credentials that act as somebody else.

    Raises:
        PermissionDenied: the caller lacks that permission.
    """
    if not by.may(OTHERS_WRITE):
        raise PermissionDenied(
            f"To act as another user takes the permission {OTHERS_WRITE}.", scope=OTHERS_WRITE
        )


def _require_rate_limits_unchanged(
    session: Session, fields: dict[str, Any], by: Principal, row: ApiKey | None = None
) -> None:
    """How often one may call is not for oneself to set: not on a key, nor by a tenant whose keys differ."""
    if row is not None and by.credential is not None and row.id == by.credential.id and row.rate_limits:
        given = fields.get("rate_limits", row.rate_limits) or {}
        if any(name not in given for name in row.rate_limits):
            raise PermissionDenied("A key cannot take away its own rate limits.")
    changes = "rate_limits" in fields
    if "tenant_id" in fields:
        tenants = (fields["tenant_id"], row.tenant_id if row is not None else None)
        changes = changes or any(_tenant_rate_limits(session, tenant_id) for tenant_id in tenants)
    if changes and not by.may(OTHERS_WRITE):
        raise PermissionDenied(f"Rate limits need the permission {OTHERS_WRITE}.", scope=OTHERS_WRITE)


def _tenant_rate_limits(session: Session, tenant_id: str | None) -> dict[str, str] | None:
    if tenant_id is None:
        return None
    tenant = _tenants()
    limits: dict[str, str] | None = session.scalar(
        select(tenant.c.rate_limits).where(tenant.c.tenant_id == tenant_id)
    )
    return limits


def _tenants() -> Table:
    return db.metadata.tables["platform_tenant"]  # tenants are built on keys, so they are not imported here


def _require_tenant(session: Session, tenant_id: str | None, by: Principal) -> None:
    """Refuse a tenant that is not there, or of which the caller may not know that it is."""
    if tenant_id is None:
        return
    tenant = _tenants()
    there = session.execute(select(tenant.c.tenant_id).where(tenant.c.tenant_id == tenant_id)).first()
    if there is None or not by.knows(tenant_id):
        raise ValidationFailed.of("tenant_id", message=f"there is no tenant {tenant_id!r} of yours")
