"""Who belongs to which tenant, and as what: the one place that decides it.

Airflow's roles ``Tenant <id> Admin``, ``… Member`` and ``… Viewer`` are labels: the roles that a user has say
where the user belongs. What a role may do is said once for all tenants, by the permissions of the shared
Airflow roles ``Tenant Admin``, ``Tenant Member`` and ``Tenant Viewer``.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import bindparam, column, select, table
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, parse_tenant_role_name, shared_role_name

log = logging.getLogger(__name__)

# An action and a resource of Airflow's: ``("can_read", "DAG Runs")``.
Permission = tuple[str, str]

# The resource of the permissions on a tenant's DAGs: ``can_read`` to see them, ``can_edit`` to run and change
# them. They count only in the shared roles of tenants.
OWN_DAGS = "DAGs of own tenants"
# A part of the table of tenants, which a feature has: nobody belongs to a deleted tenant.
_TENANTS = table("platform_tenant", column("tenant_id"))
_EXISTING = select(_TENANTS.c.tenant_id).where(
    _TENANTS.c.tenant_id.in_(bindparam("tenant_ids", expanding=True))
)
_ATTRIBUTE = "_platform_memberships"


@dataclass(frozen=True)
class Memberships:
    """The tenants of a user.

    Attributes:
        roles: the user's roles in each tenant, by the tenant's id.
        permissions: what each of these roles may do.
    """

    roles: Mapping[str, frozenset[TenantRole]] = field(default_factory=dict)
    permissions: Mapping[TenantRole, frozenset[Permission]] = field(default_factory=dict)
    _within: dict[str, frozenset[Permission]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __bool__(self) -> bool:
        """Return whether the user belongs to any tenant."""
        return bool(self.roles)

    @cached_property
    def anywhere(self) -> frozenset[Permission]:
        """What the user may do in one tenant or another."""
        return self._united({role for roles in self.roles.values() for role in roles})

    def within(self, tenant_id: str | None) -> frozenset[Permission]:
        """Return what the user may do in one tenant."""
        key = tenant_id or ""
        if key not in self._within:  # a page of DAGs asks hundreds of times
            self._within[key] = self._united(self.roles.get(key, ()))
        return self._within[key]

    def tenants_with(self, permissions: Collection[Permission]) -> frozenset[str]:
        """Return the tenants in which the user has all of the permissions."""
        wanted = set(permissions)
        return frozenset(tenant_id for tenant_id in self.roles if wanted <= self.within(tenant_id))

    def _united(self, roles: Collection[TenantRole]) -> frozenset[Permission]:
        return frozenset().union(*(self.permissions.get(role, frozenset()) for role in roles))


NONE = Memberships()


def memberships_of(user: User) -> Memberships:
    """Return the tenants of a user, read once for each user object; it lives as long as a request.

    Without tenants' roles this sends no query. If the platform's tables cannot be read, nobody belongs to a
    tenant: stock pages go on working.
    """
    known: Memberships | None = getattr(user, _ATTRIBUTE, None)
    if known is not None:
        return known
    names = airflow_compat.roles.role_names(user)
    named = [parsed for name in names if (parsed := parse_tenant_role_name(name))]
    if not named:
        setattr(user, _ATTRIBUTE, NONE)
        return NONE
    try:
        with db.connection_of(user) as connection:
            existing = _existing(connection, {each.tenant_id for each in named})
            shared = {shared_role_name(each.role): each.role for each in named}
            permissions = airflow_compat.roles.permissions_by_role(connection, {*names, *shared})
    except SQLAlchemyError:
        log.exception("The tenants of the user %s cannot be read", user.id)
        return NONE
    airflow_compat.users.keep_permissions(user, set().union(*(permissions[name] for name in names)))
    roles: dict[str, set[TenantRole]] = {}
    for tenant_id, role in named:
        if tenant_id in existing:
            roles.setdefault(tenant_id, set()).add(role)
    found = Memberships(
        {tenant_id: frozenset(held) for tenant_id, held in roles.items()},
        {role: frozenset(permissions[name]) for name, role in shared.items()},
    )
    setattr(user, _ATTRIBUTE, found)
    return found


def _existing(connection: Connection, tenant_ids: Collection[str]) -> set[str]:
    return set(connection.execute(_EXISTING, {"tenant_ids": sorted(tenant_ids)}).scalars())
