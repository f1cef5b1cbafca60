"""API keys: create, read, list, change, rotate and revoke them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, false, or_, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import ancestry, delegation, key_format
from airflow_platform_plugin.auth.inputs import ApiKeyChanges, ApiKeyFilter, ApiKeyLimits, NewApiKey
from airflow_platform_plugin.auth.models import ApiKey, Owned
from airflow_platform_plugin.auth.settings import AuthSettings
from airflow_platform_plugin.core import crypto, db, pagination, settings
from airflow_platform_plugin.core.errors import Conflict, NotFound
from airflow_platform_plugin.core.principal import Principal

if TYPE_CHECKING:
    from typing_extensions import Unpack

READ, WRITE = "api_keys:read", "api_keys:write"


def create(session: Session, data: NewApiKey, *, by: Principal) -> ApiKey:
    """Create a key for the caller, or for another user; its ``text`` is set, and is not stored.

    If the caller used a credential, the key gets the scopes, the tenant and the expiry of that credential
    unless ``data`` sets them.

    Raises:
        PermissionDenied: the key is for another user, may do more or lives longer than the caller's
            credential, or has rate limits of its own.
        ValidationFailed: the owner or the tenant does not exist.
        Conflict: the owner has as many active keys as one user may have.
    """
    account = delegation.resolve_account(session, data.owner or by.username, by=by, field="owner")
    limits = data.limits()
    if by.credential is not None:
        mine = by.credential
        limits.setdefault("scopes", None if mine.scopes is None else sorted(mine.scopes))
        limits.setdefault("tenant_id", mine.tenant_id)
        limits.setdefault("expires_at", mine.expires_at)
    delegation.require_within(by, delegation.extent_of_key(limits))
    delegation.require_tenant(session, limits.get("tenant_id"), by)
    delegation.require_rate_limits_unchanged(session, limits, by)
    _require_room(session, account)
    parent = ancestry.parent_of_new(session, by)
    row, text = issue(
        session, user_id=account.id, name=data.name, created_by=by.username, parent=parent, **limits
    )
    return _show(session, row, text)


def issue(
    session: Session,
    *,
    user_id: int,
    name: str,
    created_by: str | None = None,
    parent: str | None = None,
    **limits: "Unpack[ApiKeyLimits]",
) -> tuple[ApiKey, str]:
    """Create a key without any checks, for the console.

    Args:
        session: the transaction.
        user_id: the user that the key acts as; without such a user, the key is not valid.
        name: for people.
        created_by: the name of the user who creates it.
        parent: the reference of the credential that creates it.
        limits: its limits.

    Returns:
        The row and the key's text, which is not stored.
    """
    text = key_format.generate()
    row = ApiKey(
        id=text.id,
        name=name,
        secret_hash=crypto.digest(text.secret),
        created_by=created_by,
        parent=parent,
        **limits,
    )
    row.account, row.user_id = airflow_compat.users.account(session, user_id), user_id
    session.add(row)
    session.flush()
    return row, str(text)


def _require_room(session: Session, account: Account) -> None:
    """Limit the number of active keys of a user, since each key has its own rate limits."""
    most = settings.get(AuthSettings).api_keys_per_user
    active = select(ApiKey.id).where(
        ApiKey.owned_by(account),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > db.now()),
    )
    if len(session.execute(active.limit(most)).all()) >= most:
        raise Conflict(
            f"User '{account.name}' has {most} API keys and may not have more. Revoke one, or ask the "
            "operator to raise [platform] api_keys_per_user.",
            owner=account.name,
            api_keys_per_user=most,
        )


def get(session: Session, key_id: str, *, by: Principal) -> ApiKey:
    """Return a key that the caller may see.

    Raises:
        NotFound: there is no such key.
    """
    return _show(session, _find(session, key_id, by, READ))


def get_writable(session: Session, key_id: str, *, by: Principal) -> ApiKey:
    """Return a key that the caller may change or rotate.

    A tenant's administrator may only revoke the keys of other users.

    Raises:
        NotFound: there is no such key.
        PermissionDenied: the key is another user's, or may do more than the caller's credential.
        Conflict: the key is revoked.
    """
    row = _find(session, key_id, by, WRITE)
    if row.account != by.account:
        delegation.require_management(by)
    delegation.require_within(by, delegation.extent_of_key({}, row))
    if row.revoked_at is not None:
        raise Conflict(f"API key '{key_id}' is revoked", id=key_id)
    return row


def get_for_revocation(session: Session, key_id: str, *, by: Principal) -> ApiKey:
    """Return a key that the caller may revoke.

    Raises:
        NotFound: there is no such key.
    """
    return _find(session, key_id, by, WRITE)


def _find(session: Session, key_id: str, by: Principal, scope: str) -> ApiKey:
    row: ApiKey | None = session.scalar(select(ApiKey).where(ApiKey.id == key_id, _visible(by, scope)))
    if row is None:
        raise NotFound(f"API key '{key_id}' not found", id=key_id)
    return row


def _visible(by: Principal, scope: str) -> ColumnElement[bool]:
    """Return the condition on the keys that the caller owns or reaches with a scope."""
    reach = by.reach(scope)
    if reach.everywhere:
        return true()
    own = ApiKey.owned_by(by.account)
    if by.credential is not None and by.credential.tenant_id is not None:
        own = and_(own, ApiKey.tenant_id == by.credential.tenant_id)
    return or_(own, reach.where(ApiKey.tenant_id))


def page(session: Session, query: ApiKeyFilter, *, by: Principal) -> pagination.Page:
    """Return a page of the keys that the caller may see, by default the newest first."""
    rows = select(ApiKey).where(_visible(by, READ)).order_by(ApiKey.created_at.desc())
    if query.owner is not None:
        account = airflow_compat.users.accounts_by_name(session, [query.owner]).get(query.owner)
        rows = rows.where(false() if account is None else ApiKey.owned_by(account))
    if query.tenant_id is not None:
        rows = rows.where(ApiKey.tenant_id == query.tenant_id)
    if not query.revoked:
        rows = rows.where(ApiKey.revoked_at.is_(None))
    found = pagination.fetch(session, rows, query)
    set_owner_names(session, found.items)
    return found


def update(session: Session, row: ApiKey, data: ApiKeyChanges, *, by: Principal) -> ApiKey:
    """Change the fields that are given; None removes a limit.

    Raises:
        PermissionDenied: the key would be able to do more than the caller's credential, or its rate limits
            change.
        ValidationFailed: the tenant does not exist.
    """
    delegation.require_within(by, delegation.extent_of_key(data, row))
    delegation.require_tenant(session, data.get("tenant_id"), by)
    delegation.require_rate_limits_unchanged(session, data, by, row)
    for name, value in data.items():
        setattr(row, name, value)
    return _show(session, row)


def rotate(session: Session, row: ApiKey, *, overlap: timedelta, by: Principal) -> ApiKey:
    """Give a key a new secret; its ``text`` is set, and is not stored. The old secret works for ``overlap``.

    Raises:
        PermissionDenied: another credential created the key.
    """
    ancestry.adopt(session, row, by)
    text = key_format.generate(public_id=str(row.id))
    row.previous_secret_hash, row.secret_hash = row.secret_hash, crypto.digest(text.secret)
    row.previous_expires_at = db.now() + overlap
    return _show(session, row, str(text))


def revoke(session: Session, row: ApiKey) -> None:
    """Revoke a key and the keys that were created with it. The row stays, so that lists can show it."""
    row.revoked_at = row.revoked_at or db.now()
    ancestry.revoke_descendants(session, [ancestry.key_reference(row)])


def set_owner_names(session: Session, rows: Sequence[Owned]) -> None:
    """Set ``owner_name`` of each row; None if its owner was deleted, also if another user now has the id."""
    ids = [row.account.id for row in rows if row.account is not None]
    existing = airflow_compat.users.accounts(session, ids)
    for row in rows:
        account = row.account
        row.owner_name = account.name if account and existing.get(account.id) == account else None


def _show(session: Session, row: ApiKey, text: str | None = None) -> ApiKey:
    """Set what responses show and the table does not store."""
    set_owner_names(session, [row])
    row.text = text
    return row
