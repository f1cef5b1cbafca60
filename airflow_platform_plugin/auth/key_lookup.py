"""Find the stored row of an API key that a request sends, and record its use."""

import hmac
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.auth.delegation import tenant_table
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import crypto, db


class FoundKey(NamedTuple):
    """A key's row, and the rate limits of the keys of its tenant; None for those of the settings."""

    row: ApiKey
    tenant_rate_limits: dict[str, str] | None


def find(session: Session, parsed: key_format.ParsedKey) -> FoundKey | None:
    """Return the key with that id and secret, or None; a revoked key is not found.

    After a rotation, the previous secret finds the key too, until the overlap ends.
    """
    found = find_by_id(session, parsed.id)
    row = None if found is None else found.row
    given = crypto.digest(parsed.secret)
    # Compare both, also without a row, so that the time does not show which ids exist.
    is_current = hmac.compare_digest(str(row.secret_hash if row else ""), given)
    is_previous = hmac.compare_digest(str((row.previous_secret_hash or "") if row else ""), given)
    if row is None or row.revoked_at is not None:
        return None
    overlaps = is_previous and row.previous_expires_at is not None and db.now() < row.previous_expires_at
    return found if is_current or overlaps else None


def find_by_id(session: Session, key_id: str) -> FoundKey | None:
    """Return the key with that id, also a revoked one, or None; in one query."""
    tenant = tenant_table()
    rows = select(ApiKey, tenant.c.rate_limits).outerjoin(tenant, tenant.c.tenant_id == ApiKey.tenant_id)
    found = session.execute(rows.where(ApiKey.id == key_id)).first()
    return None if found is None else FoundKey(*found)


def record_use(session: Session, key_id: str, *, unless_since: datetime) -> None:
    """Set when the key was last used to now, unless it was used after ``unless_since``."""
    is_older = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < unless_since)
    used = update(ApiKey).where(ApiKey.id == key_id, is_older).values(last_used_at=db.now())
    db.execute_bulk(session, used)
