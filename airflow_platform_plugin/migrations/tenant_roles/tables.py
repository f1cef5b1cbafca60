"""The tables of Airflow's roles and of tenants, and what finds and creates their rows."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from airflow_platform_plugin.migrations.batches import split
from airflow_platform_plugin.migrations.tenant_roles.usual import Pair

actions = sa.table("ab_permission", sa.column("id"), sa.column("name"))
resources = sa.table("ab_view_menu", sa.column("id"), sa.column("name"))
permissions = sa.table(
    "ab_permission_view", sa.column("id"), sa.column("permission_id"), sa.column("view_menu_id")
)
grants = sa.table("ab_permission_view_role", sa.column("permission_view_id"), sa.column("role_id"))
roles = sa.table("ab_role", sa.column("id"), sa.column("name"))
members = sa.table("ab_user_role", sa.column("user_id"), sa.column("role_id"))
users = sa.table("ab_user", sa.column("id"), sa.column("username"), sa.column("email"))
tenants = sa.table(
    "platform_tenant",
    sa.column("tenant_id"),
    sa.column("admin_users", sa.JSON),
    sa.column("row_version", sa.Integer),
)
admin_names = sa.table("platform_tenant_admin_name", sa.column("name_hash"), sa.column("tenant_id"))
deployments = sa.table("platform_deployment", sa.column("dag_id"), sa.column("tenant_id"))
loader_files = sa.table("platform_loader_file", sa.column("fileloc"))
dags = sa.table("dag", sa.column("dag_id"), sa.column("fileloc"))

PERMISSIONS_WITH_NAMES = (
    sa.select(permissions.c.id, actions.c.name.label("action"), resources.c.name.label("resource"))
    .join(actions, actions.c.id == permissions.c.permission_id)
    .join(resources, resources.c.id == permissions.c.view_menu_id)
)


def has_roles(connection: Connection) -> bool:
    """Return whether Airflow has roles: other auth managers than FAB's do not keep any."""
    return bool(sa.inspect(connection).has_table("ab_role"))


def read_owners(connection: Connection) -> dict[str, str | None]:
    """Return the tenants of deployments by their DAGs, except for DAGs that others have written by hand.

    A DAG of a deployment's id in another file is such a DAG. Its permissions are not the platform's.
    """
    files = set(connection.scalars(sa.select(loader_files.c.fileloc)))
    written = connection.execute(sa.select(dags.c.dag_id, dags.c.fileloc))
    by_hand = {row.dag_id for row in written if row.fileloc not in files}
    rows = connection.execute(sa.select(deployments.c.dag_id, deployments.c.tenant_id))
    return {row.dag_id: row.tenant_id for row in rows if row.dag_id not in by_hand}


def ids_by_name(connection: Connection, of: sa.sql.TableClause, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of the rows that exist with the names."""
    found: dict[str, int] = {}
    for part in split(sorted(set(names))):
        rows = connection.execute(sa.select(of.c.name, of.c.id).where(of.c.name.in_(part)))
        found |= {name: id_ for name, id_ in rows if name in part}  # MySQL ignores case
    return found


def create_by_name(connection: Connection, of: sa.sql.TableClause, names: Collection[str]) -> dict[str, int]:
    """Return the ids of the rows with the names, after creating those that are missing."""
    found = ids_by_name(connection, of, names)
    missing = sorted(set(names) - set(found))
    if missing:
        connection.execute(sa.insert(of), [{"name": name} for name in missing])
    return found | ids_by_name(connection, of, missing)


def permission_ids(connection: Connection, names: Collection[str]) -> dict[Pair, int]:
    """Return the ids of the permissions on resources, which are named."""
    found: dict[Pair, int] = {}
    for part in split(sorted(set(names))):
        rows = connection.execute(PERMISSIONS_WITH_NAMES.where(resources.c.name.in_(part)))
        found |= {(row.action, row.resource): row.id for row in rows if row.resource in part}
    return found


def delete_permissions(connection: Connection, ids: Iterable[int]) -> None:
    """Delete permissions, and take them from all roles."""
    for part in split(sorted(ids)):
        connection.execute(sa.delete(grants).where(grants.c.permission_view_id.in_(part)))
        connection.execute(sa.delete(permissions).where(permissions.c.id.in_(part)))


def grant(connection: Connection, wanted: dict[str, set[Pair]]) -> None:
    """Give roles the permissions that they lack; roles and permissions that are missing are created.

    Args:
        connection: the connection.
        wanted: the permissions of each role, by the role's name.
    """
    role_ids = create_by_name(connection, roles, wanted)
    pairs = set().union(*wanted.values())
    known = _create_permissions(connection, pairs)
    held = {
        (role, permission)
        for part in split(sorted(role_ids.values()))
        for role, permission in connection.execute(
            sa.select(grants.c.role_id, grants.c.permission_view_id).where(grants.c.role_id.in_(part))
        )
    }
    given = {(role_ids[name], known[pair]) for name, pairs in wanted.items() for pair in pairs}
    if missing := sorted(given - held):
        rows = [{"role_id": role, "permission_view_id": permission} for role, permission in missing]
        connection.execute(sa.insert(grants), rows)


def _create_permissions(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, int]:
    action_ids = create_by_name(connection, actions, {action for action, _ in pairs})
    resource_ids = create_by_name(connection, resources, {resource for _, resource in pairs})
    known = permission_ids(connection, resource_ids)
    if missing := sorted(set(pairs) - set(known)):
        rows = [
            {"permission_id": action_ids[action], "view_menu_id": resource_ids[resource]}
            for action, resource in missing
        ]
        connection.execute(sa.insert(permissions), rows)
        known |= permission_ids(connection, {resource for _, resource in missing})
    return known
