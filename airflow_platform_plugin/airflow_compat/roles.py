"""Airflow's roles, their permissions and members."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.users import user_model

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


def ensure_role(session: "Session", name: str, permissions: Collection[tuple[str, str]]) -> None:
    """Make the role, and give it what it lacks of the permissions; whatever else it has stays."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role
    from sqlalchemy import select

    def one(model: Any, **columns: Any) -> Any:  # noqa: ANN401 - any of FAB's models
        row = session.scalars(select(model).filter_by(**columns)).unique().first()
        if row is None:
            row = model(**columns)
            session.add(row)
            session.flush()
        return row

    role = one(Role, name=name)
    held = {(permission.action.name, permission.resource.name) for permission in role.permissions}
    for action, resource in sorted(set(permissions) - held):
        role.permissions.append(
            one(
                Permission, action_id=one(Action, name=action).id, resource_id=one(Resource, name=resource).id
            )
        )
    session.flush()


def roles_with(session: "Session", permission: tuple[str, str]) -> set[str]:
    """The names of the roles that hold a permission."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role
    from sqlalchemy import select

    action, resource = permission
    held = Permission.action.has(Action.name == action) & Permission.resource.has(Resource.name == resource)
    return set(session.scalars(select(Role.name).where(Role.permissions.any(held))))


def delete_role(session: "Session", name: str) -> None:
    """Take the role from everybody and delete it."""
    from airflow.providers.fab.auth_manager.models import Role
    from sqlalchemy import select

    role = session.scalars(select(Role).where(Role.name == name)).unique().first()
    if role is not None:
        role.permissions, role.user = [], []
        session.flush()
        session.delete(role)


def set_role_members(session: "Session", name: str, users: Collection[str]) -> None:
    """Give the role to the users of those names or addresses, so far as there are any, and to no others."""
    from airflow.providers.fab.auth_manager.models import Role, User
    from sqlalchemy import or_, select

    role = session.scalars(select(Role).where(Role.name == name)).unique().one()
    wanted = select(User).where(or_(User.username.in_(users), User.email.in_(users)))
    role.user = list(session.scalars(wanted).unique())
    session.flush()


def add_role_member(session: "Session", name: str, user_id: int) -> None:
    """Give the role to a user who lacks it."""
    from airflow.providers.fab.auth_manager.models import Role, User
    from sqlalchemy import select

    role = session.scalars(select(Role).where(Role.name == name)).unique().first()
    user = session.get(User, user_id)
    if role is not None and user is not None and role not in user.roles:
        user.roles.append(role)
        session.flush()


# Logins of a user that are still among the first: one may have met a database that was away.
_FIRST_LOGINS = (1, 2, 3)


def on_login(app: "Flask", welcome: Callable[[int, str, str], None]) -> None:
    """Call ``welcome`` with id, name and address of a user who is new here, or whose login has taken roles.

    Airflow counts logins, and a login by LDAP or OAuth replaces roles where ``AUTH_ROLES_SYNC_AT_LOGIN`` says
    so. All other logins, of which some setups have one for each request, cost nothing.
    """
    from flask import g, has_request_context
    from flask_login import user_logged_in
    from sqlalchemy import event

    def taken(_user: object, _role: object, _initiator: object) -> None:
        if has_request_context():
            g.platform_roles_taken = True

    def logged_in(_sender: object, user: Any, **_: Any) -> None:  # noqa: ANN401 - the auth manager's user
        # As it was read: asking the attribute might read the user again.
        if vars(user).get("login_count") in _FIRST_LOGINS or g.pop("platform_roles_taken", False):
            welcome(user.id, user.username, user.email)

    event.listen(user_model().roles, "remove", taken)
    user_logged_in.connect(logged_in, app, weak=False)
