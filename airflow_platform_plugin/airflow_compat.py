"""The one place that imports what moves between Airflow versions. Written for 2.11.

Functions import when called: this module is loaded in schedulers and task processes too, which must
not pay for the webserver's libraries.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow import DAG
from airflow.hooks.subprocess import SubprocessHook
from airflow.jobs.job import Job
from airflow.models.baseoperator import BaseOperator
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagrun import DagRun
from airflow.models.dataset import (
    DagScheduleDatasetReference,
    DatasetEvent,
    DatasetModel,
    TaskOutletDatasetReference,
)
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.dag_parsing_context import get_parsing_context

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

__all__ = [
    "DAG",
    "BaseOperator",
    "DagModel",
    "DagPriorityParsingRequest",
    "DagRun",
    "DagScheduleDatasetReference",
    "DagTag",
    "DatasetEvent",
    "DatasetModel",
    "Job",
    "Log",
    "SubprocessHook",
    "TaskInstance",
    "TaskOutletDatasetReference",
    "get_parsing_context",
]


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


def set_request_user(user: Any) -> None:  # noqa: ANN401 - the auth manager's own user class
    """Make ``user`` the caller of this request, for stock endpoints too.

    Both places count: Airflow looks at Flask-Login's user first and at ``g.user`` where that one is
    anonymous. Setting Flask-Login's own attribute instead of calling ``login_user`` starts no session.
    """
    from flask import g

    g.user = g._login_user = user  # noqa: SLF001 - where Flask-Login keeps it


def user_by_id(user_id: int) -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user of that id, or None."""
    return security_manager().get_user_by_id(user_id)


def user_ids(session: "Session", names: Collection[str]) -> dict[str, int]:
    """The ids of the users of those names; a name without a user is left out."""
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy import select

    return dict(session.execute(select(User.username, User.id).where(User.username.in_(names))).all())


def usernames(session: "Session", ids: Collection[int]) -> dict[int, str]:
    """The names of the users of those ids; an id without a user is left out."""
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy import select

    return dict(session.execute(select(User.id, User.username).where(User.id.in_(ids))).all())


def end_request_transaction() -> None:
    """End the transaction in which Airflow has read the caller's rights."""
    security_manager().get_session.rollback()


def exempt_from_csrf(app: "Flask", blueprint: Any) -> None:  # noqa: ANN401 - a Blueprint
    """Let programs call ``blueprint`` without a form token, as Airflow does for its own API."""
    app.extensions["csrf"].exempt(blueprint)


def requires_website_access(view: Any) -> Any:  # noqa: ANN401 - a view's method
    """Let in whoever may see Airflow's own pages, and send everybody else to the login."""
    from airflow.www.auth import has_access_view

    return has_access_view()(view)


def show_in_menu(app: "Flask", names: Collection[str]) -> None:
    """Show entries of the menu to the stock roles that see Airflow's documentation there.

    Airflow adds what a stock role lacks of its permissions whenever it synchronises the roles. Auth managers
    other than FAB's have no such roles.
    """
    from airflow.security.permissions import ACTION_CAN_ACCESS_MENU, RESOURCE_DOCS_MENU

    manager = app.appbuilder.sm  # type: ignore[attr-defined]
    manager.ROLE_CONFIGS = [
        config | {"perms": [*config["perms"], *((ACTION_CAN_ACCESS_MENU, name) for name in names)]}
        if (ACTION_CAN_ACCESS_MENU, RESOURCE_DOCS_MENU) in config["perms"]
        else config
        for config in getattr(manager, "ROLE_CONFIGS", [])
    ]


def request_parsing(session: "Session", fileloc: str) -> None:
    """Ask the DAG processor to parse a file before all others."""
    session.merge(DagPriorityParsingRequest(fileloc=fileloc))
