"""The migration of installations in which permissions named tenants and DAGs."""

import gc
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pytest
from airflow.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from forms import log_in
from old_tenancy import ADMIN, MEMBER, STOCK, TABLES, OldInstallation, Pair, Rows, restored
from sqlalchemy import delete, text
from test_tenant_isolation import endpoints

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, shared_roles
from airflow_platform_plugin.core.naming import TenantRole, shared_role_name
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.migrations import batches

BEFORE = "0016"
DAGS = ["etl", "a_one", "a_two", "b_one", "c_one", "d_one", "e_one", "f_one", "taken", "hand"]
EVERYBODY = ["ann", "mel", "both", "stranger", "root", "vic", "op"]
EVERYBODY += ["nat", "ned", "wide", "wim", "sup", "aud", "own", "vie"]


def installation() -> OldInstallation:
    """Return an installation with roles in every state in which an operator may have left them."""
    old = OldInstallation()
    old.add_tenant("a", admins=["ann"], members=["mel"])
    old.add_tenant("b", members=["op"])
    old.add_tenant("c", admins=["root"], members=["nat"])
    old.add_tenant("d", admins=["ned"])
    old.add_tenant("e", members=["wide"])
    old.add_tenant("f", members=["wim"])
    for dag_id in DAGS[1:-1]:
        old.deploy("a" if dag_id == "taken" else dag_id[0], dag_id)
    old.deploy(None, "etl")
    old.by_hand |= {"hand", "taken"}  # somebody has a DAG of a deployment's id
    old.gone |= {"gone"}
    old.users["both"] = {"Tenant a Member", "Tenant b Admin"}
    old.users |= {"stranger": set(), "vic": {"Viewer"}, "aud": {"Auditors"}, "sup": {"Support"}}
    old.users["op"] |= {"Op"}
    old.users["root"] |= {"Admin"}
    old.tenants["d"] = ["NED"]  # a login ignores case
    # Roles of somebody's own, with names that the platform uses now.
    old.roles |= {"Tenant Member": {("can_edit", "DAGs")}, "Tenant b Viewer": {("can_read", "Website")}}
    old.users |= {"own": {"Tenant Member"}, "vie": {"Tenant b Viewer"}}
    old.roles["Support"] = set(old.roles["Tenant a Member"])
    old.roles["Auditors"] = {("can_read", "Website"), ("can_read", "Platform Webhooks:a")}
    old.roles["Tenant c Member"] -= {("can_create", "DAG Runs")}
    old.roles["Tenant c Member"] |= {("can_read", "Pools")}
    old.roles["Tenant d Admin"] -= {("can_read", "Website")}
    old.roles["Tenant e Member"] |= {
        ("can_read", "Audit Logs"),
        ("can_read", "DAG:hand"),
        ("can_edit", "Platform Webhooks:e"),
    }
    old.roles["Tenant f Member"] |= {(action, f"Platform {of}:f") for action, of in ADMIN}
    # The DAG processor has not given these yet.
    for kind in ("Admin", "Member"):
        old.roles[f"Tenant b {kind}"] -= {("can_edit", "DAG:b_one")}
    # A permission of a new version, which no role has yet.
    for name in old.roles:
        old.roles[name] -= {("menu_access", "API")}
    return old


# What cannot be said in the new form: who loses which scopes in which tenant.
LOST = {
    "nat": {"c": {"analytics:read", "analytics:write", "datakits:write"}},
    "ned": {"d": "all"},
    "wide": {"e": {"webhooks:write"}},
    "aud": {"a": "all"},
}


@pytest.fixture
def old(app: Any) -> Iterator[OldInstallation]:
    """Store the installation, as the version before left it."""
    from airflow import settings

    made = installation()
    with stored(settings.engine, made):
        yield made


@contextmanager
def stored(engine: Any, old: OldInstallation) -> Iterator[None]:
    with restored(engine):
        db.downgrade(BEFORE)
        try:
            with engine.begin() as connection:
                Rows(connection).remove_new_form()
                old.store(connection)
            yield
        finally:
            stamp(engine)
            db.upgrade()


def stamp(engine: Any) -> None:
    """Let the next upgrade run the migration again."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {db.VERSION_TABLE} SET version_num = '{BEFORE}'"))  # noqa: S608 - our own names


class Rights(NamedTuple):
    """What a user may do.

    Attributes:
        ours: endpoints of the platform by tenant, with their scopes.
        knows: tenants whose existence the user may know.
        stock: Airflow's permissions that name no tenant and no DAG.
        dags: methods on parts of DAGs.
        listed: DAGs that a list shows, by method.
    """

    ours: set[tuple[str, str, str]]
    knows: set[str]
    stock: set[Pair]
    dags: set[tuple[str, str, str]]
    listed: set[tuple[str, str]]


ACTIONS = {"GET": "can_read", "POST": "can_create", "PUT": "can_edit", "DELETE": "can_delete"}
VERBS = {"read": "can_read", "write": "can_edit", "export": "can_export"}
# The permissions that Airflow asks for a part of a DAG.
PARTS = {
    None: (),
    "AUDIT_LOG": ("Audit Logs",),
    "CODE": ("DAG Code",),
    "RUN": ("DAG Runs",),
    "TASK": ("Task Instances",),
    "TASK_INSTANCE": ("DAG Runs", "Task Instances"),
    "TASK_LOGS": ("DAG Runs", "Task Instances", "Task Logs"),
    "WARNING": ("DAG Warnings",),
    "XCOM": ("DAG Runs", "Task Instances", "XComs"),
}


def scopes_of_endpoints(app: Any) -> dict[str, str]:
    return {
        row: str(declared.scope)
        for row, (_, declared) in endpoints(app).items()
        if declared.scope is not None
    }


def read_permissions(engine: Any) -> dict[str, set[Pair]]:
    """Return the permissions of users as Airflow's tables have them."""
    query = text(
        "SELECT u.username, a.name, r.name FROM ab_user u JOIN ab_user_role ur ON ur.user_id = u.id "
        "JOIN ab_permission_view_role g ON g.role_id = ur.role_id "
        "JOIN ab_permission_view p ON p.id = g.permission_view_id "
        "JOIN ab_permission a ON a.id = p.permission_id JOIN ab_view_menu r ON r.id = p.view_menu_id"
    )
    found: dict[str, set[Pair]] = {name: set() for name in EVERYBODY}
    with engine.connect() as connection:
        for user, action, resource in connection.execute(query):
            found.setdefault(user, set()).add((action, resource))
    return found


def old_rights(held: set[Pair], tenants: set[str], scopes: dict[str, str]) -> Rights:
    """Return what the version before would have answered: it asked for nothing but permissions."""

    def may(scope: str, tenant: str) -> bool:
        resource, verb = scope.split(":")
        name = f"Platform {resource.replace('_', ' ').title()}"
        return not held.isdisjoint({(VERBS[verb], name), (VERBS[verb], f"{name}:{tenant}")})

    def on_dag(action: str, dag_id: str) -> bool:
        return not held.isdisjoint({(action, "DAGs"), (action, f"DAG:{dag_id}")})

    def on_part(method: str, part: str | None, dag_id: str) -> bool:
        if part is None:
            return on_dag(ACTIONS[method], dag_id)
        of_run = {(ACTIONS[method], f"DAG Run:{dag_id}")}
        return on_dag("can_read" if method == "GET" else "can_edit", dag_id) and all(
            not held.isdisjoint({(ACTIONS[method], each), *(of_run if each == "DAG Runs" else ())})
            for each in PARTS[part]
        )

    of_tenants = {resource for _, resource in held if resource.startswith("Platform ")}
    return Rights(
        {(row, scope, tenant) for row, scope in scopes.items() for tenant in tenants if may(scope, tenant)},
        {
            tenant
            for tenant in tenants
            if ("can_read", "Platform Tenants") in held
            or any(name.endswith(f":{tenant}") for name in of_tenants)
        },
        stock(held),
        {
            (method, str(part), dag_id)
            for method in ACTIONS
            for part in PARTS
            for dag_id in DAGS
            if on_part(method, part, dag_id)
        },
        {(method, dag_id) for method in ("GET", "PUT") for dag_id in DAGS if on_dag(ACTIONS[method], dag_id)},
    )


def stock(held: set[Pair]) -> set[Pair]:
    return {
        (action, name) for action, name in held if not re.match("DAG( Run)?:|Platform .*:|.* of own", name)
    }


def new_rights(app: Any, username: str, tenants: set[str], scopes: dict[str, str]) -> Rights:
    """Return the answers of this version."""
    manager = airflow_compat.users.auth_manager()
    with app.test_request_context():
        user = airflow_compat.users.security_manager().find_user(username)
        caller = Principal(username, user)
        return Rights(
            {
                (row, scope, tenant)
                for row, scope in scopes.items()
                for tenant in tenants
                if caller.may(scope, tenant)
            },
            {tenant for tenant in tenants if caller.knows(tenant)},
            stock({*manager._get_user_permissions(user)}),
            {
                (method, str(part), dag_id)
                for method in ACTIONS
                for part in PARTS
                for dag_id in DAGS
                if manager.is_authorized_dag(
                    method=method,
                    access_entity=part and DagAccessEntity[part],
                    details=DagDetails(id=dag_id),
                    user=user,
                )
            },
            {
                (method, dag_id)
                for method in ("GET", "PUT")
                for dag_id in manager.get_permitted_dag_ids(methods=[method], user=user)
                if dag_id in DAGS
            },
        )


def content(engine: Any) -> Any:
    """Return all roles, permissions and users, without ids."""
    with engine.connect() as connection:
        rows = Rows(connection)
        users = text(
            "SELECT u.username, r.name FROM ab_user_role ur JOIN ab_user u ON u.id = ur.user_id "
            "JOIN ab_role r ON r.id = ur.role_id"
        )
        grants = text(
            "SELECT r.name, a.name, v.name FROM ab_permission_view_role g JOIN ab_role r ON r.id = g.role_id "
            "JOIN ab_permission_view p ON p.id = g.permission_view_id "
            "JOIN ab_permission a ON a.id = p.permission_id JOIN ab_view_menu v ON v.id = p.view_menu_id"
        )
        admins = text("SELECT tenant_id, admin_users FROM platform_tenant")
        return {
            "roles": set(rows.ids("ab_role")),
            "resources": set(rows.ids("ab_view_menu")),
            "permissions": set(rows.permissions()),
            "users": sorted(map(tuple, connection.execute(users))),
            "grants": sorted(map(tuple, connection.execute(grants))),
            "admins": sorted(map(tuple, connection.execute(admins))),
        }


def test_nobody_gains_a_right_and_only_what_cannot_be_said_is_lost(
    app: Any, old: OldInstallation, caplog: pytest.LogCaptureFixture
) -> None:
    """Each endpoint in each tenant, each stock permission, and each part of each DAG answers as before."""
    from airflow import settings

    scopes, tenants = scopes_of_endpoints(app), set(old.tenants)
    held = read_permissions(settings.engine)
    with caplog.at_level(logging.WARNING, "airflow_platform_plugin.migrations"):
        db.upgrade()
    for name in EVERYBODY:
        before, after = old_rights(held[name], tenants, scopes), new_rights(app, name, tenants, scopes)
        # Two rights are new for their tenants: no role had them, since nothing had given them yet.
        new = [
            set(after.ours - before.ours),
            after.knows - before.knows,
            after.stock - before.stock - {("menu_access", "API")},
            {each for each in after.dags - before.dags if each[2] != "b_one"},
            after.listed - before.listed - {("PUT", "b_one")},
        ]
        assert new == [set()] * 5, name
        gone = {(scope, tenant) for _, scope, tenant in before.ours - after.ours}
        expected = {
            (scope, tenant)
            for tenant, lost in LOST.get(name, {}).items()
            for _, scope, of in before.ours
            if of == tenant and (lost == "all" or scope in lost)
        }
        assert gone == expected, name
        assert before.knows - after.knows == {
            each for each, lost in LOST.get(name, {}).items() if lost == "all"
        }
        assert before.stock <= after.stock, name
        assert before.dags <= after.dags, name
        assert before.listed <= after.listed, name
    warned = " ".join(record.getMessage() for record in caplog.records)
    for text_ in (
        "nat: Tenant c Viewer",
        "ned: no role",
        "wim: Tenant f Admin",
        "sup: Tenant a Member",
        "aud: no role",
        "It lacked: can_create on DAG Runs.",
        "It had as well: can_edit on Platform Webhooks:e.",
        "The role 'Tenant c Member' is called 'c Member (old)' now.",
    ):
        assert text_ in warned
    assert "The role 'Tenant b Member'" not in warned


def test_users_have_the_roles_that_they_can_keep(app: Any, old: OldInstallation) -> None:
    """A role that held less than usual has another name, and keeps its users and Airflow's permissions."""
    from airflow import settings

    db.upgrade()
    found = content(settings.engine)
    roles: dict[str, set[str]] = {}
    for user, role in found["users"]:
        roles.setdefault(user, set()).add(role)
    assert roles["nat"] == {"c Member (old)", "Tenant c Viewer"}
    assert roles["ned"] == {"d Admin (old)"}
    assert roles["wim"] == {"Tenant f Member", "Tenant f Admin"}
    assert roles["sup"] == {"Support", "Tenant a Member"}
    assert roles["own"] == {"Tenant Member (old)"}
    assert roles["vie"] == {"b Viewer (old)"}
    for unchanged in ("ann", "mel", "both", "wide", "op", "root", "vic"):
        assert roles[unchanged] == old.users[unchanged], unchanged
    held: dict[str, set[Pair]] = {}
    for role, *pair in found["grants"]:
        held.setdefault(role, set()).add(tuple(pair))
    labels = {
        name: held.get(name, set())
        for name in found["roles"]
        if name.startswith("Tenant ") and name.count(" ") == 2 and not name.endswith("(old)")
    }
    assert len(labels) == 3 * len(old.tenants)
    kept = {name: pairs for name, pairs in labels.items() if pairs}
    on_taken = {("can_read", "DAG:taken"), ("can_edit", "DAG:taken")}
    assert kept == {
        "Tenant a Admin": on_taken,
        "Tenant a Member": on_taken,
        "Tenant e Member": {("can_read", "Audit Logs"), ("can_read", "DAG:hand")},
    }
    assert held["c Member (old)"] >= {("can_read", "Pools"), ("can_edit", "DAG:c_one")}
    assert {row[0]: row[1] for row in found["admins"]}["d"] in ("[]", [])


def test_what_names_a_tenant_or_a_deployments_dag_is_deleted(app: Any, old: OldInstallation) -> None:
    """Permissions that other roles hold stay."""
    from airflow import settings

    db.upgrade()
    found = content(settings.engine)
    assert not [name for name in found["resources"] if re.match("Platform .*:", name)]
    of_dags = {pair for pair in found["permissions"] if re.match("DAG( Run)?:", pair[1])}
    by_hand = {pair for pair in of_dags if pair[1].endswith((":hand", ":taken"))}
    # Roles that are not a tenant's hold these: a copy, and roles that had less than usual.
    held = ("a_one", "a_two", "c_one", "d_one")
    kept = {(action, f"DAG:{dag_id}") for action in ("can_read", "can_edit") for dag_id in held}
    assert of_dags - by_hand == kept
    assert len(by_hand) == 14
    resources = {name for name in found["resources"] if re.match("DAG( Run)?:", name)}
    assert resources == {resource for _, resource in of_dags}


# Of resources that came after the migration. The webserver creates them, and gives them to the roles.
NEWER = {"Platform Members of own tenants"}


def test_the_shared_roles_are_those_that_the_webserver_creates(app: Any, old: OldInstallation) -> None:
    """A start after the migration adds only what is newer than the migration."""
    from airflow import settings

    db.upgrade()
    found = content(settings.engine)
    for role in TenantRole:
        held = {tuple(pair) for name, *pair in found["grants"] if name == shared_role_name(role)}
        usual = shared_roles.usual_permissions(role)
        assert held == {pair for pair in usual if pair[1] not in NEWER}


class _Killed(Exception):
    """The process ends here."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Let migrations end after some steps, of two tenants or DAGs each; what they did before is committed."""
    original, split = batches.batches, batches.split
    monkeypatch.setattr(batches, "split", lambda values, size=2: split(values, min(size, 2)))

    def limit(most: int) -> list[int]:
        done: list[int] = []

        @contextmanager
        def killed() -> Iterator[Callable[[Any], Any]]:
            with suppress(_Killed), original() as run:

                def step(one: Any) -> Any:
                    if len(done) == most:
                        raise _Killed
                    done.append(1)
                    return run(one)

                yield step

        monkeypatch.setattr(batches, "batches", killed)
        return done

    return limit


def test_a_migration_that_is_killed_goes_on_where_it_was(
    app: Any, old: OldInstallation, kill_after: Callable[[int], list[int]]
) -> None:
    """After each step, and as often as it is killed, the result is the same; a second run changes nothing."""
    from airflow import settings

    with restored(settings.engine):
        db.upgrade()
        expected = content(settings.engine)
        stamp(settings.engine)
        db.upgrade()
        assert content(settings.engine) == expected
        stamp(settings.engine)
    steps = 0
    while True:
        gc.collect()  # Airflow's lock of migrations leaves its connection to the garbage collector
        with restored(settings.engine):
            done = kill_after(steps)
            db.upgrade()
            finished = len(done) < steps
            stamp(settings.engine)
            kill_after(1000)
            db.upgrade()
            assert content(settings.engine) == expected, steps
            stamp(settings.engine)
        if finished:
            break
        steps += 1
    assert steps > 10


def regular() -> OldInstallation:
    """Return an installation that nobody has changed."""
    old = OldInstallation()
    for number in range(5):
        old.add_tenant(f"team-{number}", admins=[f"admin-{number}"], members=[f"member-{number}"])
        old.deploy(f"team-{number}", f"dag_{number}")
    old.gone |= {"gone"}
    old.deploy(None, "of_platform")
    return old


START = """
from airflow.www.app import create_app
app = create_app(testing=True)
with app.app_context():
    app.appbuilder.sm.sync_roles()
    app.appbuilder.sm.create_dag_specific_permissions()
"""


def test_no_start_and_no_synchronization_brings_a_row_back(app: Any) -> None:
    """There are then as many rows as in a new installation with these tenants."""
    from airflow import DAG, settings
    from airflow.models.serialized_dag import SerializedDagModel

    def count() -> dict[str, int]:
        with settings.engine.connect() as connection:
            return {
                name: connection.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar()  # noqa: S608 - our own names
                for name in TABLES
                if name not in {"ab_user", "ab_user_role"} and name.startswith("ab_")
            }

    with settings.engine.begin() as connection:
        Rows(connection).remove_leftovers()
    new, old = count(), regular()
    new["ab_role"] += 3 * len(old.tenants)
    dag = DAG("dag_1", schedule=None)
    dag.fileloc = "/dags/platform_loader_of_old_tenancy.py"
    try:
        with stored(settings.engine, old):
            with db.transaction() as session:
                session.add(SerializedDagModel(dag))
            db.upgrade()
            subprocess.run([sys.executable, "-W", "ignore", "-c", START], check=True)
            assert count() == new
            with settings.engine.connect() as connection:
                assert not [name for name in Rows(connection).ids("ab_view_menu") if name.startswith("DAG:")]
    finally:
        with db.transaction() as session:
            session.execute(delete(SerializedDagModel).where(SerializedDagModel.dag_id == "dag_1"))


def test_migrated_users_see_their_dags(app: Any, old: OldInstallation) -> None:
    """In Airflow's API and on its home page, with a browser's session."""
    from airflow import settings

    held = read_permissions(settings.engine)
    db.upgrade()
    for name in ("ann", "nat", "both", "stranger"):
        browser = log_in(app, name)
        expected = {dag for dag in DAGS if ("can_read", f"DAG:{dag}") in held[name]}
        listed = {each["dag_id"] for each in (browser.get("/api/v1/dags").json.get("dags") or ())}
        assert listed & set(DAGS) == expected, name
        home = browser.get("/home")
        assert home.status_code == (403 if name == "stranger" else 200)


def test_a_downgrade_gives_members_and_administrators_their_permissions_back(
    app: Any, old: OldInstallation
) -> None:
    """Airflow's next parsing gives them those on DAGs."""
    from airflow import settings

    db.upgrade()
    db.downgrade(BEFORE)
    found = content(settings.engine)
    for tenant in old.tenants:
        for kind, scopes in (("Admin", ADMIN), ("Member", MEMBER)):
            held = {tuple(pair) for name, *pair in found["grants"] if name == f"Tenant {tenant} {kind}"}
            assert held >= STOCK | {(action, f"Platform {of}:{tenant}") for action, of in scopes}
