"""A tenant's two roles of Airflow: its administrators and its members.

What a role may stands in Airflow's own role editor, as permissions that name the tenant, and may be
changed there; what a role lacks of the usual is added again when the tenant changes. The tenant's DAGs
give their own permissions to both roles (``DAG(access_control=…)``).
"""

import logging
from typing import Any

from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import role_scopes
from airflow_platform_plugin.core.principal import permission
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)

# What Airflow's pages and API ask for beside the right to the DAG itself. Each of these counts only
# together with a DAG, or shows only rows of DAGs that the user may read.
MENU = {("menu_access", "Platform"), ("menu_access", "API")}
_STOCK = {
    *MENU,
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


def admin_role(tenant_id: str) -> str:
    """The name of the role of the tenant's administrators."""
    return f"Tenant {tenant_id} Admin"


def member_role(tenant_id: str) -> str:
    """The name of the role of the tenant's members."""
    return f"Tenant {tenant_id} Member"


def sync(session: Session, tenant: Tenant) -> None:
    """Make both roles what they should be, and put the tenant's administrators into the first.

    Administrators whom Airflow does not know yet get the role when they first log in.
    """
    tenant_id = str(tenant.tenant_id)
    for name, kind in ((admin_role(tenant_id), "admin"), (member_role(tenant_id), "member")):
        wanted = {permission(scope, tenant_id) for scope in role_scopes(kind)} | _STOCK
        airflow_compat.roles.ensure_role(session, name, wanted)
    airflow_compat.roles.set_role_members(session, admin_role(tenant_id), list(tenant.admin_users))


def sync_all() -> None:
    """Give the roles of tenants that are there already what came with this version: the menu."""
    try:
        if not db.is_current():
            return  # the endpoints say so
        with db.transaction() as session:
            having = set.intersection(*(airflow_compat.roles.roles_with(session, each) for each in MENU))
            for tenant_id in session.scalars(select(Tenant.tenant_id)).all():
                for name in {admin_role(tenant_id), member_role(tenant_id)} - having:
                    airflow_compat.roles.ensure_role(session, name, MENU)
    except Exception:
        log.exception("The tenants' roles could not be given the menu")


def delete(session: Session, tenant_id: str) -> None:
    """Delete both roles."""
    for name in (admin_role(tenant_id), member_role(tenant_id)):
        airflow_compat.roles.delete_role(session, name)


def install() -> None:
    """Let a user who is deleted be no tenant's administrator by name, wherever this process does that."""
    user = airflow_compat.users.user_model()
    if not event.contains(user, "after_delete", _forget):
        event.listen(user, "after_delete", _forget)


def install_in_app(app: Flask) -> None:
    """Give the roles of existing tenants what came with this version, and roles to users who log in."""
    sync_all()
    airflow_compat.roles.on_login(app, assign_on_login)


def _forget(_mapper: object, database: Connection, user: Any) -> None:  # noqa: ANN401 - FAB's user
    """Take the name off the tenants' lists: whoever is given it later is somebody else."""
    tenant, gone = Tenant.__table__, {user.username, user.email}
    try:
        # A SAVEPOINT: what fails here must not fail what Airflow does.
        with database.begin_nested():
            for row in database.execute(select(tenant.c.tenant_id, tenant.c.admin_users)).all():
                if not gone.isdisjoint(row.admin_users):
                    left = [name for name in row.admin_users if name not in gone]
                    changed = {"admin_users": left, "row_version": tenant.c.row_version + 1}
                    database.execute(
                        update(tenant).where(tenant.c.tenant_id == row.tenant_id).values(**changed)
                    )
    except SQLAlchemyError:
        log.exception("The tenants still name the deleted user %s", user.id)


def assign_on_login(user_id: int, username: str, email: str) -> None:
    """Give a user who is new here the roles of the tenants that name them; a login never fails for that."""
    try:
        with db.transaction() as session:
            for tenant_id, admins in session.execute(select(Tenant.tenant_id, Tenant.admin_users)):
                if username in admins or email in admins:
                    airflow_compat.roles.add_role_member(session, admin_role(tenant_id), user_id)
    except Exception:
        log.exception("The tenants of %s could not be looked up", username)
