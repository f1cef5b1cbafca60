"""The DataKits of tenants."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core.feature import TenantResource
from airflow_platform_plugin.datakits import service
from airflow_platform_plugin.datakits.models import DataKit


def _ids(session: Session, tenant_id: str) -> list[str]:
    return list(
        session.scalars(select(DataKit.id).where(DataKit.tenant_id == tenant_id).order_by(DataKit.id))
    )


def _delete(session: Session, tenant_id: str) -> None:
    """Delete all versions: only the tenant deploys them, and its deployments were deleted before."""
    service.delete_all(session, session.scalars(select(DataKit).where(DataKit.tenant_id == tenant_id)).all())


DATAKITS = TenantResource("datakits", ids=_ids, delete=_delete)
