"""The connections that a tenant owns: listed in its usage, and deleted with it."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import storage
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import ConnectionRecord, attach_metadata, metadata_join
from airflow_platform_plugin.core.feature import TenantResource


def _found(session: Session, tenant_id: str) -> list[ConnectionRecord]:
    owned = select(Connection).join(PlatformConnection, metadata_join())
    rows = session.scalars(
        owned.where(PlatformConnection.tenant_id == tenant_id).order_by(Connection.conn_id)
    )
    return attach_metadata(session, rows.all())


def _ids(session: Session, tenant_id: str) -> list[str]:
    return [found.connection_id for found in _found(session, tenant_id)]


def _delete(session: Session, tenant_id: str) -> None:
    for found in _found(session, tenant_id):
        storage.delete(session, found)
    # The remaining rows are of connections that Airflow's command line deleted.
    session.execute(delete(PlatformConnection).where(PlatformConnection.tenant_id == tenant_id))


CONNECTIONS = TenantResource("connections", ids=_ids, delete=_delete)
