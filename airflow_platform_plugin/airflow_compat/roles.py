"""Airflow's roles, their permissions and members."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from airflow_platform_plugin.airflow_compat.types import Model, User
from airflow_platform_plugin.airflow_compat.users import user_model

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


def ensure_role(session: "Session", name: str, permissions: Collection[tuple[str, str]]) -> None:
    """Create the role if it is missing, and add the permissions that it lacks; it keeps all others.

    Args:
        session: the session.
        name: the role.
        permissions: pairs of action and resource: ``("can_read", "Website")``.
    """
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role
    from sqlalchemy import select

    def get_or_create(model: Model, **columns: object) -> Model:
        row = session.scalars(select(model).filter_by(**columns)).unique().first()
        if row is None:
            row = model(**columns)
            session.add(row)
            session.flush()
        return row

    role = get_or_create(Role, name=name)
    held = {(permission.action.name, permission.resource.name) for permission in role.permissions}
    for action, resource in sorted(set(permissions) - held):
        action_id = get_or_create(Action, name=action).id
        resource_id = get_or_create(Resource, name=resource).id
        role.permissions.append(get_or_create(Permission, action_id=action_id, resource_id=resource_id))
    session.flush()


def roles_with(session: "Session", permission: tuple[str, str]) -> set[str]:
    """Return the names of the roles that hold a permission, a pair of action and resource."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role
    from sqlalchemy import select

    action, resource = permission
    held = Permission.action.has(Action.name == action) & Permission.resource.has(Resource.name == resource)
    return set(session.scalars(select(Role.name).where(Role.permissions.any(held))))


def delete_role(session: "Session", name: str) -> None:
    """Remove the role from all users and delete it."""
    from airflow.providers.fab.auth_manager.models import Role
    from sqlalchemy import select

    role = session.scalars(select(Role).where(Role.name == name)).unique().first()
    if role is not None:
        role.permissions, role.user = [], []
        session.flush()
        session.delete(role)


def set_role_members(session: "Session", name: str, users: Collection[str]) -> None:
    """Give the role to the existing users with those names or mail addresses, and to no others."""
    from airflow.providers.fab.auth_manager.models import Role, User
    from sqlalchemy import or_, select

    role = session.scalars(select(Role).where(Role.name == name)).unique().one()
    wanted = select(User).where(or_(User.username.in_(users), User.email.in_(users)))
    role.user = list(session.scalars(wanted).unique())
    session.flush()


def add_role_member(session: "Session", name: str, user_id: int) -> None:
    """Give the role to a user, if both exist."""
    from airflow.providers.fab.auth_manager.models import Role, User
    from sqlalchemy import select

    role = session.scalars(select(Role).where(Role.name == name)).unique().first()
    user = session.get(User, user_id)
    if role is not None and user is not None and role not in user.roles:
        user.roles.append(role)
        session.flush()


# The first logins of a user; more than one, since the database may have been down at the first.
_FIRST_LOGINS = (1, 2, 3)


def on_login(app: "Flask", assign_roles: Callable[[int, str, str], None]) -> None:
    """Call a function after the first logins of a user, and after each login that has removed roles.

    A login by LDAP or OAuth replaces the user's roles if ``AUTH_ROLES_SYNC_AT_LOGIN`` is set. All other
    logins cost nothing: in some setups each request is one.

    Args:
        app: the web application.
        assign_roles: takes the user's id, name and mail address.
    """
    from flask import g, has_request_context
    from flask_login import user_logged_in
    from sqlalchemy import event

    def note_removed_role(_user: object, _role: object, _initiator: object) -> None:
        if has_request_context():
            g.platform_roles_removed = True

    def after_login(_sender: object, user: User, **_: object) -> None:
        # From ``vars``: the attribute itself might read the user from the database again.
        if vars(user).get("login_count") in _FIRST_LOGINS or g.pop("platform_roles_removed", False):
            assign_roles(user.id, user.username, user.email)

    event.listen(user_model().roles, "remove", note_removed_role)
    user_logged_in.connect(after_login, app, weak=False)
