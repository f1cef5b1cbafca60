"""The index of tenants by the names of their administrators.

``Tenant.admin_users`` is the list itself, a JSON document, in which no database finds a name without reading
all tenants. This table follows it.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import delete, event, inspect, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.tenants.models import Tenant, TenantAdminName


def has_any(names: Collection[str]) -> ColumnElement[bool]:
    """Return the SQL condition that a tenant's list of administrators has one of the names, in any case."""
    index = TenantAdminName.__table__.c
    hashes = [_hash(name) for name in names]
    condition: ColumnElement[bool] = Tenant.__table__.c.tenant_id.in_(
        select(index.tenant_id).where(index.name_hash.in_(hashes))
    )
    return condition


def replace(database: Connection, tenant_id: str, names: Iterable[str]) -> None:
    """Store the names of a tenant's administrators, in place of those before."""
    _remove(database, tenant_id)
    hashes = sorted({_hash(name) for name in names})
    rows = [{"name_hash": name_hash, "tenant_id": tenant_id} for name_hash in hashes]
    if rows:
        database.execute(TenantAdminName.__table__.insert(), rows)


def _hash(name: str) -> str:
    """Return the hash of a name; Airflow has no two users with names that differ only in case."""
    return crypto.digest(name.lower())


def _remove(database: Connection, tenant_id: str) -> None:
    index = TenantAdminName.__table__
    database.execute(delete(index).where(index.c.tenant_id == tenant_id))


@event.listens_for(Tenant, "after_insert")
@event.listens_for(Tenant, "after_update")
def _follow(_mapper: object, database: Connection, tenant: Tenant) -> None:
    if inspect(tenant).attrs.admin_users.history.has_changes():
        replace(database, str(tenant.tenant_id), tenant.admin_users)


@event.listens_for(Tenant, "before_delete")
def _forget(_mapper: object, database: Connection, tenant: Tenant) -> None:
    _remove(database, str(tenant.tenant_id))
