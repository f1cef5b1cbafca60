"""Tenants: create, find, change and delete them; and find what they own."""

from decimal import Decimal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import kubernetes_quantities, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.feature import tenant_resources
from airflow_platform_plugin.core.naming import DEFAULT_NAMESPACE, tenant_pool_name
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.tenants import quota, roles
from airflow_platform_plugin.tenants.inputs import NewTenant, TenantChanges, TenantFilter, TenantUsage
from airflow_platform_plugin.tenants.models import Tenant

READ, WRITE = "tenants:read", "tenants:write"

# The features of a tenant and their defaults; docs/tenants.md says what each allows.
TENANT_FEATURES = {
    "datakits": True,
    "custom_operators": False,
    "external_connections": False,
    "gpu_support": False,
}
MOST_LABELS = 100


def create(session: Session, data: NewTenant, *, by: Principal) -> Tenant:
    """Create a tenant with its roles and its pool.

    Raises:
        PermissionDenied: the caller may not write all tenants.
        ValidationFailed: the namespace is the platform's own.
        Conflict: the id or the namespace is taken.
    """
    _require_platform_admin(by)
    namespace = _require_namespace(data)
    taken = select(Tenant).where(or_(Tenant.tenant_id == data.tenant_id, Tenant.namespace == namespace))
    for other in session.scalars(taken):
        if other.tenant_id == data.tenant_id:
            raise Conflict(f"Tenant '{data.tenant_id}' already exists", tenant_id=data.tenant_id)
        raise Conflict(f"Namespace '{namespace}' is taken", namespace=namespace)
    tenant = Tenant(
        tenant_id=data.tenant_id,
        display_name=data.tenant_id if data.display_name is None else data.display_name,
        namespace=namespace,
        resource_limits=data.resource_limits,
        features=data.features,
        admin_users=data.admin_users,
        labels=data.metadata,
        rate_limits=data.rate_limits,
    )
    session.add(tenant)
    session.flush()
    roles.create(session, tenant)
    quota.ensure_pool(session, str(tenant.tenant_id))
    return tenant


def get(session: Session, tenant_id: str, *, by: Principal) -> Tenant:
    """Return a tenant that the caller may read.

    Raises:
        NotFound: there is no such tenant.
    """
    tenant = find(session, tenant_id)
    if tenant is None or not by.reach(READ).allows(tenant_id):
        raise _not_found(tenant_id)
    return tenant


def get_writable(session: Session, tenant_id: str, *, by: Principal) -> Tenant:
    """Return a tenant that the caller may change or delete.

    Raises:
        PermissionDenied: the caller may not write all tenants. A tenant does not set its own limits.
        NotFound: there is no such tenant.
    """
    _require_platform_admin(by)
    tenant = find(session, tenant_id)
    if tenant is None:
        raise _not_found(tenant_id)
    return tenant


def find(session: Session, tenant_id: str) -> Tenant | None:
    """Return the tenant with that id, or None. This does not check who asks."""
    tenant: Tenant | None = session.get(Tenant, tenant_id)
    return tenant


def find_by_namespace(session: Session, namespace: str) -> Tenant | None:
    """Return the tenant that owns the namespace, or None. This does not check who asks."""
    tenant: Tenant | None = session.scalar(select(Tenant).where(Tenant.namespace == namespace))
    return tenant


def page(session: Session, query: TenantFilter, *, by: Principal) -> pagination.Page:
    """Return a page of the tenants that the caller may read, by default ordered by id."""
    rows = select(Tenant).where(by.reach(READ).where(Tenant.tenant_id))
    if query.namespace is not None:
        rows = rows.where(Tenant.namespace == query.namespace)
    if query.search is not None:
        rows = rows.where(pagination.containing(query.search, Tenant.tenant_id, Tenant.display_name))
    return pagination.fetch(session, rows, query)


def update(session: Session, tenant: Tenant, data: TenantChanges) -> Tenant:
    """Set what is given. Objects are merged key by key; a key with the value None is removed.

    Raises:
        ValidationFailed: the metadata would have too many names.
    """
    admins = list(tenant.admin_users)
    for name, value in data.items():
        column = "labels" if name == "metadata" else name
        merged: Json = _merge(getattr(tenant, column), value) if isinstance(value, dict) else value
        if column == "labels" and len(merged) > MOST_LABELS:
            raise ValidationFailed.of(name, message=f"would have more than {MOST_LABELS} names")
        setattr(tenant, column, merged)
    session.flush()
    roles.update_admins(session, tenant, before=admins)
    quota.ensure_pool(session, str(tenant.tenant_id))
    for resource in tenant_resources():
        resource.changed(session, str(tenant.tenant_id))
    return tenant


def delete(session: Session, tenant: Tenant, *, cascade: bool) -> None:
    """Delete a tenant with its roles and its pool; with ``cascade`` also everything that it owns.

    Raises:
        Conflict: it owns something, and ``cascade`` is not set.
    """
    tenant_id = str(tenant.tenant_id)
    owned = {resource.name: resource.ids(session, tenant_id) for resource in tenant_resources()}
    owned = {name: ids for name, ids in owned.items() if ids}
    if owned and not cascade:
        raise Conflict(
            f"Tenant '{tenant_id}' still owns {', '.join(owned)}; ?cascade=true deletes them too.",
            owned=owned,
        )
    for resource in tenant_resources():
        resource.delete(session, tenant_id)
    session.flush()
    roles.delete(session, tenant_id)
    airflow_compat.pools.delete_pool(session, tenant_pool_name(tenant_id))
    session.delete(tenant)


def has_feature(tenant: Tenant, name: str) -> bool:
    """Return whether the tenant has the feature, by its own setting or the default in ``TENANT_FEATURES``."""
    return bool(tenant.features.get(name, TENANT_FEATURES[name]))


def get_usage(session: Session, tenant: Tenant) -> TenantUsage:
    """Return what a tenant owns, what its active deployments need, and what is left of its limits."""
    tenant_id = str(tenant.tenant_id)
    used = sum_requirements(session, tenant_id)
    left = {
        name: kubernetes_quantities.parse(limit) - used.get(name, Decimal())
        for name, limit in tenant.resource_limits.items()
    }
    return TenantUsage(
        tenant_id=tenant_id,
        resource_limits=dict(tenant.resource_limits),
        used={name: kubernetes_quantities.render(amount) for name, amount in sorted(used.items())},
        left={name: kubernetes_quantities.render(amount) for name, amount in sorted(left.items())},
        owned={resource.name: len(resource.ids(session, tenant_id)) for resource in tenant_resources()},
    )


def sum_requirements(session: Session, tenant_id: str) -> dict[str, Decimal]:
    """Return what everything that a tenant owns needs in all: CPUs, bytes and GPUs by name."""
    total: dict[str, Decimal] = {}
    for resource in tenant_resources():
        for name, amount in resource.requirements(session, tenant_id).items():
            total[name] = total.get(name, Decimal()) + amount
    return total


def resolve_owner(session: Session, tenant_id: str | None, *, by: Principal, scope: str) -> str | None:
    """Return the tenant that owns something new.

    Args:
        session: the request's transaction.
        tenant_id: the tenant that the caller names, or None.
        by: the caller.
        scope: the scope that the caller needs in that tenant, such as ``webhooks:write``.

    Returns:
        The named tenant. If none is named: the only tenant in which the caller holds the scope, or None
        (no tenant) if the caller holds it everywhere.

    Raises:
        ValidationFailed: the caller does not hold the scope in such a tenant; or none is named, and the
            caller holds it in several tenants.
    """
    reach = by.reach(scope)
    if tenant_id is None:
        if reach.everywhere:
            return None
        if len(reach.tenant_ids) == 1:
            return next(iter(reach.tenant_ids))
        raise ValidationFailed.of(
            "tenant_id", message=f"is needed: one of {', '.join(sorted(reach.tenant_ids))}"
        )
    if not reach.allows(tenant_id) or find(session, tenant_id) is None:
        raise ValidationFailed.of("tenant_id", message=f"there is no tenant {tenant_id!r} that you may use")
    return tenant_id


def _merge(stored: dict[str, Json] | None, given: dict[str, Json]) -> dict[str, Json]:
    return {key: item for key, item in {**(stored or {}), **given}.items() if item is not None}


def _require_platform_admin(by: Principal) -> None:
    if not by.reach(WRITE).everywhere:
        raise PermissionDenied(f"This needs the scope {WRITE} for all tenants.", scope=WRITE)


def _require_namespace(data: NewTenant) -> str:
    namespace = data.tenant_id if data.namespace is None else data.namespace
    if namespace == DEFAULT_NAMESPACE:
        field = "tenant_id" if data.namespace is None else "namespace"
        raise ValidationFailed.of(
            field, message=f"the namespace '{namespace}' is the platform's own; choose another one"
        )
    return namespace


def _not_found(tenant_id: str) -> NotFound:
    return NotFound(f"Tenant '{tenant_id}' not found", tenant_id=tenant_id)
