"""Tenants: created, found, changed, deleted; and what they own."""

from decimal import Decimal
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import kubernetes_quantities, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.core.feature import tenant_resources
from airflow_platform_plugin.core.naming import DEFAULT_NAMESPACE
from airflow_platform_plugin.core.reach import EVERYWHERE, Reach
from airflow_platform_plugin.tenants import quota, roles
from airflow_platform_plugin.tenants.models import Tenant

# What a tenant may be allowed, and what it is where it does not say; docs/tenants.md says what each gates.
FEATURES = {"datakits": True, "custom_operators": False, "external_connections": False, "gpu_support": False}
MOST_LABELS = 100


def create(session: Session, fields: dict[str, Any]) -> Tenant:
    """Create a tenant; its name and namespace default to its id.

    Raises:
        ValidationFailed: the namespace is the platform's own.
        Conflict: the id or the namespace is taken.
    """
    tenant_id = fields["tenant_id"]
    namespace = fields.get("namespace", tenant_id)
    if namespace == DEFAULT_NAMESPACE:
        field = "namespace" if "namespace" in fields else "tenant_id"
        raise ValidationFailed.of(field, message=f"the namespace '{namespace}' is the platform's own")
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
        rate_limits=fields.get("rate_limits"),
    )
    session.add(tenant)
    session.flush()
    keep(session, tenant)
    return tenant


def keep(session: Session, tenant: Tenant) -> None:
    """Keep in step what Airflow has of a tenant: its roles, and its pool."""
    roles.sync(session, tenant)
    quota.keep_pool(session, str(tenant.tenant_id))


def get(session: Session, tenant_id: str, *, reach: Reach) -> Tenant:
    """The tenant of that id, if it is among those that the caller reaches (None for all).

    Raises:
        NotFound: there is none.
    """
    tenant: Tenant | None = session.get(Tenant, tenant_id)
    if tenant is None or not reach.allows(tenant_id):
        raise NotFound(f"Tenant '{tenant_id}' not found", tenant_id=tenant_id)
    return tenant


def change(session: Session, tenant: Tenant, fields: dict[str, Any]) -> None:
    """Set what is given; objects are merged key by key, and a key whose value is None is removed.

    Raises:
        ValidationFailed: its metadata would have too many names.
    """
    for name, value in fields.items():
        column = {"metadata": "labels"}.get(name, name)
        if isinstance(value, dict):
            merged = (getattr(tenant, column) or {}) | value
            kept = {key: item for key, item in merged.items() if item is not None}
            if column == "labels" and len(kept) > MOST_LABELS:
                raise ValidationFailed.of(name, message=f"would have more than {MOST_LABELS} names")
            setattr(tenant, column, kept)
        else:
            setattr(tenant, column, value)
    session.flush()
    keep(session, tenant)
    for resource in tenant_resources():
        resource.changed(session, str(tenant.tenant_id))


def has_feature(tenant: Tenant, name: str) -> bool:
    """Whether the tenant has the feature; what it does not say is as ``FEATURES`` has it."""
    return bool(tenant.features.get(name, FEATURES[name]))


def delete(session: Session, tenant_id: str, *, cascade: bool) -> None:
    """Delete a tenant with its roles, and with ``cascade`` all that it owns.

    Raises:
        NotFound: there is none.
        Conflict: it owns something, and ``cascade`` is not set.
    """
    tenant = get(session, tenant_id, reach=EVERYWHERE)
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
    airflow_compat.pools.delete_pool(session, quota.pool(tenant_id))
    session.delete(tenant)


def usage(session: Session, tenant: Tenant) -> dict[str, Any]:
    """What a tenant owns, how many of each, and what of its limits that needs."""
    tenant_id = str(tenant.tenant_id)
    used = requirements(session, tenant_id)
    return {
        "tenant_id": tenant_id,
        "resource_limits": tenant.resource_limits,
        "used": {name: kubernetes_quantities.render(amount) for name, amount in sorted(used.items())},
        "left": {
            name: kubernetes_quantities.render(kubernetes_quantities.parse(limit) - used.get(name, Decimal()))
            for name, limit in sorted(tenant.resource_limits.items())
        },
        "owned": {resource.name: len(resource.ids(session, tenant_id)) for resource in tenant_resources()},
    }


def requirements(session: Session, tenant_id: str) -> dict[str, Decimal]:
    """What everything of a tenant's needs together, by resource."""
    total: dict[str, Decimal] = {}
    for resource in tenant_resources():
        for name, amount in resource.requirements(session, tenant_id).items():
            total[name] = total.get(name, Decimal()) + amount
    return total


def resolve_owner(session: Session, tenant_id: str | None, *, reach: Reach) -> str | None:
    """The tenant of something new: the one that is named, or the caller's own where there is but one.

    Raises:
        ValidationFailed: there is no such tenant that the caller reaches, or several and none is named.
    """
    if tenant_id is None:
        if reach.everywhere:
            return None
        if len(reach.tenant_ids) == 1:
            return next(iter(reach.tenant_ids))
        raise ValidationFailed.of(
            "tenant_id", message=f"is needed: one of {', '.join(sorted(reach.tenant_ids))}"
        )
    if not reach.allows(tenant_id) or session.get(Tenant, tenant_id) is None:
        raise ValidationFailed.of("tenant_id", message=f"there is no tenant {tenant_id!r} of yours")
    return tenant_id


def by_namespace(session: Session, namespace: str) -> Tenant | None:
    """The tenant that owns the namespace, if one does."""
    tenant: Tenant | None = session.scalar(select(Tenant).where(Tenant.namespace == namespace))
    return tenant


def page(session: Session, query: dict[str, Any], *, reach: Reach) -> pagination.Page:
    """The tenants that the caller reaches and that fit what is given, by id."""
    wanted = select(Tenant).where(reach.where(Tenant.tenant_id))
    if "namespace" in query:
        wanted = wanted.where(Tenant.namespace == query["namespace"])
    if "search" in query:
        wanted = wanted.where(pagination.containing(query["search"], Tenant.tenant_id, Tenant.display_name))
    return pagination.fetch(
        session,
        wanted,
        pagination.Query(limit=query["limit"], offset=query["offset"], order_by=query.get("order_by")),
    )
