"""DAGs of deployments have no permissions: who may use them follows from the tenant that owns them.

This takes ``DAG:<dag_id>`` from the tenants' roles, and deletes the permissions of these DAGs that no other
role holds. It also deletes permissions of deleted tenants that only the role Admin holds, and then the
resources that have no permissions any more.
"""

import re
from collections.abc import Collection
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from airflow_platform_plugin.migrations.batches import MOST_VALUES, batches, split
from airflow_platform_plugin.migrations.tenant_roles import tables
from airflow_platform_plugin.migrations.tenant_roles.usual import ON_DAGS, RESOURCES, resource, role_name

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_PREFIXES = ("DAG:", "DAG Run:")


def upgrade() -> None:
    with batches() as run:
        if not run(tables.has_roles):
            return
        owners = run(tables.read_owners)
        for dags in split(sorted(owners), MOST_VALUES // len(_PREFIXES)):
            run(partial(_clean, owners={dag: owners[dag] for dag in dags}))
        names = [prefix + dag for dag in owners for prefix in _PREFIXES]
        names += [resource(each, tenant) for tenant in run(_read_tenants) for each in RESOURCES]
        names += run(_delete_permissions_of_deleted_tenants)
        for part in split(sorted(names), 10 * MOST_VALUES):
            run(partial(_delete_unused_resources, names=part))


def downgrade() -> None:
    """Airflow's next parsing creates the permissions of DAGs that have an ``access_control``."""


def _clean(connection: Connection, owners: dict[str, str | None]) -> None:
    known = tables.permission_ids(connection, [prefix + dag for dag in owners for prefix in _PREFIXES])
    names = [role_name(tenant, kind) for tenant in set(owners.values()) if tenant for kind in ON_DAGS]
    roles = tables.ids_by_name(connection, tables.roles, names)
    given = {
        (known[action, f"DAG:{dag}"], roles[name])
        for dag, tenant in owners.items()
        for kind in ("Admin", "Member")
        for action in ON_DAGS[kind]
        if tenant and (name := role_name(tenant, kind)) in roles and (action, f"DAG:{dag}") in known
    }
    # Airflow's role Admin may use all DAGs without these.
    admin = set(tables.ids_by_name(connection, tables.roles, ["Admin"]).values())
    held = _read_grants(connection, known.values())
    kept = {permission for permission, role in held - given if role not in admin}
    tables.delete_permissions(connection, set(known.values()) - kept)
    grants = tables.grants.c
    for permission, role in sorted(each for each in given & held if each[0] in kept):
        one = (grants.permission_view_id == permission, grants.role_id == role)
        connection.execute(sa.delete(tables.grants).where(*one))


def _read_grants(connection: Connection, permissions: Collection[int]) -> set[tuple[int, int]]:
    grants = tables.grants.c
    return {
        (row.permission_view_id, row.role_id)
        for part in split(permissions)
        for row in connection.execute(sa.select(tables.grants).where(grants.permission_view_id.in_(part)))
    }


def _read_tenants(connection: Connection) -> list[str]:
    return list(connection.scalars(sa.select(tables.tenants.c.tenant_id)))


def _delete_permissions_of_deleted_tenants(connection: Connection) -> list[str]:
    """Delete what the deletion of a tenant left to the role Admin; return the names of the resources."""
    named = re.compile(f"Platform ({'|'.join(RESOURCES)}):([a-z0-9]([a-z0-9-]*[a-z0-9])?)")
    existing = set(_read_tenants(connection))
    names = [
        name
        for name in connection.scalars(sa.select(tables.resources.c.name))
        if (match := named.fullmatch(name)) and match[2] not in existing
    ]
    found = set(tables.permission_ids(connection, names).values())
    admin = set(tables.ids_by_name(connection, tables.roles, ["Admin"]).values())
    kept = {permission for permission, role in _read_grants(connection, found) if role not in admin}
    tables.delete_permissions(connection, found - kept)
    return names


def _delete_unused_resources(connection: Connection, names: Collection[str]) -> None:
    ids = set(tables.ids_by_name(connection, tables.resources, names).values())
    ids -= set(connection.scalars(sa.select(tables.permissions.c.view_menu_id)))
    for part in split(sorted(ids)):
        connection.execute(sa.delete(tables.resources).where(tables.resources.c.id.in_(part)))
