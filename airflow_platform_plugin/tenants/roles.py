"""The Airflow roles of a tenant: labels that say who its admins, members and viewers are."""

import logging
from collections.abc import Collection, Mapping

from flask import Flask
from sqlalchemy import event, inspect, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.core import dag_ownership, db
from airflow_platform_plugin.core.naming import TenantRole, parse_tenant_role_name, tenant_role_name
from airflow_platform_plugin.tenants import admin_names
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)


def role_names(tenant_id: str) -> list[str]:
    """Return the names of the tenant's roles."""
    return [tenant_role_name(tenant_id, role) for role in TenantRole]


def create(session: Session, tenant: Tenant) -> None:
    """Create the roles of a new tenant, and give the admin's to its administrators.

    A role of that name that is there already loses its users and permissions, which were not given for this
    tenant. Administrators that do not exist in Airflow yet get the role at their first login.
    """
    airflow_compat.roles.create_empty_roles(session, role_names(str(tenant.tenant_id)))
    _add_admins(session, tenant, tenant.admin_users)


def update_admins(session: Session, tenant: Tenant, before: Collection[str]) -> None:
    """Give the admin's role to those who are new in the list, and take it from those who left it.

    Args:
        session: the session.
        tenant: the tenant with its new list.
        before: the list as it was.
    """
    now = set(tenant.admin_users)
    name = tenant_role_name(str(tenant.tenant_id), TenantRole.ADMIN)
    kept = airflow_compat.users.ids_of(session, now)
    left = airflow_compat.users.ids_of(session, set(before) - now) - kept
    airflow_compat.roles.remove_users(session, [name], left)
    _add_admins(session, tenant, now - set(before))


def replace(session: Session, tenant_id: str, user_id: int, role: TenantRole | None) -> None:
    """Give a user this role in a tenant and no other; None takes all roles there."""
    names = role_names(tenant_id)
    wanted = None if role is None else tenant_role_name(tenant_id, role)
    airflow_compat.roles.remove_users(session, [name for name in names if name != wanted], {user_id})
    if wanted is not None:
        # Somebody may have deleted the role on Airflow's pages.
        airflow_compat.roles.create_missing_roles(session, [wanted])
        airflow_compat.roles.add_users(session, wanted, {user_id})


def delete(session: Session, tenant_id: str) -> None:
    """Delete the tenant's roles."""
    airflow_compat.roles.delete_roles(session, role_names(tenant_id))


def install() -> None:
    """Follow deleted and renamed users in the tenants' lists, and read only the roles that are needed."""
    try:
        airflow_compat.security_manager.read_few_roles(is_label, dag_ownership.made_dag_ids)
    except Exception:
        log.exception("Airflow goes on as without the platform, and is slower with many roles")
    user = airflow_compat.users.user_model()
    if not event.contains(user, "after_delete", _remove_from_admin_lists):
        event.listen(user, "after_delete", _remove_from_admin_lists)
        event.listen(user, "after_update", _rename_in_admin_lists)


def install_in_app(app: Flask) -> None:
    """Assign roles to users at login, and let forms offer many roles."""
    try:
        airflow_compat.role_forms.offer_names_only(app)
    except Exception:
        log.exception("Airflow's forms stay as they are, and are slower with many roles")
    airflow_compat.roles.on_login(app, assign_on_login)


def _add_admins(session: Session, tenant: Tenant, users: Collection[str]) -> None:
    name = tenant_role_name(str(tenant.tenant_id), TenantRole.ADMIN)
    airflow_compat.roles.add_users(session, name, airflow_compat.users.ids_of(session, users))


def is_label(role_name: str) -> bool:
    """Return whether an Airflow role only says who belongs to a tenant."""
    return parse_tenant_role_name(role_name) is not None


def _remove_from_admin_lists(_mapper: object, database: Connection, user: User) -> None:
    """Remove a deleted user's names from the tenants' lists: a later user with the name is another person."""
    _replace_in_admin_lists(database, dict.fromkeys((user.username, user.email)), user)


def _rename_in_admin_lists(_mapper: object, database: Connection, user: User) -> None:
    """Follow a user with another name or mail address: a later user with the old one is another person."""
    changed = {}
    for name in ("username", "email"):
        history = inspect(user).attrs[name].history
        if history.deleted and history.added:
            changed[history.deleted[0]] = history.added[0]
    if changed:
        _replace_in_admin_lists(database, changed, user)


def _replace_in_admin_lists(database: Connection, names: Mapping[str, str | None], user: User) -> None:
    """Replace a user's names in the tenants' lists of administrators; None removes one."""
    tenant, new = Tenant.__table__, {old.lower(): name for old, name in names.items()}
    try:
        # In a SAVEPOINT, so that an error here does not fail Airflow's own change.
        with database.begin_nested():
            naming = select(tenant.c.tenant_id, tenant.c.admin_users).where(admin_names.has_any(new))
            for row in database.execute(naming).all():
                replaced = [new.get(name.lower(), name) for name in row.admin_users]
                left = [name for name in replaced if name is not None]
                if left != row.admin_users:
                    changed = {"admin_users": left, "row_version": tenant.c.row_version + 1}
                    database.execute(
                        update(tenant).where(tenant.c.tenant_id == row.tenant_id).values(**changed)
                    )
                    admin_names.replace(database, row.tenant_id, left)
    except SQLAlchemyError:
        log.exception("The tenants still have the old names of the user %s", user.id)


def assign_on_login(user_id: int, username: str, email: str) -> None:
    """Give a new user the roles of the tenants that name the user. An error does not fail the login."""
    try:
        with db.transaction() as session:
            naming = select(Tenant.tenant_id, Tenant.admin_users).where(
                admin_names.has_any({username, email})
            )
            for tenant_id, admins in session.execute(naming).all():
                if user_id in airflow_compat.users.ids_of(session, admins):
                    role = tenant_role_name(tenant_id, TenantRole.ADMIN)
                    airflow_compat.roles.add_users(session, role, {user_id})
    except Exception:
        log.exception("The tenants of %s could not be looked up", username)
