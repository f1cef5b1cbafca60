"""Two changes of a tenant's members at the same moment, each in its own transaction."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tenancy
from calls import client
from sqlalchemy import delete, select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name
from airflow_platform_plugin.tenants import roles
from airflow_platform_plugin.tenants.members import service
from airflow_platform_plugin.tenants.models import Tenant

URL = "/api/v1/platform/tenants/t/members"
NAMES = ("one", "two")
EVENT = "platform.set_tenant_member"


@pytest.fixture(autouse=True)
def users(app: Any) -> Iterator[dict[str, int]]:
    """Create a tenant and two users, which are committed."""
    manager, ids = app.appbuilder.sm, {}
    with db.transaction() as session:
        tenancy.add_tenant(session, "t")
    with app.app_context():
        for name in NAMES:
            ids[name] = manager.add_user(
                name, name, "T", f"{name}@example.com", manager.find_role("Viewer"), "x"
            ).id
    yield ids
    with db.transaction() as session:
        roles.delete(session, "t")
        session.delete(session.get(Tenant, "t"))
        session.execute(delete(airflow_compat.models.Log).where(airflow_compat.models.Log.event == EVENT))
    with app.app_context():
        for name in NAMES:
            user = manager.find_user(name)
            user.roles = []
            manager.get_session.delete(user)
            manager.get_session.commit()


@pytest.fixture
def at_once(
    app: Any, committed_key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[int]]:
    """Return a function that sends two PUT requests; the second begins when the first holds the lock."""
    key, locked, second_sent = committed_key("admin"), threading.Event(), threading.Event()
    lock, replace = db.lock_row, roles.replace

    def announced_lock(*arguments: Any) -> Any:
        if locked.is_set():
            second_sent.set()
        return lock(*arguments)

    def slow_replace(*arguments: Any) -> None:
        if not locked.is_set():
            locked.set()
            assert second_sent.wait(10)
        replace(*arguments)

    monkeypatch.setattr(service.db, "lock_row", announced_lock)
    monkeypatch.setattr(service.roles, "replace", slow_replace)

    def send(*requests: tuple[str, str]) -> list[int]:
        statuses: list[int] = []

        def put(name: str, role: str) -> None:
            answer = client(app, {"X-API-Key": key})("PUT", f"{URL}/{name}", json={"role": role})
            statuses.append(answer.status)

        first, second = (threading.Thread(target=put, args=each) for each in requests)
        first.start()
        assert locked.wait(10)
        second.start()
        first.join(30)
        second.join(30)
        return sorted(statuses)

    return send


def test_two_admins_at_once_are_both_in_the_list(at_once: Callable[..., list[int]]) -> None:
    """The second change reads the list that the first has written."""
    assert at_once(("one", "admin"), ("two", "admin")) == [201, 201]
    with db.transaction() as session:
        tenant = session.get(Tenant, "t")
        assert (sorted(tenant.admin_users), tenant.row_version) == (["one", "two"], 3)


def test_two_roles_for_one_user_at_once_leave_one(
    at_once: Callable[..., list[int]], users: dict[str, int]
) -> None:
    """The later one, and the user is a new member only once."""
    from airflow.providers.fab.auth_manager.models import Role, User

    assert at_once(("one", "admin"), ("one", "viewer")) == [200, 201]
    with db.transaction() as session:
        held = select(Role.name).where(Role.user.any(User.id == users["one"]), Role.name.like("Tenant%"))
        assert session.scalars(held).all() == [tenant_role_name("t", TenantRole.VIEWER)]
        assert session.get(Tenant, "t").admin_users == []
