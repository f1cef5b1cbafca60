"""Who belongs to which tenant, and as what."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import tenancy
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.memberships import OWN_DAGS, Memberships, memberships_of
from airflow_platform_plugin.core.naming import TenantRole, shared_role_name
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import NOWHERE

ADMIN, MEMBER, VIEWER = TenantRole.ADMIN, TenantRole.MEMBER, TenantRole.VIEWER
READ, EDIT = ("can_read", OWN_DAGS), ("can_edit", OWN_DAGS)


@pytest.fixture
def tenants(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store tenants; users of the tests are in no session, and read with the test's."""

    @contextmanager
    def connection_of(_user: object) -> Iterator[Connection]:
        yield session.connection()

    for tenant_id in ("x", "y", "x-admin"):
        tenancy.add_tenant(session, tenant_id)
    monkeypatch.setattr(db, "connection_of", connection_of)


def _user(*roles: str) -> Any:
    """Return a user with roles of these names, as a login by LDAP may give them."""
    return SimpleNamespace(
        id=1, roles=[SimpleNamespace(name=name) for name in roles], _perms=None, perms=set()
    )


def test_each_right_counts_only_where_it_was_given(session: Any, tenants: None) -> None:
    """An administrator of one tenant who reads another changes nothing in the other."""
    user = _user("Tenant x Admin", "Tenant y Viewer")
    found = memberships_of(user)
    assert found.roles == {"x": {ADMIN}, "y": {VIEWER}}
    assert found.tenants_with([READ]) == {"x", "y"}
    assert found.tenants_with([EDIT]) == {"x"}
    assert found.tenants_with([READ, EDIT]) == {"x"}
    assert EDIT in found.within("x")
    assert EDIT not in found.within("y")
    assert EDIT in found.anywhere
    caller = Principal("u", user)
    assert [caller.may("webhooks:write", tenant_id) for tenant_id in ("x", "y", None)] == [True, False, False]
    assert [caller.may("webhooks:read", tenant_id) for tenant_id in ("x", "y", None)] == [True, True, False]


def test_several_roles_in_a_tenant_add_up(session: Any, tenants: None) -> None:
    """What one of them may do, their user may do."""
    found = memberships_of(_user("Tenant x Member", "Tenant x Viewer"))
    assert found.roles == {"x": {MEMBER, VIEWER}}
    assert found.within("x") == memberships_of(_user("Tenant x Member")).within("x")


@pytest.mark.parametrize(
    "name",
    [
        "Tenant ghost Admin",  # there is no such tenant
        "Tenant Admin",
        "Tenant Member",
        "tenant x admin",
        "Tenant x admin",
        "TENANT x ADMIN",
        "Tenant X Admin",
        "Tenant x  Admin",
        " Tenant x Admin",
        "Tenant x Admin\n",
        "Tenant x Owner",
        "Tenant x Admin (old)",
        "x Admin (old)",
        "Tenant x y Admin",
        "Tenant x/../y Admin",
        "Tenant xé Admin",
        "Tenant  Admin",
        "",
    ],
)
def test_a_role_that_only_looks_like_a_tenants_gives_nothing(session: Any, tenants: None, name: str) -> None:
    """A role that somebody has made by hand gives no right in any tenant."""
    user = _user(name)
    found = memberships_of(user)
    assert not found
    assert (found.anywhere, found.within("x"), found.within(None)) == (set(), set(), set())
    assert found.tenants_with([]) == set()
    assert Principal("u", user).reach("tenants:read") == NOWHERE


def test_a_tenant_whose_name_ends_like_a_role_is_itself(session: Any, tenants: None) -> None:
    """The ids of tenants have no spaces and no capitals, so each name has one meaning."""
    assert memberships_of(_user("Tenant x-admin Viewer")).roles == {"x-admin": {VIEWER}}


def test_a_user_without_tenants_costs_no_query(session: Any, tenants: None) -> None:
    """Neither does a user who was looked up before."""
    member = _user("Tenant x Member")
    memberships_of(member)
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    try:
        assert not memberships_of(_user("Viewer", "Op"))
        assert not memberships_of(SimpleNamespace(id=2))  # another auth manager's users have no roles
        assert memberships_of(member)
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", note)
    assert seen == []


def test_permissions_of_a_shared_role_count_for_all_tenants_at_once(session: Any, tenants: None) -> None:
    """The role editor changes them; a label's own permissions are not those of the tenant."""
    tenancy.grant(session, shared_role_name(VIEWER), [("can_edit", OWN_DAGS)])
    tenancy.grant(session, "Tenant x Viewer", [("can_create", OWN_DAGS)])
    for tenant_id in ("x", "y"):
        held = memberships_of(_user(f"Tenant {tenant_id} Viewer")).within(tenant_id)
        assert EDIT in held
        assert ("can_create", OWN_DAGS) not in held


def test_a_deleted_shared_role_gives_nothing(session: Any, tenants: None) -> None:
    """Its users still belong to their tenants."""
    airflow_compat.roles.delete_roles(session, [shared_role_name(MEMBER)])
    found = memberships_of(_user("Tenant x Member"))
    assert found.roles == {"x": {MEMBER}}
    assert found.anywhere == set()


def test_nobody_belongs_to_a_tenant_while_the_tables_cannot_be_read(
    session: Any, tenants: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow's own pages go on working, and the next request asks again."""

    def fail(_user: object) -> None:
        raise OperationalError("SELECT", {}, Exception("no such table: platform_tenant"))

    user = _user("Tenant x Member")
    with monkeypatch.context() as patch:
        patch.setattr(db, "connection_of", fail)
        assert memberships_of(user) == Memberships()
    assert "cannot be read" in caplog.text
    assert memberships_of(user).roles == {"x": {MEMBER}}
