"""The shared roles of tenants: what they hold, and whose they are."""

from typing import Any

import pytest
from sqlalchemy import delete, select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import shared_roles
from airflow_platform_plugin.core.memberships import OWN_DAGS
from airflow_platform_plugin.core.naming import TenantRole, shared_role_name

NAMES = [shared_role_name(role) for role in TenantRole]


def held(session: Any) -> dict[str, set[tuple[str, str]]]:
    session.expire_all()
    return airflow_compat.roles.permissions_by_role(session, NAMES)


def revoke(session: Any, role: str, pair: tuple[str, str]) -> None:
    """Take a permission from a role, as the role editor does."""
    from airflow.providers.fab.auth_manager.models import Role

    row = session.scalars(select(Role).where(Role.name == role)).unique().one()
    row.permissions = [each for each in row.permissions if (each.action.name, each.resource.name) != pair]
    session.flush()


def forget(session: Any, pair: tuple[str, str]) -> None:
    """Delete a permission, as if Airflow had never had it."""
    from airflow.providers.fab.auth_manager.models import Permission, assoc_permission_role

    (row,) = airflow_compat.roles._find_permissions(session, [pair])
    links = assoc_permission_role
    session.execute(delete(links).where(links.c.permission_view_id == row.id))
    session.execute(delete(Permission.__table__).where(Permission.__table__.c.id == row.id))


def test_a_webserver_creates_the_shared_roles(session: Any) -> None:
    usual = {shared_role_name(role): shared_roles.usual_permissions(role) for role in TenantRole}
    assert held(session) == usual


def test_a_viewer_changes_nothing_of_a_tenant(session: Any) -> None:
    """The only things to edit are the viewer's own profile and password."""
    pairs = held(session)["Tenant Viewer"]
    changed = {resource for action, resource in pairs if action not in {"can_read", "menu_access"}}
    assert changed == {"My Profile", "My Password"}


def test_a_permission_that_somebody_took_away_stays_away(session: Any) -> None:
    """A permission that a new version brings is given to the roles."""
    taken, new = ("can_edit", "Task Instances"), ("can_edit", "Platform Webhooks of own tenants")
    revoke(session, "Tenant Member", taken)
    forget(session, new)
    shared_roles.ensure(())
    assert taken not in held(session)["Tenant Member"]
    assert new in held(session)["Tenant Admin"]


def test_a_deleted_shared_role_is_created_again(session: Any) -> None:
    airflow_compat.roles.delete_roles(session, ["Tenant Viewer"])
    shared_roles.ensure(())
    assert held(session)["Tenant Viewer"] == shared_roles.usual_permissions(TenantRole.VIEWER)


def test_somebodys_own_role_of_such_a_name_is_renamed(session: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Before the platform's first start, such a role was for something else, and so are its permissions."""
    from airflow.providers.fab.auth_manager.models import Role

    forget(session, ("can_read", OWN_DAGS))
    session.add(Role(name="Tenant Member (old)"))
    session.flush()
    with caplog.at_level("WARNING", shared_roles.__name__):
        shared_roles.ensure(())
    names = set(session.scalars(select(Role.name).where(Role.name.like("Tenant % (old%)"))))
    assert names == {
        "Tenant Admin (old)",
        "Tenant Member (old)",
        "Tenant Member (old1)",
        "Tenant Viewer (old)",
    }
    assert "The role 'Tenant Member' is called 'Tenant Member (old1)' now" in caplog.text
    usual = {shared_role_name(role): shared_roles.usual_permissions(role) for role in TenantRole}
    assert held(session) == usual
