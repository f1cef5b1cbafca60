"""The one place that imports what moves between Airflow versions. Written for 2.11.

Functions import when called: this module is loaded in schedulers and task processes too, which must
not pay for the webserver's libraries.
"""

import json
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from airflow import DAG
from airflow.hooks.subprocess import SubprocessHook
from airflow.jobs.job import Job
from airflow.models.baseoperator import BaseOperator
from airflow.models.connection import Connection
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
    "Connection",
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


def permissions(user: Any) -> set[tuple[str, str]]:  # noqa: ANN401 - the auth manager's own user class
    """What the user's roles allow, as FAB has it: ``("can_read", "Website")``."""
    held: set[tuple[str, str]] = user.perms
    return held


def user_by_id(user_id: int) -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user of that id, or None."""
    return security_manager().get_user_by_id(user_id)


def active_user(user_id: int) -> Any:  # noqa: ANN401 - the auth manager's own user class
    """The user of that id, or None where there is none or an inactive one."""
    user = user_by_id(user_id)
    return user if user is not None and user.is_active else None


def login_url(next_url: str) -> str:
    """Where a browser logs in, to come back to ``next_url``, a path with its query."""
    return str(auth_manager().get_url_login(next_url=next_url))


def render_page(template: str, **context: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Render a template of ours that extends ``base_template``, Airflow's own frame of every page."""
    from flask import current_app, render_template

    appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
    return render_template(template, base_template=appbuilder.base_template, appbuilder=appbuilder, **context)


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


def readable_dag_ids() -> set[str]:
    """The DAGs that this request's caller may read; none for nobody."""
    from sqlalchemy import inspect

    user = request_user()
    if user is None:
        return set()
    # Read again: a stock endpoint that failed has closed the session that the user was read in.
    user = user_by_id(inspect(user).identity[0])
    set_request_user(user)
    dag_ids: set[str] = auth_manager().get_permitted_dag_ids(methods=["GET"], user=user)
    return dag_ids


def serialized_dags(
    session: "Session", dag_ids: Collection[str], *, containing: str
) -> "Iterator[tuple[str, dict[str, Any]]]":
    """Of those DAGs what Airflow keeps of their files, of each in which the text may be."""
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import Text, cast, or_, select

    kept = SerializedDagModel
    text = json.dumps(containing)[1:-1]
    compressed = kept._data_compressed.isnot(None)  # noqa: SLF001 - the columns behind data
    plain = cast(kept._data, Text).contains(text, autoescape=True)  # noqa: SLF001
    wanted = select(kept).where(kept.dag_id.in_(dag_ids), or_(compressed, plain)).order_by(kept.dag_id)
    for row in session.scalars(wanted):
        yield row.dag_id, row.data


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


def on_login(app: "Flask", welcome: Callable[[int, str, str], None]) -> None:
    """Call ``welcome`` with id, name and address of each user who logs in."""
    from flask_login import user_logged_in

    def logged_in(_sender: object, user: Any, **_: Any) -> None:  # noqa: ANN401 - the auth manager's user
        welcome(user.id, user.username, user.email)

    user_logged_in.connect(logged_in, app, weak=False)


def ensure_pool(session: "Session", name: str, slots: int, description: str) -> None:
    """Make the pool, or give it back its slots."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    row = session.scalar(select(Pool).where(Pool.pool == name))
    if row is None:
        session.add(Pool(pool=name, slots=slots, description=description, include_deferred=False))
    elif row.slots != slots:
        row.slots = slots
    session.flush()


def delete_pool(session: "Session", name: str) -> None:
    """Delete the pool, if there is one."""
    from airflow.models.pool import Pool
    from sqlalchemy import delete

    session.execute(delete(Pool).where(Pool.pool == name), execution_options={"synchronize_session": False})


def redact(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with what Airflow takes for secrets by their names made unreadable."""
    from airflow.utils.log.secrets_masker import redact as airflow_redact

    redacted: dict[str, Any] = airflow_redact(values)
    return redacted


def hook_of(connection_type: str) -> tuple[Any, str]:
    """The class of the type's hook, or None, and its argument that takes a connection's name."""
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.module_loading import import_string

    found = ProvidersManager().hooks.get(connection_type)
    if found is None or not found.hook_class_name:
        return None, ""
    return import_string(found.hook_class_name), found.connection_id_attribute_name


def may_test_connections() -> bool:
    """Whether the operator lets users test connections from the webserver; not by default."""
    from airflow.configuration import conf

    return str(conf.get("core", "test_connection", fallback="Disabled")).strip().lower() == "enabled"


def secret_names() -> frozenset[str]:
    """The words in a field's name that tell that its value is secret; Airflow's own and the operator's."""
    from airflow.utils.log.secrets_masker import get_sensitive_variables_fields

    return frozenset(get_sensitive_variables_fields())


def end_request_transaction() -> None:
    """End the transaction in which Airflow has read the caller's rights."""
    security_manager().get_session.rollback()


def exempt_from_csrf(app: "Flask", blueprint: Any) -> None:  # noqa: ANN401 - a Blueprint
    """Let programs call ``blueprint`` without a form token, as Airflow does for its own API."""
    app.extensions["csrf"].exempt(blueprint)


def request_parsing(session: "Session", fileloc: str) -> None:
    """Ask the DAG processor to parse a file before all others."""
    session.merge(DagPriorityParsingRequest(fileloc=fileloc))
