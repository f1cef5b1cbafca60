"""Users whom tenants name: what they get when they are new, and what is left of a name when they are gone."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask_login import user_logged_in
from sqlalchemy import event, select, text

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.tenants import roles, service
from airflow_platform_plugin.tenants.inputs import NewTenant
from airflow_platform_plugin.tenants.models import Tenant


@pytest.fixture
def welcomed(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of those who are looked up among the tenants."""
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
def test_a_login_costs_nothing_unless_it_is_one_of_the_first(
    app: Any,
    welcomed: list[str],
    count: int | None,
    looks: bool,  # noqa: FBT001 - a row of a table
) -> None:
    """Not one query: with some setups there is a login in each request."""
    from airflow import settings

    user = airflow_compat.users.user_model()(username="u", email="u@example.com", login_count=count)
    statements: list[str] = []

    def note(*told: Any) -> None:
        statements.append(told[2])

    event.listen(settings.engine, "before_cursor_execute", note)
    try:
        with app.test_request_context():
            user_logged_in.send(app, user=user)
    finally:
        event.remove(settings.engine, "before_cursor_execute", note)
    assert (welcomed, statements) == ((["u"] if looks else []), [])


def test_a_login_that_takes_roles_gives_the_tenants_back(app: Any, welcomed: list[str]) -> None:
    """As LDAP's and OAuth's do where roles are synchronised; in that request alone."""
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
    assert welcomed == ["u"]


@pytest.fixture
def _clean(app: Any) -> Iterator[None]:
    yield
    with db.transaction() as session:
        for tenant in session.scalars(select(Tenant)):
            roles.delete(session, str(tenant.tenant_id))
            session.delete(tenant)
        session.execute(text("DELETE FROM slot_pool WHERE pool LIKE 'tenant-%'"))


@pytest.mark.usefixtures("_clean")
def test_whoever_gets_the_name_of_a_deleted_user_gets_no_tenant_with_it(
    app: Any, tenant: dict[str, Any]
) -> None:
    """The name and the address leave the tenants' lists with the user; the others stay."""
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


def test_who_is_new_gets_the_role_at_the_first_login(
    app: Any, welcomed: list[str], call_anonymously: Callable[..., Any]
) -> None:
    """By Airflow's own form; the second is not looked at once the first few are over."""
    from forms import log_in

    manager = app.appbuilder.sm
    with app.app_context():
        manager.add_user("new", "N", "W", "new@example.com", manager.find_role("Viewer"), "new")
    log_in(app, "new")
    assert welcomed == ["new"]
    with app.app_context():
        user = manager.find_user("new")
        user.roles = []
        manager.get_session.delete(user)
        manager.get_session.commit()
    del call_anonymously
