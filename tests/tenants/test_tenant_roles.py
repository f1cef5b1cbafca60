"""Users that tenants name: their roles at login, and what remains of a deleted user."""

from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from flask_login import user_logged_in
from sqlalchemy import event, select, text

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.tenants import admin_names, roles, service
from airflow_platform_plugin.tenants.inputs import NewTenant
from airflow_platform_plugin.tenants.models import Tenant, TenantAdminName

API = "/api/v1"


@pytest.fixture
def assigned(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of users whose roles are looked up at login."""
    found: list[str] = []
    receivers = [
        receiver
        for receiver in user_logged_in.receivers_for(app)
        if receiver.__qualname__.startswith("on_login.")
    ]
    assert len(receivers) == 1
    cells = dict(zip(receivers[0].__code__.co_freevars, receivers[0].__closure__ or (), strict=True))
    monkeypatch.setattr(cells["assign_roles"], "cell_contents", lambda _id, name, _email: found.append(name))
    return found


@pytest.mark.parametrize(
    ("count", "looks"), [(None, False), (0, False), (1, True), (3, True), (4, False), (1000, False)]
)
def test_only_the_first_logins_look_up_roles(
    app: Any,
    assigned: list[str],
    count: int | None,
    looks: bool,  # noqa: FBT001 - a row of a table
) -> None:
    """All others send no query: in some setups each request is a login."""
    from airflow import settings

    user = airflow_compat.users.user_model()(username="u", email="u@example.com", login_count=count)
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    event.listen(settings.engine, "before_cursor_execute", note)
    try:
        with app.test_request_context():
            user_logged_in.send(app, user=user)
    finally:
        event.remove(settings.engine, "before_cursor_execute", note)
    assert (assigned, statements) == ((["u"] if looks else []), [])


def test_a_login_that_replaces_roles_restores_the_tenants_roles(app: Any, assigned: list[str]) -> None:
    """LDAP and OAuth replace roles if they are synchronized; only that request looks roles up."""
    model = airflow_compat.users.user_model()
    role = model.roles.property.mapper.class_
    user = model(username="u", email="u@example.com", login_count=50)
    user.roles = [role(name="Tenant t Admin"), role(name="Viewer")]
    with app.test_request_context():
        user.roles = [role(name="Viewer")]
        user_logged_in.send(app, user=user)
        user_logged_in.send(app, user=user)
    with app.test_request_context():
        user_logged_in.send(app, user=user)
    assert assigned == ["u"]


@pytest.fixture
def _clean(app: Any) -> Iterator[None]:
    yield
    with db.transaction() as session:
        for tenant in session.scalars(select(Tenant)):
            roles.delete(session, str(tenant.tenant_id))
            session.delete(tenant)
        session.execute(text("DELETE FROM slot_pool WHERE pool LIKE 'tenant-%'"))


@pytest.mark.usefixtures("_clean")
def test_a_new_user_with_a_deleted_users_name_gets_no_tenant(app: Any, tenant: dict[str, Any]) -> None:
    """Name and mail address leave the tenants' lists with the deleted user; others stay."""
    manager = app.appbuilder.sm

    def add() -> Any:
        return manager.add_user("ann", "A", "N", "ann@example.com", manager.find_role("Viewer"), "x")

    with app.app_context():
        add()
    with db.transaction() as session:
        named = {"admin_users": ["ann", "ann@example.com", "bob"]}
        admin = SimpleNamespace(username="admin", reach=lambda _scope: EVERYWHERE)
        service.create(session, NewTenant(**tenant | named), by=admin)
    with app.app_context():
        user = manager.find_user("ann")
        assert [role.name for role in user.roles if role.name.startswith("Tenant")]
        user.roles = []
        manager.get_session.delete(user)
        manager.get_session.commit()
    with db.transaction() as session:
        row = session.scalars(select(Tenant)).one()
        assert (row.admin_users, row.row_version) == (["bob"], 2)
    with app.app_context():
        user = add()
        roles.assign_on_login(user.id, "ann", "ann@example.com")
    with app.app_context():
        user = manager.find_user("ann")
        assert [role.name for role in user.roles] == ["Viewer"]
        user.roles = []
        manager.get_session.delete(user)
        manager.get_session.commit()


def test_a_login_by_airflows_form_assigns_roles(
    app: Any, assigned: list[str], call_anonymously: Callable[..., Any]
) -> None:
    """The first logins of a new user look roles up."""
    from forms import log_in

    manager = app.appbuilder.sm
    with app.app_context():
        manager.add_user("new", "N", "W", "new@example.com", manager.find_role("Viewer"), "new")
    log_in(app, "new")
    assert assigned == ["new"]
    with app.app_context():
        user = manager.find_user("new")
        user.roles = []
        manager.get_session.delete(user)
        manager.get_session.commit()
    del call_anonymously


def test_admin_users_have_the_tenants_admin_role(
    session: Any, call: Callable[..., Any], people: dict[str, int]
) -> None:
    """User names and mail addresses work at once; a removed user loses the role."""
    from airflow.providers.fab.auth_manager.models import Role

    def members() -> set[str]:
        session.expire_all()
        role = (
            session.scalars(select(Role).where(Role.name == tenant_role_name("t", TenantRole.ADMIN)))
            .unique()
            .one()
        )
        return {user.username for user in role.user}

    tenant = {"tenant_id": "t", "admin_users": ["ann-of-a", "stranger@example.com", "nobody-yet"]}
    call("POST", f"{API}/platform/tenants", json=tenant)
    assert members() == {"ann-of-a", "stranger"}
    call("PATCH", f"{API}/platform/tenants/t", json={"admin_users": ["stranger"]})
    assert members() == {"stranger"}


def test_a_later_user_gets_the_role_at_the_first_login(
    session: Any, call: Callable[..., Any], people: dict[str, int]
) -> None:
    """The tenant named the mail address before the user existed."""
    from airflow.providers.fab.auth_manager.models import Role, User

    call("POST", f"{API}/platform/tenants", json={"tenant_id": "t", "admin_users": ["late@example.com"]})
    user = User(first_name="L", last_name="T", username="late", email="late@example.com", active=True)
    session.add(user)
    session.flush()
    roles.assign_on_login(user.id, "late", "late@example.com")
    session.expire_all()
    role = (
        session.scalars(select(Role).where(Role.name == tenant_role_name("t", TenantRole.ADMIN)))
        .unique()
        .one()
    )
    assert [member.username for member in role.user] == ["late"]


def test_a_name_in_another_case_is_the_same_user(
    session: Any, call: Callable[..., Any], people: dict[str, int]
) -> None:
    """A login gives the role, and the deletion of the user removes the name."""
    call("POST", f"{API}/platform/tenants", json={"tenant_id": "t", "admin_users": ["ANN-of-a", "bob-of-b"]})
    held = text("SELECT count(*) FROM ab_user_role WHERE user_id = :user")
    user = {"user": people["ann-of-a"]}
    assert session.scalar(held, user) == 1
    session.execute(text("DELETE FROM ab_user_role WHERE user_id = :user"), user)
    roles.assign_on_login(people["ann-of-a"], "ann-of-a", "ann-of-a@example.com")
    assert session.scalar(held, user) == 1
    gone = SimpleNamespace(id=1, username="ann-of-a", email="ann-of-a@example.com")
    roles._remove_from_admin_lists(None, session.connection(), gone)
    assert session.scalars(select(Tenant.admin_users)).one() == ["bob-of-b"]


def _indexed(session: Any) -> set[tuple[str, str]]:
    """Return the tenants that the index finds, with the name by which it does."""
    return {
        (name, tenant_id)
        for name in ("ann", "Ann", "bob", "new")
        for tenant_id in session.scalars(select(Tenant.tenant_id).where(admin_names.has_any([name])))
    }


def test_the_index_of_administrators_follows_the_tenants(session: Any, call: Callable[..., Any]) -> None:
    """Names that differ only in case are one name, as at Airflow's login."""
    tenants = f"{API}/platform/tenants"
    call("POST", tenants, json={"tenant_id": "t", "admin_users": ["ann", "Ann", "ann", "bob"]})
    call("POST", tenants, json={"tenant_id": "u", "admin_users": ["bob"]})
    assert _indexed(session) == {("ann", "t"), ("Ann", "t"), ("bob", "t"), ("bob", "u")}
    assert session.query(TenantAdminName).count() == 3
    call("PATCH", f"{tenants}/t", json={"admin_users": ["new"]})
    call("PATCH", f"{tenants}/u", json={"display_name": "U"})
    assert _indexed(session) == {("new", "t"), ("bob", "u")}
    call("DELETE", f"{tenants}/u")
    assert _indexed(session) == {("new", "t")}
    assert session.query(TenantAdminName).count() == 1


def test_the_migration_indexes_existing_tenants(session: Any, call: Callable[..., Any]) -> None:
    """With all names of their lists."""
    call("POST", f"{API}/platform/tenants", json={"tenant_id": "t", "admin_users": ["ann", "bob"]})
    call("POST", f"{API}/platform/tenants", json={"tenant_id": "u"})
    session.query(TenantAdminName).delete()
    assert _indexed(session) == set()
    migration = import_module(
        "airflow_platform_plugin.migrations.versions.0016_an_index_of_tenants_by_administrator"
    )
    migration.fill(session.connection())
    assert _indexed(session) == {("ann", "t"), ("Ann", "t"), ("bob", "t")}


def test_a_login_and_a_deleted_user_read_no_tenants_that_do_not_name_the_user(
    session: Any, call: Callable[..., Any], people: dict[str, int]
) -> None:
    """The index says which tenants to read."""
    call("POST", f"{API}/platform/tenants", json={"tenant_id": "t", "admin_users": ["ann-of-a"]})
    call("POST", f"{API}/platform/tenants", json={"tenant_id": "u", "admin_users": ["other"]})
    session.execute(text("UPDATE platform_tenant SET admin_users = '17' WHERE tenant_id = 'u'"))
    session.execute(text("DELETE FROM ab_user_role WHERE user_id = :user"), {"user": people["ann-of-a"]})
    roles.assign_on_login(people["ann-of-a"], "ann-of-a", "ann-of-a@example.com")
    user = SimpleNamespace(id=1, username="ann-of-a", email="ann-of-a@example.com")
    roles._remove_from_admin_lists(None, session.connection(), user)
    held = text(
        "SELECT r.name FROM ab_role r JOIN ab_user_role u ON u.role_id = r.id WHERE u.user_id = :user"
    )
    assert session.scalars(held, {"user": people["ann-of-a"]}).all() == ["Tenant t Admin"]
    assert session.scalars(select(Tenant.admin_users).where(Tenant.tenant_id == "t")).one() == []
    assert session.query(TenantAdminName).count() == 1
