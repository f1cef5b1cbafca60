"""A tenant's connections, as its end sees them."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import service
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import ConnectionRecord, attach_metadata, is_known
from airflow_platform_plugin.core.feature import TenantResource


def _found(session: Session, tenant_id: str) -> list[ConnectionRecord]:
    owned = select(Connection).join(PlatformConnection, is_known())
    rows = session.scalars(
        owned.where(PlatformConnection.tenant_id == tenant_id).order_by(Connection.conn_id)
    )
    return attach_metadata(session, rows.all())


def _ids(session: Session, tenant_id: str) -> list[str]:
    return [found.connection_id for found in _found(session, tenant_id)]


def _delete(session: Session, tenant_id: str) -> None:
    for found in _found(session, tenant_id):
        service.delete(session, found)
    # What is left is of connections that were deleted where nobody told us.
    session.execute(delete(PlatformConnection).where(PlatformConnection.tenant_id == tenant_id))


CONNECTIONS = TenantResource("connections", ids=_ids, delete=_delete)
