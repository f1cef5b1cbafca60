"""API keys: made, found, narrowed, rotated, revoked."""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Table, and_, or_, select, true, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat, crypto, db, paging, scopes
from airflow_platform_plugin.auth import keys
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.principal import Principal

# The permission to do for others what everybody may for their own keys.
OTHERS_READ, OTHERS_WRITE = "api_keys:read", "api_keys:write"


def create(
    session: Session,
    *,
    name: str,
    user_id: int,
    by: str | None = None,
    **limits: Any,  # noqa: ANN401 - columns
) -> tuple[ApiKey, str]:
    """Make a key that acts as the user; returns the row and the key's text, which is not kept.

    ``limits`` are the key's columns: scopes, allowed_dags, allowed_networks, rate_limits, expires_at,
    tenant_id.
    """
    text = keys.generate()
    row = ApiKey(
        id=text.id,
        name=name,
        user_id=user_id,
        secret_hash=crypto.digest(text.secret),
        created_by=by,
        **limits,
    )
    session.add(row)
    session.flush()
    return row, str(text)


def create_for(session: Session, fields: dict[str, Any], *, by: Principal) -> tuple[ApiKey, str]:
    """Make a key for the caller or, with the permission, for the user named ``owner``.

    Raises:
        PermissionDenied: the key is for somebody else, may more than the caller's own key, or has rate
            limits of its own.
        ValidationFailed: there is no such owner or tenant.
    """
    owner = fields.pop("owner", by.username)
    user_id = by.user.id
    if owner != by.username:
        require_others(by)
        found = airflow_compat.user_ids(session, [owner])
        if owner not in found:
            raise ValidationFailed.of("owner", message=f"there is no user {owner!r}")
        user_id = found[owner]
    if by.credential is not None and "scopes" not in fields:
        fields["scopes"] = None if by.credential.scopes is None else sorted(by.credential.scopes)
    if by.credential is not None:
        fields.setdefault("tenant_id", by.credential.tenant_id)
    require_within(by, fields.get("scopes"), fields.get("tenant_id"))
    _require_tenant(session, fields.get("tenant_id"), by)
    _require_rate_limits_unchanged(session, fields, by)
    return create(session, user_id=user_id, by=by.username, **fields)


class Live(NamedTuple):
    """A key that counts, and how often its tenant's keys may call; None for what the settings say."""

    row: ApiKey
    tenant_rate_limits: dict[str, str] | None


def find(session: Session, parsed: keys.KeyText) -> Live | None:
    """The live key of those parts, or None; a rotated key is found by its former secret for a while."""
    tenant = _tenants()
    wanted = select(ApiKey, tenant.c.rate_limits).outerjoin(tenant, tenant.c.tenant_id == ApiKey.tenant_id)
    row, tenant_rate_limits = session.execute(wanted.where(ApiKey.id == parsed.id)).first() or (None, None)
    given = crypto.digest(parsed.secret)
    # All compared, and also where there is no row, so that timing does not tell known ids from unknown ones.
    current = hmac.compare_digest(str(row.secret_hash if row else ""), given)
    former = hmac.compare_digest(str((row.previous_secret_hash or "") if row else ""), given)
    if row is None or row.revoked_at is not None:
        return None
    overlaps = former and row.previous_expires_at is not None and db.now() < row.previous_expires_at
    return Live(row, tenant_rate_limits) if current or overlaps else None


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


def page(session: Session, query: dict[str, Any], *, by: Principal) -> paging.Page:
    """The keys that the caller may see, the newest first; revoked ones if asked for."""
    wanted = select(ApiKey).where(_visible(by, OTHERS_READ)).order_by(ApiKey.created_at.desc())
    if "owner" in query:
        owners = airflow_compat.user_ids(session, [query["owner"]])
        wanted = wanted.where(ApiKey.user_id.in_(owners.values()))
    if "tenant_id" in query:
        wanted = wanted.where(ApiKey.tenant_id == query["tenant_id"])
    if not query["revoked"]:
        wanted = wanted.where(ApiKey.revoked_at.is_(None))
    return paging.fetch(
        session, wanted, limit=query["limit"], offset=query["offset"], order_by=query.get("order_by")
    )


def change(session: Session, key_id: str, fields: dict[str, Any], *, by: Principal) -> ApiKey:
    """Set what is given of a key's name and limits; null removes a limit.

    Raises:
        NotFound: as for ``get``.
        PermissionDenied: the key may more than the caller's own, before or after, or its rate limits change.
        Conflict: the key is revoked.
    """
    row = _changeable(session, key_id, by)
    require_within(by, fields.get("scopes", row.scopes), fields.get("tenant_id", row.tenant_id))
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
    text = keys.generate(public_id=str(row.id))
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


def owners(session: Session, rows: Sequence[ApiKey]) -> dict[int, str]:
    """The names of the keys' owners, by id."""
    return airflow_compat.usernames(session, {row.user_id for row in rows})


def _visible(by: Principal, scope: str) -> Any:  # noqa: ANN401 - a condition
    """The caller's own keys, and those of the tenants in which the caller holds ``scope``, or all."""
    reach = by.reach(scope)
    if reach is None:
        return true()
    own = ApiKey.user_id == by.user.id
    if by.credential is not None and by.credential.tenant_id is not None:
        own = and_(own, ApiKey.tenant_id == by.credential.tenant_id)
    return or_(own, ApiKey.tenant_id.in_(reach))


def _changeable(session: Session, key_id: str, by: Principal) -> ApiKey:
    """A key that the caller may change: a tenant's administrator may only revoke the keys of others."""
    row = get(session, key_id, by=by, scope=OTHERS_WRITE)
    if row.user_id != by.user.id:
        require_others(by)
    require_within(by, row.scopes, row.tenant_id)
    if row.revoked_at is not None:
        raise Conflict(f"API key '{key_id}' is revoked", id=key_id)
    return row


def require_within(by: Principal, wanted: Sequence[str] | None, tenant_id: str | None) -> None:
    """A key or token cannot make, or get the secret of, what may more than itself.

    Args:
        by: the caller.
        wanted: the scopes of the key or OAuth client in question.
        tenant_id: its tenant.

    Raises:
        PermissionDenied: it has more scopes, counts in more networks, or reaches more tenants.
    """
    if by.credential is None:
        return
    if by.credential.networked:
        raise PermissionDenied("A key that is limited to networks cannot make or change others.")
    if not scopes.within(wanted, by.credential.scopes):
        raise PermissionDenied("This has, or would have, scopes that the caller's own credential lacks.")
    if by.credential.tenant_id not in {None, tenant_id}:
        raise PermissionDenied("A key of a tenant makes and changes keys of that tenant alone.")


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
