"""Airflow's users: who calls, and which account a user is."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


class Account(NamedTuple):
    """One user of Airflow's, and nobody who is given the same id or name later.

    SQLite gives the id of a deleted user to the next one, and so does every database after
    ``airflow db reset``.

    Attributes:
        id: the user's id.
        name: the user's name.
        created_on: when the user was made, as Airflow keeps it: local time; None where it does not say.
    """

    id: int
    name: str
    created_on: "datetime | None"


def auth_manager() -> Any:  # noqa: ANN401 - Airflow's BaseAuthManager, untyped here
    """The auth manager of the running webserver."""
    from airflow.www.extensions.init_auth_manager import get_auth_manager

    return get_auth_manager()


def security_manager() -> Any:  # noqa: ANN401 - FAB's SecurityManager, untyped
    """FAB's security manager, which knows users and permissions."""
    return auth_manager().security_manager


def request_user() -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user that Airflow has recognised in this request, or None."""
    user = auth_manager().get_user()
    return None if user is None or user.is_anonymous else user


def current_user() -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user of this moment, who may be anonymous; Flask-Login's proxy is looked through."""
    user = auth_manager().get_user()
    return user._get_current_object() if hasattr(user, "_get_current_object") else user  # noqa: SLF001 - Werkzeug's API


def refresh_user(user: Any) -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user, read again where stock code has meanwhile closed the session that it was read in."""
    from sqlalchemy import inspect

    row = inspect(user, raiseerr=False)
    if row is not None and row.detached and row.expired_attributes:
        user = user_by_id(row.identity[0])
        set_request_user(user)
    return user


def public_rights() -> set[tuple[str, str]]:
    """What the operator lets everybody do who is not recognised, by ``AUTH_ROLE_PUBLIC``."""
    from flask_login import current_user

    return permissions(current_user)


def set_request_user(user: Any) -> None:  # noqa: ANN401 - the auth manager's own user class
    """Make ``user`` the caller of this request, for stock endpoints too.

    Both places count: Airflow looks at Flask-Login's user first and at ``g.user`` where that one is
    anonymous. Setting Flask-Login's own attribute instead of calling ``login_user`` starts no session.
    """
    from flask import g

    g.user = g._login_user = user  # noqa: SLF001 - where Flask-Login keeps it


def permissions(user: Any) -> set[tuple[str, str]]:  # noqa: ANN401 - the auth manager's own user class
    """What the user's roles allow, as FAB has it: ``("can_read", "Website")``."""
    held: set[tuple[str, str]] = user.perms
    return held


def user_by_id(user_id: int) -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user of that id, or None."""
    return security_manager().get_user_by_id(user_id)


def active_user(account: Account | None) -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user of that account, or None where there is none, an inactive one, or another of the same id."""
    user = None if account is None else user_by_id(account.id)
    return user if user is not None and user.is_active and account_of(user) == account else None


def account_of(user: Any) -> Account:  # noqa: ANN401 - the auth manager's own user class
    """Which account the user is."""
    return Account(user.id, user.username, user.created_on)


def account(session: "Session", user_id: int) -> Account | None:
    """The account of that id, or None."""
    return accounts(session, [user_id]).get(user_id)


def accounts(session: "Session", ids: Collection[int]) -> dict[int, Account]:
    """The accounts of those ids; an id without a user is left out."""
    from sqlalchemy import select

    user = user_model()
    columns = select(user.id, user.username, user.created_on)
    found: dict[int, Account] = {}
    for some in _batches(sorted(set(ids))):
        found |= {row.id: Account(*row) for row in session.execute(columns.where(user.id.in_(some)))}
    return found


def accounts_by_name(session: "Session", names: Collection[str]) -> dict[str, Account]:
    """The accounts of those names; a name without a user is left out."""
    from sqlalchemy import select

    user = user_model()
    wanted = select(user.id, user.username, user.created_on).where(user.username.in_(names))
    return {row.username: Account(*row) for row in session.execute(wanted)}


def user_ids(session: "Session", names: Collection[str]) -> dict[str, int]:
    """The ids of the users of those names; a name without a user is left out."""
    return {name: found.id for name, found in accounts_by_name(session, names).items()}


def user_model() -> Any:  # noqa: ANN401 - FAB's model, untyped here
    """The model of Airflow's users."""
    from airflow.providers.fab.auth_manager.models import User

    return User


def _batches(values: list[int], size: int = 500) -> "Iterator[list[int]]":
    for start in range(0, len(values), size):
        yield values[start : start + size]


def request_user_id() -> int | None:
    """The id of this request's user, where it is a number as FAB's are."""
    user_id = auth_manager().get_user_id()
    return int(user_id) if str(user_id).isdecimal() else None
