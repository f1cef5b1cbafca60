"""Tenants' roles that somebody has changed, and other roles with permissions of a tenant.

The new form cannot say that one tenant's role may do less than another's, or that another role may do
something in one tenant. Their users get the strongest role in the tenant that gives no more than they had.
"""

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from airflow_platform_plugin.migrations.tenant_roles import tables
from airflow_platform_plugin.migrations.tenant_roles.usual import (
    IN_AIRFLOW,
    IN_TENANT,
    ON_DAGS,
    RESOURCES,
    Pair,
    resource,
    role_name,
)

log = logging.getLogger("airflow_platform_plugin.migrations")


@dataclass
class State:
    """Roles and permissions, as they are.

    Attributes:
        roles: the ids of roles by name.
        ids: the ids of permissions.
        held: the permissions of each role, by its id.
        dags: the DAGs of each tenant's deployments.
        usual: the usual permissions, without their tenant, that some tenant's role holds. The others are
            new: nobody has taken them from a role.
    """

    roles: dict[str, int]
    ids: dict[Pair, int]
    held: dict[int, set[int]]
    dags: dict[str, list[str]]
    usual: set[Pair] = field(default_factory=set)

    def of_role(self, name: str) -> set[int]:
        """Return what a role holds; nothing if it does not exist."""
        role = self.roles.get(name)
        return set() if role is None else self.held.get(role, set())

    def wanted(self, kind: str, tenant: str) -> set[int]:
        """Return what a role of this kind in the tenant holds, unless somebody changed it."""
        pairs = {(action, resource(of, tenant)) for action, of in IN_TENANT[kind] & self.usual}
        pairs |= IN_AIRFLOW[kind] & self.usual
        on_dags = {(action, f"DAG:{dag}") for dag in self.dags.get(tenant, ()) for action in ON_DAGS[kind]}
        given = self.given(tenant)
        return {self.ids[pair] for pair in pairs if pair in self.ids} | {
            id_ for pair in on_dags if (id_ := self.ids.get(pair)) in given
        }

    def given(self, tenant: str) -> set[int]:
        """Return what one of the tenant's roles holds."""
        return self.of_role(role_name(tenant, "Admin")) | self.of_role(role_name(tenant, "Member"))

    def own(self, tenant: str) -> set[int]:
        """Return all permissions that name the tenant."""
        return set().union(*(self._by_resource.get(resource(each, tenant), set()) for each in RESOURCES))

    def texts(self, permissions: Collection[int]) -> str:
        """Return the names of permissions as a list to read."""
        return ", ".join(sorted(self._names[each] for each in permissions)) or "nothing"

    @cached_property
    def _names(self) -> dict[int, str]:
        return {id_: f"{action} on {name}" for (action, name), id_ in self.ids.items()}

    @cached_property
    def _by_resource(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for (_, name), permission in self.ids.items():
            found.setdefault(name, set()).add(permission)
        return found


def read_state(connection: Connection, tenants: Collection[str]) -> State:
    """Read the roles of the tenants, and everything that they are compared with."""
    state = State(
        roles={row.name: row.id for row in connection.execute(sa.select(tables.roles))},
        ids={(row.action, row.resource): row.id for row in connection.execute(tables.PERMISSIONS_WITH_NAMES)},
        held={},
        dags={},
    )
    for row in connection.execute(sa.select(tables.grants)):
        state.held.setdefault(row.role_id, set()).add(row.permission_view_id)
    for dag_id, tenant in tables.read_owners(connection).items():
        if tenant is not None:
            state.dags.setdefault(tenant, []).append(dag_id)
    for tenant in tenants:
        held = state.given(tenant)
        state.usual |= {
            pair for pair in IN_TENANT["Admin"] if state.ids.get((pair[0], resource(pair[1], tenant))) in held
        }
        state.usual |= {pair for pair in IN_AIRFLOW["Admin"] if state.ids.get(pair) in held}
    return state


def find_changed(state: State, tenants: Collection[str]) -> dict[str, set[str]]:
    """Return the names of the roles that need a look, by tenant."""
    found: dict[str, set[str]] = {}
    tenant_of = {permission: tenant for tenant in tenants for permission in state.own(tenant)}
    labels = {role_name(tenant, kind) for tenant in tenants for kind in ("Admin", "Member")}
    for name in set(state.roles) - labels - {"Admin"}:
        for tenant in {tenant_of[each] for each in state.of_role(name) if each in tenant_of}:
            found.setdefault(tenant, set()).add(name)
    for tenant in tenants:
        for kind in ("Admin", "Member"):
            name = role_name(tenant, kind)
            held, wanted = state.of_role(name), state.wanted(kind, tenant)
            if name in state.roles and (wanted - held or (held & state.own(tenant)) - wanted):
                found.setdefault(tenant, set()).add(name)
            others = {each for each in held if tenant_of.get(each, tenant) != tenant}
            for other in {tenant_of[each] for each in others}:
                found.setdefault(other, set()).add(name)
        if role_name(tenant, "Viewer") in state.roles:  # somebody has made it by hand, for something else
            found.setdefault(tenant, set()).add(role_name(tenant, "Viewer"))
    return found


def migrate(connection: Connection, state: State, tenant: str, changed: Collection[str]) -> None:
    """Give the users of changed roles their new role in the tenant.

    A role of the tenant that held less than usual gets another name, and keeps its users and the rest of its
    permissions.
    """
    targets: dict[int, str | None] = {}
    for name in sorted(changed):
        answers = []
        for user in _users_of(connection, state.roles[name]):
            if user.id not in targets:
                targets[user.id] = _strongest_role(state, tenant, _roles_of(connection, user.id))
            answers.append(f"{user.username}: {targets[user.id] or 'no role'}")
        _warn(state, tenant, name, answers)
        kind = next((kind for kind in IN_TENANT if name == role_name(tenant, kind)), None)
        if kind and answers and (kind == "Viewer" or state.wanted(kind, tenant) - state.of_role(name)):
            _rename(connection, state, tenant, kind)
    labels = tables.create_by_name(connection, tables.roles, [role_name(tenant, kind) for kind in IN_TENANT])
    for user_id, target in targets.items():
        if target is not None and labels[target] not in _roles_of(connection, user_id):
            connection.execute(sa.insert(tables.members).values(user_id=user_id, role_id=labels[target]))
        if target != role_name(tenant, "Admin"):
            _remove_from_admins(connection, tenant, user_id)


def _users_of(connection: Connection, role: int) -> list[Any]:
    users, members = tables.users, tables.members
    selected = sa.select(users.c.id, users.c.username).join(members, members.c.user_id == users.c.id)
    return list(connection.execute(selected.where(members.c.role_id == role).order_by(users.c.username)))


def _roles_of(connection: Connection, user_id: int) -> set[int]:
    members = tables.members.c
    return set(connection.scalars(sa.select(members.role_id).where(members.user_id == user_id)))


def _strongest_role(state: State, tenant: str, roles: set[int]) -> str | None:
    # The role Admin may do everything, but not because of a tenant.
    held = set().union(*(state.held.get(role, set()) for role in roles - {state.roles.get("Admin")}))
    held |= _contained(state, tenant, held)
    target: str | None = None
    for kind in IN_TENANT:
        wanted = state.wanted(kind, tenant)
        # If a weaker role gives the same now, the stronger one may give more later.
        same = target is not None and wanted == state.wanted(target, tenant)
        has = target is not None and state.roles.get(role_name(tenant, target)) in roles
        if wanted <= held and (target is None or (same and not has)):
            target = kind
    return target and role_name(tenant, target)


def _contained(state: State, tenant: str, held: set[int]) -> set[int]:
    """Return the permissions on the tenant and its DAGs that those for all tenants or all DAGs contain."""
    of_all = {resource(each, tenant): f"Platform {each}" for each in RESOURCES}
    of_all |= {f"DAG:{dag}": "DAGs" for dag in state.dags.get(tenant, ())}
    return {
        state.ids[action, one]
        for one, every in of_all.items()
        for action in ("can_read", "can_edit")
        if (action, one) in state.ids and state.ids.get((action, every)) in held
    }


def _rename(connection: Connection, state: State, tenant: str, kind: str) -> None:
    old = role_name(tenant, kind)
    # At most 64 characters, as the column has.
    names = [f"{tenant} {kind} (old{number or ''})" for number in range(10)]
    new = next(name for name in names if name not in state.roles)
    rename(connection, old, new)


def rename(connection: Connection, old: str, new: str) -> None:
    """Rename a role, and tell the operator."""
    connection.execute(sa.update(tables.roles).where(tables.roles.c.name == old).values(name=new))
    log.warning("The role '%s' is called '%s' now. Delete it if nobody needs it.", old, new)


def _remove_from_admins(connection: Connection, tenant: str, user_id: int) -> None:
    """Remove a user from the tenant's list of administrators; a login would add the role again."""
    where = tables.tenants.c.tenant_id == tenant
    user = sa.select(tables.users.c.username, tables.users.c.email).where(tables.users.c.id == user_id)
    names = {name.lower() for name in connection.execute(user).one()}  # a login ignores case
    listed = connection.scalar(sa.select(tables.tenants.c.admin_users).where(where)) or []
    if names.isdisjoint(name.lower() for name in listed):
        return
    changed: dict[str, Any] = {
        "admin_users": [name for name in listed if name.lower() not in names],
        "row_version": tables.tenants.c.row_version + 1,
    }
    connection.execute(sa.update(tables.tenants).where(where).values(**changed))
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    index = tables.admin_names.c
    gone = sa.delete(tables.admin_names).where(index.tenant_id == tenant, index.name_hash.in_(hashes))
    connection.execute(gone)


def _warn(state: State, tenant: str, name: str, users: Collection[str]) -> None:
    held = state.of_role(name)
    kind = next((kind for kind in IN_TENANT if name == role_name(tenant, kind)), None)
    wanted = state.wanted(kind, tenant) if kind else set()
    log.warning(
        "The role '%s' cannot stay as it is in the tenant '%s'. It lacked: %s. It had as well: %s. Its users "
        "are there now: %s. If AUTH_ROLES_MAPPING names the role, change that before their next login.",
        name,
        tenant,
        state.texts(wanted - held),
        state.texts((held & state.own(tenant)) - wanted),
        ", ".join(users) or "nobody has it",
    )
