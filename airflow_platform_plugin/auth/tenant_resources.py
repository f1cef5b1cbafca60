"""API keys as resources of a tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import TenantResource


def _active_ids(session: Session, tenant_id: str) -> list[str]:
    active = select(ApiKey.id).where(ApiKey.tenant_id == tenant_id, ApiKey.revoked_at.is_(None))
    return list(session.scalars(active.order_by(ApiKey.id)))


def _revoke(session: Session, tenant_id: str) -> None:
    for key in session.scalars(select(ApiKey).where(ApiKey.id.in_(_active_ids(session, tenant_id)))):
        key.revoked_at = db.now()


API_KEYS = TenantResource("api_keys", ids=_active_ids, delete=_revoke)
