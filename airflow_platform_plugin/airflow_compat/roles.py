"""Airflow's roles, their permissions and members."""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import TYPE_CHECKING

from airflow_platform_plugin.airflow_compat.types import Model, User
from airflow_platform_plugin.airflow_compat.users import user_model

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session
    from sqlalchemy.sql import Select

# An action and a resource: ``("can_read", "Website")``.
PermissionPair = tuple[str, str]


def grant_new_permissions(
    session: "Session", wanted: Mapping[str, Collection[PermissionPair]], offered: Collection[PermissionPair]
) -> None:
    """Create missing permissions and roles, and give permissions that were missing to existing roles.

    Args:
        session: the session.
        wanted: the permissions of each role, by the role's name. A new role gets all of them, an existing
            one those that Airflow did not have yet.
        offered: further permissions to create, which no role gets.
    """
    from airflow.providers.fab.auth_manager.models import Role
    from sqlalchemy import select

    new = _create_permissions(session, {*offered, *(pair for pairs in wanted.values() for pair in pairs)})
    roles = {role.name: role for role in session.scalars(select(Role).where(Role.name.in_(wanted))).unique()}
    for name, pairs in wanted.items():
        if name not in roles:
            session.add(Role(name=name, permissions=_find_permissions(session, pairs)))
        elif granted := new & set(pairs):
            roles[name].permissions += _find_permissions(session, granted)
    session.flush()


def set_aside(session: "Session", names: Collection[str], *, unless: PermissionPair) -> dict[str, str]:
    """Rename the roles of those names, unless Airflow has a permission already.

    Returns:
        The new names of the roles that existed, by the old ones.
    """
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role
    from sqlalchemy import select, update

    action, resource = unless
    is_named = Permission.action.has(Action.name == action) & Permission.resource.has(
        Resource.name == resource
    )
    if session.scalar(select(Permission.id).where(is_named)) is not None:
        return {}
    role, renamed = Role.__table__, {}
    taken = set(session.scalars(select(role.c.name)))
    for name in sorted(taken & set(names)):
        new = next(each for n in range(100) if (each := f"{name} (old{n or ''})") not in taken)
        session.execute(update(role).where(role.c.name == name).values(name=new))
        renamed[name] = new
    return renamed


def _create_permissions(session: "Session", pairs: Collection[PermissionPair]) -> set[PermissionPair]:
    """Create the permissions that Airflow does not have yet, and return them."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource
    from sqlalchemy import select

    def ids(model: Model, names: set[str]) -> dict[str, int]:
        found = dict(session.execute(select(model.name, model.id).where(model.name.in_(names))).all())
        for name in sorted(names - set(found)):
            row = model(name=name)
            session.add(row)
            session.flush()
            found[name] = row.id
        return found

    actions, resources = ids(Action, {each for each, _ in pairs}), ids(Resource, {each for _, each in pairs})
    known = select(Permission.action_id, Permission.resource_id)
    existing = set(session.execute(known.where(Permission.resource_id.in_(resources.values()))).all())
    new = {pair for pair in pairs if (actions[pair[0]], resources[pair[1]]) not in existing}
    for action, resource in sorted(new):
        session.add(Permission(action_id=actions[action], resource_id=resources[resource]))
    session.flush()
    return new


def _find_permissions(session: "Session", pairs: Collection[PermissionPair]) -> list[Model]:
    from airflow.providers.fab.auth_manager.models import Permission, Resource
    from sqlalchemy import select

    rows = session.scalars(
        select(Permission).join(Permission.resource).where(Resource.name.in_({each for _, each in pairs}))
    )
    return [row for row in rows if (row.action.name, row.resource.name) in set(pairs)]


def create_empty_roles(session: "Session", names: Collection[str]) -> None:
    """Create roles without permissions and users. An existing role of such a name loses what it has."""
    if existing := create_missing_roles(session, names):
        _empty(session, existing)


def create_missing_roles(session: "Session", names: Collection[str]) -> set[str]:
    """Create those of the roles that do not exist, and return the names of the others."""
    from airflow.providers.fab.auth_manager.models import Role
    from sqlalchemy import insert, select

    existing = set(session.scalars(select(Role.name).where(Role.name.in_(names))))
    if missing := sorted(set(names) - existing):
        session.execute(insert(Role.__table__), [{"name": name} for name in missing])
    return existing


def delete_roles(session: "Session", names: Collection[str]) -> None:
    """Remove roles from all users and delete them."""
    from airflow.providers.fab.auth_manager.models import Role
    from sqlalchemy import delete

    _empty(session, names)
    session.execute(delete(Role.__table__).where(Role.__table__.c.name.in_(names)))
    session.expire_all()


def _empty(session: "Session", names: Collection[str]) -> None:
    from airflow.providers.fab.auth_manager.models import Role, assoc_permission_role, assoc_user_role
    from sqlalchemy import delete, select

    ids = list(session.scalars(select(Role.id).where(Role.name.in_(names))))
    for links in (assoc_user_role, assoc_permission_role):
        session.execute(delete(links).where(links.c.role_id.in_(ids)))


def add_users(session: "Session", name: str, user_ids: AbstractSet[int]) -> None:
    """Give a role to users who do not have it, if the role exists."""
    from airflow.providers.fab.auth_manager.models import Role, assoc_user_role
    from sqlalchemy import insert, select

    role_id = session.scalar(select(Role.id).where(Role.name == name))
    if role_id is None or not user_ids:
        return
    links = assoc_user_role.c
    held = select(links.user_id).where(links.role_id == role_id, links.user_id.in_(user_ids))
    if missing := sorted(user_ids - set(session.scalars(held))):
        rows = [{"user_id": user_id, "role_id": role_id} for user_id in missing]
        session.execute(insert(assoc_user_role), rows)
        session.expire_all()


def remove_users(session: "Session", names: Collection[str], user_ids: AbstractSet[int]) -> None:
    """Take roles from users."""
    from airflow.providers.fab.auth_manager.models import Role, assoc_user_role
    from sqlalchemy import delete, select

    if user_ids:
        roles = select(Role.id).where(Role.name.in_(names)).scalar_subquery()
        links = assoc_user_role.c
        session.execute(delete(assoc_user_role).where(links.role_id.in_(roles), links.user_id.in_(user_ids)))
        session.expire_all()


def select_users(held: Collection[str], lacking: Collection[str] = ()) -> "Select":
    """Select ``id`` and ``username`` of the users who have at least one role of some, and no role of others.

    Args:
        held: the names of the roles that they have.
        lacking: the names of the roles that they do not have.
    """
    from airflow.providers.fab.auth_manager.models import Role, assoc_user_role
    from sqlalchemy import select

    def holders(names: Collection[str]) -> "Select":
        links = assoc_user_role.c
        return select(links.user_id).join(Role, Role.id == links.role_id).where(Role.name.in_(names))

    user = user_model()
    found = select(user.id, user.username).where(user.id.in_(holders(held)))
    return found.where(user.id.notin_(holders(lacking))) if lacking else found


def roles_by_user(
    session: "Session", names: Collection[str], user_ids: Collection[int]
) -> dict[int, set[str]]:
    """Return which of the roles each of the users has, by the user's id."""
    from airflow.providers.fab.auth_manager.models import Role, assoc_user_role
    from sqlalchemy import select

    links = assoc_user_role.c
    rows = session.execute(
        select(links.user_id, Role.name)
        .join(Role, Role.id == links.role_id)
        .where(Role.name.in_(names), links.user_id.in_(user_ids))
    )
    found: dict[int, set[str]] = {}
    for user_id, name in rows:
        found.setdefault(user_id, set()).add(name)
    return found


def role_names(user: User) -> list[str]:
    """Return the names of a user's roles; none with an auth manager whose users have no roles."""
    return [role.name for role in getattr(user, "roles", ())]


def permissions_by_role(connection: "Connection", names: Collection[str]) -> dict[str, set[tuple[str, str]]]:
    """Return the permissions of roles by the role's name, as pairs of action and resource."""
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in names}
    for row in connection.execute(_select_permissions(), {"names": sorted(names)}):
        if row[0] in found:  # MySQL also finds names that differ in upper and lower case
            found[row[0]].add((row[1], row[2]))
    return found


@cache
def _select_permissions() -> "Select":
    """Select role, action and resource. Requests need it often, and it takes long to build."""
    from airflow.providers.fab.auth_manager.models import (
        Action,
        Permission,
        Resource,
        Role,
        assoc_permission_role,
    )
    from sqlalchemy import bindparam, select

    # Of the tables: statements of mapped classes take several times as long to prepare.
    action, resource, role = (each.__table__.c for each in (Action, Resource, Role))
    permission, granted = Permission.__table__.c, assoc_permission_role.c
    return select(role.name, action.name, resource.name).where(
        role.name.in_(bindparam("names", expanding=True)),
        granted.role_id == role.id,
        granted.permission_view_id == permission.id,
        permission.permission_id == action.id,
        permission.view_menu_id == resource.id,
    )


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
