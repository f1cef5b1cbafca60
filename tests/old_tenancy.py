"""An installation of the time when permissions named tenants and DAGs, built by SQL. It never changes."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import MetaData, text
from werkzeug.security import generate_password_hash

NOW = "2024-01-01 00:00:00"
Pair = tuple[str, str]

FILE = "/dags/platform_loader_of_old_tenancy.py"
MEMBER = {
    ("can_read", "Analytics"),
    ("can_edit", "Analytics"),
    ("can_read", "Connections"),
    ("can_read", "Datakits"),
    ("can_edit", "Datakits"),
    ("can_read", "Tenants"),
    ("can_read", "Webhooks"),
}
ADMIN = MEMBER | {
    ("can_edit", "Connections"),
    ("can_edit", "Webhooks"),
    ("can_read", "Api Keys"),
    ("can_edit", "Api Keys"),
}
STOCK = {
    ("menu_access", "Platform"),
    ("menu_access", "API"),
    ("can_read", "Website"),
    ("menu_access", "DAGs"),
    ("menu_access", "Browse"),
    ("menu_access", "DAG Runs"),
    ("menu_access", "Task Instances"),
    ("can_read", "My Profile"),
    ("can_edit", "My Profile"),
    ("can_read", "My Password"),
    ("can_edit", "My Password"),
    ("can_read", "DAG Code"),
    ("can_read", "DAG Runs"),
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_read", "Task Instances"),
    ("can_create", "Task Instances"),
    ("can_edit", "Task Instances"),
    ("can_read", "Task Logs"),
    ("can_read", "XComs"),
    ("can_read", "ImportError"),
    ("can_read", "DAG Warnings"),
}
# What Airflow creates for each DAG.
OF_DAG = [("DAG", each) for each in ("can_read", "can_edit", "can_delete")]
OF_DAG += [("DAG Run", each) for each in ("can_read", "can_create", "can_delete", "menu_access")]

# The tables that the installation and its migration write, in an order in which rows can be inserted.
TABLES = (
    "ab_permission",
    "ab_view_menu",
    "ab_permission_view",
    "ab_role",
    "ab_permission_view_role",
    "ab_user",
    "ab_user_role",
    "dag",
    "platform_loader_file",
    "platform_tenant",
    "platform_tenant_admin_name",
    "platform_deployment",
)


OF_DAGS = "name LIKE 'DAG:%' OR name LIKE 'DAG Run:%'"


@dataclass
class OldInstallation:
    """What is stored.

    Attributes:
        tenants: the tenants, with the names of their administrators.
        users: the roles of users.
        roles: the permissions of roles that are not Airflow's.
        deployed: the tenants of deployments' DAGs; None for the platform.
        by_hand: DAGs in other files than the loader's.
        gone: tenants that were deleted. Their roles went with them, but not the permissions.
    """

    tenants: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)
    roles: dict[str, set[Pair]] = field(default_factory=dict)
    deployed: dict[str, str | None] = field(default_factory=dict)
    by_hand: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def add_tenant(self, tenant: str, admins: Collection[str] = (), members: Collection[str] = ()) -> None:
        """Add a tenant with its two roles and their users."""
        self.tenants[tenant] = sorted(admins)
        for kind, scopes, users in (("Admin", ADMIN, admins), ("Member", MEMBER, members)):
            name = f"Tenant {tenant} {kind}"
            self.roles[name] = STOCK | {(action, f"Platform {of}:{tenant}") for action, of in scopes}
            for user in users:
                self.users.setdefault(user, set()).add(name)

    def deploy(self, tenant: str | None, dag_id: str) -> None:
        """Add a DAG of a deployment, which grants permissions to its tenant's roles."""
        self.deployed[dag_id] = tenant
        for kind in ("Admin", "Member") if tenant else ():
            self.roles[f"Tenant {tenant} {kind}"] |= {
                ("can_read", f"DAG:{dag_id}"),
                ("can_edit", f"DAG:{dag_id}"),
            }

    def store(self, connection: Any) -> None:
        """Write everything. Airflow's own roles and permissions are there."""
        into = Rows(connection)
        dags = {*self.deployed, *self.by_hand}
        of_dags = {(action, f"{prefix}:{dag_id}") for dag_id in dags for prefix, action in OF_DAG}
        of_roles = set().union(*self.roles.values())
        of_gone = {(action, f"Platform {of}:{tenant}") for tenant in self.gone for action, of in ADMIN}
        into.add_permissions(of_roles | of_dags | of_gone)
        into.add_names("ab_role", self.roles)
        roles, permissions = into.ids("ab_role"), into.permissions()
        granted = {(roles[name], permissions[pair]) for name, pairs in self.roles.items() for pair in pairs}
        # Airflow gives these to its role Admin at each start.
        of_admin = {pair for pair in of_roles | of_gone if not pair[1].startswith("DAG")}
        granted |= {(roles["Admin"], permissions[pair]) for pair in of_admin}
        into.add_grants(granted)
        into.add_users(self.users)
        into.add("platform_loader_file", [{"id": "of-old-tenancy", "fileloc": FILE}])
        into.add("dag", [_dag(dag_id, FILE) for dag_id in sorted(set(self.deployed) - self.by_hand)])
        into.add("dag", [_dag(dag_id, "/dags/by_hand.py") for dag_id in sorted(self.by_hand)])
        into.add("platform_tenant", [_tenant(*each) for each in self.tenants.items()])
        names = [
            {"name_hash": sha256(name.lower().encode()).hexdigest(), "tenant_id": tenant}
            for tenant, admins in self.tenants.items()
            for name in admins
        ]
        into.add("platform_tenant_admin_name", names)
        into.add(
            "platform_deployment",
            [_deployment(number, *each) for number, each in enumerate(self.deployed.items())],
        )


def _dag(dag_id: str, fileloc: str) -> dict[str, Any]:
    limits = {"max_active_tasks": 16, "max_consecutive_failed_dag_runs": 0}
    flags = {"has_task_concurrency_limits": False, "is_active": True, "is_paused": False, "is_subdag": False}
    return {"dag_id": dag_id, "fileloc": fileloc, "owners": "tests", **limits, **flags}


def _tenant(tenant: str, admins: list[str]) -> dict[str, Any]:
    names = {"tenant_id": tenant, "display_name": tenant, "namespace": tenant}
    documents = {
        "resource_limits": "{}",
        "features": "{}",
        "metadata": "{}",
        "admin_users": json.dumps(admins),
    }
    return {**names, **documents, "row_version": 1, "created_at": NOW, "updated_at": NOW}


def _deployment(number: int, dag_id: str, tenant: str | None) -> dict[str, Any]:
    place = {"datakit": f"kit-{number}", "environment": "production", "namespace": tenant or "default"}
    made = {"revision": 1, "paused": False, "bad_versions": "[]", "created_at": NOW, "created_by": "tests"}
    return {"id": f"dep_{number:016}", "tenant_id": tenant, "dag_id": dag_id, **place, **made}


class Rows:
    """Rows of the tables, by plain SQL."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def add(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows."""
        if rows:
            names = list(rows[0])
            columns, values = ", ".join(names), ", ".join(f":{name}" for name in names)
            self.connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), rows)  # noqa: S608 - our own names

    def ids(self, table: str, name: str = "name") -> dict[str, int]:
        """Return the ids of all rows by name."""
        return {row[0]: row[1] for row in self.connection.execute(text(f"SELECT {name}, id FROM {table}"))}  # noqa: S608 - the same

    def add_names(self, table: str, names: Iterable[str]) -> None:
        """Insert rows that have only a name, if they are missing."""
        self.add(table, [{"name": name} for name in sorted(set(names) - set(self.ids(table)))])

    def permissions(self) -> dict[Pair, int]:
        """Return the ids of all permissions."""
        rows = self.connection.execute(
            text(
                "SELECT a.name, r.name, p.id FROM ab_permission_view p "
                "JOIN ab_permission a ON a.id = p.permission_id JOIN ab_view_menu r ON r.id = p.view_menu_id"
            )
        )
        return {(action, resource): id_ for action, resource, id_ in rows}

    def add_permissions(self, pairs: Iterable[Pair]) -> None:
        """Insert permissions that are missing."""
        missing = sorted(set(pairs) - set(self.permissions()))
        self.add_names("ab_permission", {action for action, _ in missing})
        self.add_names("ab_view_menu", {resource for _, resource in missing})
        actions, resources = self.ids("ab_permission"), self.ids("ab_view_menu")
        rows = [
            {"permission_id": actions[action], "view_menu_id": resources[name]} for action, name in missing
        ]
        self.add("ab_permission_view", rows)

    def add_grants(self, grants: Iterable[tuple[int, int]]) -> None:
        """Give permissions to roles, by their ids, if they lack them."""
        held = self.connection.execute(
            text("SELECT role_id, permission_view_id FROM ab_permission_view_role")
        )
        missing = sorted(set(grants) - {(role, permission) for role, permission in held})
        self.add(
            "ab_permission_view_role",
            [{"role_id": role, "permission_view_id": permission} for role, permission in missing],
        )

    def add_users(self, users: Mapping[str, Collection[str]]) -> None:
        """Insert users with their roles; a user's password is the name."""
        self.add(
            "ab_user",
            [
                {
                    "username": name,
                    "first_name": name,
                    "last_name": "T",
                    "email": f"{name}@example.com",
                    "password": generate_password_hash(name, method="pbkdf2:sha256:1"),
                    "active": True,
                    "login_count": 9,
                }
                for name in users
            ],
        )
        ids, roles = self.ids("ab_user", "username"), self.ids("ab_role")
        held = [
            {"user_id": ids[name], "role_id": roles[role]} for name in users for role in sorted(users[name])
        ]
        self.add("ab_user_role", held)

    def remove_new_form(self) -> None:
        """Delete the shared roles, which did not exist then, and what other tests have left."""
        self._delete("name LIKE 'Tenant %'", f"name LIKE '% of own tenants' OR {OF_DAGS}")

    def remove_leftovers(self) -> None:
        """Delete what other tests have left: roles of tenants, and permissions on DAGs."""
        self._delete("name LIKE 'Tenant % %'", OF_DAGS)

    def _delete(self, roles: str, resources: str) -> None:
        """Delete roles and the permissions on resources, by the conditions that select them."""
        of_roles = f"(SELECT id FROM ab_role WHERE {roles})"  # noqa: S608 - our own names
        of_resources = f"(SELECT id FROM ab_view_menu WHERE {resources})"  # noqa: S608 - the same
        permissions = f"(SELECT id FROM ab_permission_view WHERE view_menu_id IN {of_resources})"  # noqa: S608 - the same
        for statement in (
            f"ab_permission_view_role WHERE role_id IN {of_roles} OR permission_view_id IN {permissions}",
            f"ab_permission_view WHERE view_menu_id IN {of_resources}",
            f"ab_view_menu WHERE {resources}",
            f"ab_user_role WHERE role_id IN {of_roles}",
            f"ab_role WHERE {roles}",
        ):
            self.connection.execute(text(f"DELETE FROM {statement}"))  # noqa: S608 - the same


@contextmanager
def restored(engine: Any) -> Iterator[None]:
    """Give the tables the rows back that they had before."""
    metadata = MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection, only=TABLES)
        before = _read(connection, metadata)
    try:
        yield
    finally:
        _write_back(engine, metadata, before)


def _write_back(engine: Any, metadata: MetaData, before: dict[str, dict[Any, dict[str, Any]]]) -> None:
    with engine.begin() as connection:
        is_sqlite, rewritten = connection.dialect.name == "sqlite", set()
        if is_sqlite:
            # It uses ids again, so rows may refer to others than before. The connection is closed after this.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        now = _read(connection, metadata)
        for name in reversed(TABLES):
            table = metadata.tables[name]
            for key, row in now[name].items():
                # On SQLite, another row may have the same id and a name that is needed again.
                other = key in before[name] and is_sqlite and row != before[name][key]
                if key not in before[name] or other:
                    connection.execute(table.delete().where(*_is(table, key)))
                if other:
                    rewritten.add((name, key))
        for name in TABLES:
            table = metadata.tables[name]
            for key, row in before[name].items():
                if key not in now[name] or (name, key) in rewritten:
                    connection.execute(table.insert().values(row))
                elif row != now[name][key]:
                    connection.execute(table.update().where(*_is(table, key)).values(row))


def _read(connection: Any, metadata: MetaData) -> dict[str, dict[Any, dict[str, Any]]]:
    """Return the rows of each table by their keys."""
    return {
        name: {
            tuple(row[column.name] for column in metadata.tables[name].primary_key): dict(row)
            for row in connection.execute(metadata.tables[name].select()).mappings()
        }
        for name in TABLES
    }


def _is(table: Any, key: Any) -> list[Any]:
    return [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]
