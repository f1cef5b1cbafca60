"""The roles of a tenant are labels; three shared roles hold what each may do in every tenant.

Each tenant had permissions that named it (*can edit on Platform Webhooks:<tenant>*), and its two roles held
them together with usual ones of Airflow's. This creates the shared roles, takes from the tenants' roles what
the platform gave them, and deletes the permissions that name tenants. What an operator added to a role stays.
"""

from collections.abc import Collection
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from airflow_platform_plugin.migrations.batches import batches, split
from airflow_platform_plugin.migrations.tenant_roles import changed, tables
from airflow_platform_plugin.migrations.tenant_roles.usual import (
    IN_AIRFLOW,
    IN_TENANT,
    RESOURCES,
    resource,
    role_name,
    roles_of_tenants,
    shared_roles,
)

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TENANTS_AT_ONCE = 100


def upgrade() -> None:
    with batches() as run:
        if not run(_find_tenants):
            return  # the webserver creates the shared roles
        run(_create_shared_roles)
        run(_migrate_changed_roles)
        for tenants in split(sorted(run(_find_tenants)), _TENANTS_AT_ONCE):
            run(partial(_clean, tenants=tenants))


def downgrade() -> None:
    """Give the roles of members and administrators their usual permissions; there were no viewers.

    Airflow's next parsing gives them those on DAGs. The shared roles stay; earlier versions do not use them.
    """
    with batches() as run:
        for tenants in split(run(_read_tenants), _TENANTS_AT_ONCE):
            run(partial(tables.grant, wanted=roles_of_tenants(tenants)))


def _create_shared_roles(connection: Connection) -> None:
    """Create the shared roles. Before they exist, a role of such a name is somebody's own, and is renamed."""
    wanted = shared_roles()
    if not tables.permission_ids(connection, ["DAGs of own tenants"]):
        for name in tables.ids_by_name(connection, tables.roles, wanted):
            changed.rename(connection, name, f"{name} (old)")
    tables.grant(connection, wanted)


def _read_tenants(connection: Connection) -> list[str]:
    if not tables.has_roles(connection):
        return []
    return sorted(connection.scalars(sa.select(tables.tenants.c.tenant_id)))


def _find_tenants(connection: Connection) -> set[str]:
    """Return the tenants that permissions name: those that are not migrated yet."""
    names = {resource(each, tenant): tenant for tenant in _read_tenants(connection) for each in RESOURCES}
    if not names:
        return set()
    found = connection.scalars(
        sa.select(tables.resources.c.name)
        .join(tables.permissions, tables.permissions.c.view_menu_id == tables.resources.c.id)
        .distinct()
    )
    return {names[name] for name in found if name in names}


def _migrate_changed_roles(connection: Connection) -> None:
    """Migrate the tenants whose roles somebody has changed.

    They come first and at once: which permissions are usual depends on all tenants that are left.
    """
    left = _find_tenants(connection)
    state = changed.read_state(connection, left)
    found = changed.find_changed(state, left)
    for tenant, roles in sorted(found.items()):
        changed.migrate(connection, state, tenant, roles)
    for tenants in split(sorted(found), _TENANTS_AT_ONCE):
        _clean(connection, tenants)


def _clean(connection: Connection, tenants: Collection[str]) -> None:
    """Make the roles of the tenants labels, and delete the permissions that name these tenants."""
    names = [role_name(tenant, kind) for tenant in tenants for kind in IN_TENANT]
    labels = tables.create_by_name(connection, tables.roles, names)
    usual = IN_AIRFLOW["Admin"]
    known = tables.permission_ids(connection, {name for _, name in usual})
    grants = tables.grants.c
    given = grants.permission_view_id.in_([known[pair] for pair in usual & set(known)])
    for part in split(labels.values()):
        connection.execute(sa.delete(tables.grants).where(given, grants.role_id.in_(part)))
    own = [resource(each, tenant) for tenant in tenants for each in RESOURCES]
    tables.delete_permissions(connection, tables.permission_ids(connection, own).values())
