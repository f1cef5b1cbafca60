"""Airflow's users: who calls, and which account a user has."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from airflow_platform_plugin.airflow_compat.types import AuthManager, Model, SecurityManager, User

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session
    from sqlalchemy.sql import ColumnElement


_PERMISSIONS = "_platform_permissions"


class Account(NamedTuple):
    """One Airflow user; a later user with the same id or name is another account.

    SQLite gives the id of a deleted user to the next one, and so does every database after
    ``airflow db reset``.

    Attributes:
        id: the user's id.
        name: the user's name.
        created_on: when the user was created, in local time, as Airflow stores it; None if it is unknown.
    """

    id: int
    name: str
    created_on: "datetime | None"


def auth_manager() -> AuthManager:
    """Return the auth manager of the running webserver."""
    from airflow.www.extensions.init_auth_manager import get_auth_manager

    return get_auth_manager()


def extend_auth_manager(mixin: type) -> None:
    """Put a mixin in front of the class of the running auth manager, once.

    Airflow creates the auth manager itself and keeps the object, so the object gets another class.
    """
    manager = auth_manager()
    stock = type(manager)
    if not issubclass(stock, mixin):
        manager.__class__ = type(stock.__name__, (mixin, stock), {})


def security_manager() -> SecurityManager:
    """Return FAB's security manager, which reads users and permissions."""
    return auth_manager().security_manager


def request_user() -> User:
    """Return the user that Airflow has recognized in this request, or None."""
    user = auth_manager().get_user()
    return None if user is None or user.is_anonymous else user


def current_user() -> User:
    """Return the current user, who may be anonymous; the object itself, not Flask-Login's proxy."""
    user = auth_manager().get_user()
    return user._get_current_object() if hasattr(user, "_get_current_object") else user  # noqa: SLF001 - Werkzeug's API


def recognized_users() -> tuple[User, User]:
    """Return the objects from which ``current_user`` is answered, to notice cheaply that it has changed."""
    from flask import g

    kept = g._get_current_object()  # noqa: SLF001 - Werkzeug's API; each use of the proxy takes as long as the rest
    return kept.get("_login_user"), kept.get("user")  # where Flask-Login and Airflow keep it


def refresh_user(user: User) -> User:
    """Return the user; read it again if stock code has closed the session that loaded it."""
    from sqlalchemy import inspect

    row = inspect(user, raiseerr=False)
    if row is not None and row.detached and row.expired_attributes:
        user = user_by_id(row.identity[0])
        set_request_user(user)
    return user


def public_rights() -> set[tuple[str, str]]:
    """Return the permissions of callers who are not logged in, which ``AUTH_ROLE_PUBLIC`` grants."""
    from flask_login import current_user

    return permissions(current_user)


def set_request_user(user: User) -> None:
    """Make ``user`` the caller of this request, for stock endpoints too.

    Both places are needed: Airflow reads Flask-Login's user first, and ``g.user`` if that one is anonymous.
    Flask-Login's attribute is set directly because ``login_user`` would start a session.
    """
    from flask import g

    g.user = g._login_user = user  # noqa: SLF001 - where Flask-Login keeps it


def permissions(user: User) -> set[tuple[str, str]]:
    """Return the permissions of the user's roles, as action and resource: ``("can_read", "Website")``.

    They are read once for each user object, which lives as long as a request. FAB itself reads an empty set
    again at each question, and the users of tenants have no permissions apart from their tenants'.
    """
    held: set[tuple[str, str]] | None = getattr(user, _PERMISSIONS, None)
    if held is None:
        held = user.perms
        setattr(user, _PERMISSIONS, held)
    return held


def keep_permissions(user: User, held: set[tuple[str, str]]) -> None:
    """Keep what ``permissions`` would read, if a query for something else has found it."""
    setattr(user, _PERMISSIONS, held)


def has_read_permissions(user: User) -> bool:
    """Return whether ``permissions`` has read the user's permissions, so that it sends no query now."""
    return getattr(user, _PERMISSIONS, None) is not None


def user_by_id(user_id: int) -> User:
    """Return the user with that id, or None."""
    return security_manager().get_user_by_id(user_id)


def active_user(account: Account | None) -> User:
    """Return the user of that account; None if it is deleted, inactive, or another user has its id."""
    user = None if account is None else user_by_id(account.id)
    return user if user is not None and user.is_active and account_of(user) == account else None


def account_of(user: User) -> Account:
    """Return the account of a user."""
    return Account(user.id, user.username, user.created_on)


def account(session: "Session", user_id: int) -> Account | None:
    """Return the account with that id, or None."""
    return accounts(session, [user_id]).get(user_id)


def accounts(session: "Session", ids: Collection[int]) -> dict[int, Account]:
    """Return the accounts by id; an id without a user is left out."""
    from sqlalchemy import select

    user = user_model()
    columns = select(user.id, user.username, user.created_on)
    found: dict[int, Account] = {}
    for batch in _batches(sorted(set(ids))):
        found |= {row.id: Account(*row) for row in session.execute(columns.where(user.id.in_(batch)))}
    return found


def accounts_by_name(session: "Session", names: Collection[str]) -> dict[str, Account]:
    """Return the accounts by name; a name without a user is left out."""
    from sqlalchemy import select

    user = user_model()
    wanted = select(user.id, user.username, user.created_on).where(user.username.in_(names))
    return {row.username: Account(*row) for row in session.execute(wanted)}


def ids_of(session: "Session", names: Collection[str]) -> set[int]:
    """Return the ids of the users with those names or mail addresses."""
    from sqlalchemy import or_, select

    user = user_model()
    wanted = select(user.id).where(or_(_has_name(session, names), user.email.in_(names)))
    return set(session.scalars(wanted)) if names else set()


def names_of(session: "Session", user_id: int, names: Collection[str]) -> set[str]:
    """Return those of the names that are the user's name or mail address."""
    from sqlalchemy import or_, select

    user, listed = user_model(), sorted(names)
    if not listed:
        return set()
    columns = [
        or_(_has_name(session, [name]), user.email == name).label(f"is_{number}")
        for number, name in enumerate(listed)
    ]
    row = session.execute(select(*columns).where(user.id == user_id)).first()
    return {name for name, is_own in zip(listed, row or (), strict=False) if is_own}


def account_named(session: "Session", name: str) -> Account | None:
    """Return the account with that name; case does not matter, as at login. None without such a user."""
    from sqlalchemy import select

    user = user_model()
    columns = select(user.id, user.username, user.created_on).where(_has_name(session, [name]))
    rows = session.execute(columns.order_by((user.username == name).desc())).all()
    return Account(*rows[0]) if rows else None


def _has_name(session: "Session", names: Collection[str]) -> "ColumnElement[bool]":
    """Return the condition that a user has one of the names.

    Airflow has no two users with names that differ only in case. PostgreSQL alone compares the case, so
    Airflow has an index on the names in lower case there.
    """
    from sqlalchemy import func

    name = user_model().username
    if session.get_bind().dialect.name == "postgresql":
        return func.lower(name).in_([func.lower(each) for each in names])
    return name.in_(names)


def user_ids(session: "Session", names: Collection[str]) -> dict[str, int]:
    """Return the ids of users by name; a name without a user is left out."""
    return {name: found.id for name, found in accounts_by_name(session, names).items()}


def user_model() -> Model:
    """Return the model of Airflow's users."""
    from airflow.providers.fab.auth_manager.models import User

    return User


def _batches(values: list[int], size: int = 500) -> "Iterator[list[int]]":
    for start in range(0, len(values), size):
        yield values[start : start + size]


def request_user_id() -> int | None:
    """Return the id of this request's user if it is a number, as FAB's are, else None."""
    user_id = auth_manager().get_user_id()
    return int(user_id) if str(user_id).isdecimal() else None
