"""The two Airflow roles of a tenant: one for its administrators, one for its members.

Airflow's role editor shows their permissions, which name the tenant, and you can change them there. When
the tenant changes, the platform adds the usual permissions that a role lacks.
"""

import logging

from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import role_scopes
from airflow_platform_plugin.core.naming import parse_tenant_role_name
from airflow_platform_plugin.core.principal import permission
from airflow_platform_plugin.tenants import admin_names
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)

MENU = {("menu_access", "Platform"), ("menu_access", "API")}
# What Airflow's pages and API require as well as the permission on the DAG itself. Each of these works only
# together with a DAG, or shows only rows of DAGs that the user may read.
_AIRFLOW_PERMISSIONS = {
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


def admin_role_name(tenant_id: str) -> str:
    """Return the name of the role of the tenant's administrators."""
    return f"Tenant {tenant_id} Admin"


def member_role_name(tenant_id: str) -> str:
    """Return the name of the role of the tenant's members."""
    return f"Tenant {tenant_id} Member"


def sync(session: Session, tenant: Tenant) -> None:
    """Create or complete both roles, and give the first to the tenant's administrators.

    Administrators that do not exist in Airflow yet get the role at their first login.
    """
    tenant_id = str(tenant.tenant_id)
    for name, kind in ((admin_role_name(tenant_id), "admin"), (member_role_name(tenant_id), "member")):
        wanted = {permission(scope, tenant_id) for scope in role_scopes(kind)} | _AIRFLOW_PERMISSIONS
        airflow_compat.roles.ensure_role(session, name, wanted)
    airflow_compat.roles.set_role_members(session, admin_role_name(tenant_id), list(tenant.admin_users))


def add_menu_to_existing_roles() -> None:
    """Add the platform's menu to the roles of existing tenants: earlier versions did not have it."""
    try:
        if not db.is_current():
            return  # the endpoints report that the tables must be upgraded
        with db.transaction() as session:
            having = set.intersection(*(airflow_compat.roles.roles_with(session, each) for each in MENU))
            for tenant_id in session.scalars(select(Tenant.tenant_id)).all():
                for name in {admin_role_name(tenant_id), member_role_name(tenant_id)} - having:
                    airflow_compat.roles.ensure_role(session, name, MENU)
    except Exception:
        log.exception("The tenants' roles could not be given the menu")


def delete(session: Session, tenant_id: str) -> None:
    """Delete both roles."""
    for name in (admin_role_name(tenant_id), member_role_name(tenant_id)):
        airflow_compat.roles.delete_role(session, name)


def install() -> None:
    """Remove deleted users from the tenants' lists, and read only the roles that are needed, of very many."""
    airflow_compat.security_manager.read_few_roles(is_label)
    user = airflow_compat.users.user_model()
    if not event.contains(user, "after_delete", _remove_from_admin_lists):
        event.listen(user, "after_delete", _remove_from_admin_lists)


def install_in_app(app: Flask) -> None:
    """Add the menu to the roles of existing tenants, and assign roles to users at login."""
    airflow_compat.role_forms.offer_names_only(app)
    add_menu_to_existing_roles()
    airflow_compat.roles.on_login(app, assign_on_login)


def is_label(role_name: str) -> bool:
    """Return whether an Airflow role only says who belongs to a tenant."""
    return parse_tenant_role_name(role_name) is not None


def _remove_from_admin_lists(_mapper: object, database: Connection, user: User) -> None:
    """Remove a deleted user's names from the tenants' lists: a later user with the name is another person."""
    tenant, gone = Tenant.__table__, {user.username, user.email}
    try:
        # In a SAVEPOINT, so that an error here does not fail Airflow's own change.
        with database.begin_nested():
            naming = select(tenant.c.tenant_id, tenant.c.admin_users).where(admin_names.has_any(gone))
            for row in database.execute(naming).all():
                if not gone.isdisjoint(row.admin_users):
                    left = [name for name in row.admin_users if name not in gone]
                    changed = {"admin_users": left, "row_version": tenant.c.row_version + 1}
                    database.execute(
                        update(tenant).where(tenant.c.tenant_id == row.tenant_id).values(**changed)
                    )
                    admin_names.replace(database, row.tenant_id, left)
    except SQLAlchemyError:
        log.exception("The tenants still name the deleted user %s", user.id)


def assign_on_login(user_id: int, username: str, email: str) -> None:
    """Give a new user the roles of the tenants that name the user. An error does not fail the login."""
    try:
        with db.transaction() as session:
            naming = select(Tenant.tenant_id, Tenant.admin_users).where(
                admin_names.has_any({username, email})
            )
            for tenant_id, admins in session.execute(naming).all():
                if username in admins or email in admins:
                    airflow_compat.roles.add_role_member(session, admin_role_name(tenant_id), user_id)
    except Exception:
        log.exception("The tenants of %s could not be looked up", username)
