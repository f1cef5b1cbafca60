"""What a caller may pass on to the credentials that the caller creates, changes or rotates.

A credential never passes on more than it has: scopes, tenant, lifetime and rate limits.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth.inputs import ApiKeyLimits
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db, rate_limits, scopes
from airflow_platform_plugin.core.errors import PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.timestamps import timestamp

# The permission to manage the keys of other users.
MANAGE = "api_keys:write"


class Extent(NamedTuple):
    """What a credential may do, or would be able to do after a change.

    Attributes:
        scopes: its scopes; None for all.
        tenant_id: the only tenant that it reaches; None for all.
        expires_at: when it expires; None for never.
        rate_limits: its own rate limits by class of request.
    """

    scopes: Sequence[str] | None
    tenant_id: str | None
    expires_at: datetime | None
    rate_limits: Mapping[str, str] | None = None


def extent_of_key(changes: ApiKeyLimits, row: ApiKey | None = None) -> Extent:
    """Return the extent of a key after the changes; ``row`` is None for a new key."""
    if row is None:
        row = ApiKey()
    return Extent(
        scopes=changes.get("scopes", row.scopes),
        tenant_id=changes.get("tenant_id", row.tenant_id),
        expires_at=changes.get("expires_at", row.expires_at),
        rate_limits=changes.get("rate_limits", row.rate_limits),
    )


def require_within(by: Principal, extent: Extent) -> None:
    """Check that the caller's credential covers what another credential may do.

    Args:
        by: the caller.
        extent: what the API key or OAuth client may do.

    Raises:
        PermissionDenied: it has more scopes, more tenants, a longer life or higher rate limits than the
            caller's credential, or the caller's credential is limited to networks.
    """
    mine = by.credential
    if mine is None:
        return
    if mine.networked:
        raise PermissionDenied("A key that is limited to networks cannot create or change credentials.")
    if not scopes.within(extent.scopes, mine.scopes):
        raise PermissionDenied("The credential has, or would get, scopes that the caller's credential lacks.")
    if mine.tenant_id not in {None, extent.tenant_id}:
        raise PermissionDenied("A key of a tenant can only create and change keys of that tenant.")
    if mine.expires_at is not None and (extent.expires_at is None or extent.expires_at > mine.expires_at):
        raise PermissionDenied(
            f"The credential outlives, or would outlive, the caller's credential, which ends at "
            f"{timestamp(mine.expires_at)}. Create longer-lived ones in a browser's session or with "
            "airflow-platform api-keys create.",
            expires_at=timestamp(mine.expires_at),
        )
    for name, text in (extent.rate_limits or {}).items():
        if name in mine.own_limits and not rate_limits.within(text, mine.own_limits[name]):
            raise PermissionDenied(
                "The credential has, or would get, higher rate limits than the caller's credential, which "
                f"has {mine.own_limits[name]} for the class {name}."
            )


def require_management(by: Principal) -> None:
    """Check that the caller may create credentials that act as other users.

    Raises:
        PermissionDenied: the caller does not have that permission.
    """
    if not by.may(MANAGE):
        raise PermissionDenied(f"Acting as another user needs the permission {MANAGE}.", scope=MANAGE)


def resolve_account(session: Session, name: str, *, by: Principal, field: str) -> Account:
    """Return the account of the user that a new credential acts as.

    Args:
        session: the request's transaction.
        name: the user's name.
        by: the caller.
        field: the input field with the name, for the error.

    Raises:
        PermissionDenied: it is another user, and the caller may not act as others.
        ValidationFailed: there is no such user.
    """
    if name == by.username:
        return by.account
    require_management(by)
    account = airflow_compat.users.accounts_by_name(session, [name]).get(name)
    if account is None:
        raise ValidationFailed.of(field, message=f"there is no user {name!r}")
    return account


def require_tenant(session: Session, tenant_id: str | None, by: Principal) -> None:
    """Check that the tenant exists and that the caller may know it.

    Raises:
        ValidationFailed: one of the two is not so.
    """
    if tenant_id is None:
        return
    tenant = tenant_table()
    row = session.execute(select(tenant.c.tenant_id).where(tenant.c.tenant_id == tenant_id)).first()
    if row is None or not by.knows(tenant_id):
        raise ValidationFailed.of("tenant_id", message=f"there is no tenant {tenant_id!r} that you may use")


def require_rate_limits_unchanged(
    session: Session, changes: ApiKeyLimits, by: Principal, row: ApiKey | None = None
) -> None:
    """Check that only callers who manage keys change rate limits.

    A move to or from a tenant whose keys have rate limits of their own changes them too.

    Raises:
        PermissionDenied: the rate limits change, and the caller may not; or a key would remove its own.
    """
    if row is not None and by.credential is not None and row.id == by.credential.id and row.rate_limits:
        given = changes.get("rate_limits", row.rate_limits) or {}
        if any(name not in given for name in row.rate_limits):
            raise PermissionDenied("A key cannot remove its own rate limits.")
    is_changed = "rate_limits" in changes
    if "tenant_id" in changes:
        tenants = (changes["tenant_id"], row.tenant_id if row is not None else None)
        is_changed = is_changed or any(_tenant_rate_limits(session, tenant_id) for tenant_id in tenants)
    if is_changed and not by.may(MANAGE):
        raise PermissionDenied(f"Rate limits need the permission {MANAGE}.", scope=MANAGE)


def _tenant_rate_limits(session: Session, tenant_id: str | None) -> dict[str, str] | None:
    if tenant_id is None:
        return None
    tenant = tenant_table()
    limits: dict[str, str] | None = session.scalar(
        select(tenant.c.rate_limits).where(tenant.c.tenant_id == tenant_id)
    )
    return limits


def tenant_table() -> Table:
    """Return the table of tenants. ``tenants`` imports this feature, so its model is not imported here."""
    return db.metadata.tables["platform_tenant"]
