"""Tenants: created, found."""

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import paging
from airflow_platform_plugin.errors import Conflict, NotFound
from airflow_platform_plugin.tenants.models import Tenant


def create(session: Session, fields: dict[str, Any]) -> Tenant:
    """Create a tenant; its name and namespace default to its id.

    Raises:
        Conflict: the id or the namespace is taken.
    """
    tenant_id = fields["tenant_id"]
    namespace = fields.get("namespace", tenant_id)
    taken = select(Tenant).where(or_(Tenant.tenant_id == tenant_id, Tenant.namespace == namespace))
    for other in session.scalars(taken):
        if other.tenant_id == tenant_id:
            raise Conflict(f"Tenant '{tenant_id}' already exists", tenant_id=tenant_id)
        raise Conflict(f"Namespace '{namespace}' is taken", namespace=namespace)
    tenant = Tenant(
        tenant_id=tenant_id,
        display_name=fields.get("display_name", tenant_id),
        namespace=namespace,
        resource_limits=fields["resource_limits"],
        features=fields["features"],
        admin_users=fields["admin_users"],
        labels=fields["metadata"],
        rate_limits=fields["rate_limits"],
    )
    session.add(tenant)
    session.flush()
    return tenant


def get(session: Session, tenant_id: str) -> Tenant:
    """The tenant of that id.

    Raises:
        NotFound: there is none.
    """
    tenant: Tenant | None = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound(f"Tenant '{tenant_id}' not found", tenant_id=tenant_id)
    return tenant


def by_namespace(session: Session, namespace: str) -> Tenant | None:
    """The tenant that owns the namespace, if one does."""
    tenant: Tenant | None = session.scalar(select(Tenant).where(Tenant.namespace == namespace))
    return tenant


def page(session: Session, *, limit: int, offset: int) -> paging.Page:
    """Tenants by id."""
    return paging.fetch(session, select(Tenant).order_by(Tenant.tenant_id), limit=limit, offset=offset)
