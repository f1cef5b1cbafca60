"""The one place that imports what moves between Airflow versions. Written for 2.11.

Functions import when called: this module is loaded in schedulers and task processes too, which must
not pay for the webserver's libraries.
"""

import json
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from airflow import DAG
from airflow.datasets import Dataset
from airflow.jobs.job import Job
from airflow.models.baseoperator import BaseOperator
from airflow.models.connection import Connection
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagcode import DagCode
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
    from datetime import datetime

    from flask import Flask
    from sqlalchemy.orm import Session

__all__ = [
    "DAG",
    "BaseOperator",
    "Connection",
    "DagCode",
    "DagModel",
    "DagPriorityParsingRequest",
    "DagRun",
    "DagScheduleDatasetReference",
    "DagTag",
    "Dataset",
    "DatasetEvent",
    "DatasetModel",
    "Job",
    "Log",
    "TaskInstance",
    "TaskOutletDatasetReference",
    "get_parsing_context",
]

_Redactable = TypeVar("_Redactable", dict[str, Any], str)


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


def unauthenticated_problem() -> dict[str, Any]:
    """The body of the stock API's 401."""
    from airflow.api_connexion.exceptions import Unauthenticated

    error = Unauthenticated()
    return {"type": error.type, "title": error.title, "status": int(error.status), "detail": error.detail}


def is_refused_run_id(error: Exception) -> bool:
    """Whether Airflow has refused to make a run for the id that was given."""
    from airflow.exceptions import AirflowException

    return isinstance(error, AirflowException) and "run ID" in str(error)


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


def base_url() -> str | None:
    """Where the operator says that Airflow's webserver is reached; None where it is as Airflow comes."""
    from airflow.configuration import conf

    given = str(conf.get("webserver", "base_url", fallback="")).rstrip("/")
    usual = str(conf.get_default_value("webserver", "base_url") or "").rstrip("/")
    return None if given in {"", usual} else given


def login_url(next_url: str) -> str:
    """Where a browser logs in, to come back to ``next_url``, a path with its query."""
    return str(auth_manager().get_url_login(next_url=next_url))


def render_page(template: str, **context: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Render a template of ours that extends ``base_template``, Airflow's own frame of every page."""
    from flask import current_app, render_template

    appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
    return render_template(template, base_template=appbuilder.base_template, appbuilder=appbuilder, **context)


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


def ensure_pool(session: "Session", name: str, slots: int, description: str) -> None:
    """Make the pool, or give it back its slots; a deferred task keeps its own, for what it waits for runs."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    row = session.scalar(select(Pool).where(Pool.pool == name))
    if row is None:
        row = Pool(pool=name, description=description)
        session.add(row)
    row.slots, row.include_deferred = slots, True
    session.flush()


def pools(session: "Session", prefix: str) -> dict[str, tuple[int, bool]]:
    """The pools whose names begin so: their slots, and whether deferred tasks keep theirs."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    wanted = select(Pool.pool, Pool.slots, Pool.include_deferred).where(
        Pool.pool.startswith(prefix, autoescape=True)
    )
    return {name: (slots, bool(deferred)) for name, slots, deferred in session.execute(wanted)}


def has_pool(name: Any, slots: int) -> Any:  # noqa: ANN401 - SQL expressions
    """The condition that there is a pool of that name and size, in which deferred tasks keep their slots."""
    from airflow.models.pool import Pool
    from sqlalchemy import select, true

    fits = select(Pool.id).where(Pool.pool == name, Pool.slots == slots, Pool.include_deferred == true())
    return fits.exists()


# Of task instances that have not begun, so that their slots are not taken yet; None is one of them.
_WAITING = ("scheduled", "up_for_retry", "up_for_reschedule")


def waiting_slots(session: "Session", pool: str) -> list[tuple[str, int]]:
    """The slots that waiting tasks of the pool have written down, by DAG."""
    from sqlalchemy import or_, select

    waiting = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(_WAITING))
    wanted = select(TaskInstance.dag_id, TaskInstance.pool_slots).where(TaskInstance.pool == pool, waiting)
    return [(dag_id, slots) for dag_id, slots in session.execute(wanted.distinct())]


def too_wide(session: "Session", prefix: str, slots: int) -> set[str]:
    """The pools whose names begin so and in which a task waits for more slots than that."""
    from sqlalchemy import select

    wanted = select(TaskInstance.pool).where(
        TaskInstance.state == "scheduled",
        TaskInstance.pool_slots > slots,
        TaskInstance.pool.startswith(prefix, autoescape=True),
    )
    return set(session.scalars(wanted.distinct()))


def set_waiting_slots(session: "Session", pool: str, dag_id: str, slots: int) -> None:
    """Let the waiting tasks of a DAG take that many slots of the pool when they begin."""
    from sqlalchemy import or_, update

    row = TaskInstance.__table__.c
    session.execute(
        update(TaskInstance.__table__)
        .where(row.dag_id == dag_id, row.pool == pool, row.pool_slots != slots)
        .where(or_(row.state.is_(None), row.state.in_(_WAITING)))
        .values(pool_slots=slots)
    )


_UNFINISHED_RUN = ("queued", "running")
# A task that runs, or waits outside of the scheduler, has failed; one that has not begun is skipped.
_BEGUN = ("queued", "running", "restarting", "deferred", "up_for_reschedule")


def end_runs(session: "Session", dag_ids: Collection[str], note: str) -> None:
    """Fail the unfinished runs of the DAGs with what of them is unfinished, and leave a note why.

    No scheduler would do that for a DAG that is gone. Runs are locked first, in the scheduler's own order.
    """
    from airflow.models.dagrun import DagRunNote
    from airflow.utils.timezone import utcnow
    from sqlalchemy import exists, insert, literal, select, update

    run, task, left = DagRun.__table__.c, TaskInstance.__table__.c, DagRunNote.__table__.c
    unfinished = run.dag_id.in_(dag_ids) & run.state.in_(_UNFINISHED_RUN)
    if not session.execute(select(run.id).where(unfinished).with_for_update()).all():
        return
    unnoted = unfinished & ~exists().where(left.dag_run_id == run.id)
    now = utcnow()
    session.execute(
        insert(DagRunNote.__table__).from_select(
            ["dag_run_id", "content", "created_at", "updated_at"],
            select(
                run.id, literal(note), literal(now, left.created_at.type), literal(now, left.created_at.type)
            ).where(unnoted),
        )
    )
    of_these = exists().where(run.dag_id == task.dag_id, run.run_id == task.run_id, unfinished)
    pending = (task.state.is_(None)) | task.state.in_(("scheduled", "up_for_retry"))
    for state, condition in (("failed", task.state.in_(_BEGUN)), ("skipped", pending)):
        session.execute(
            update(TaskInstance.__table__)
            .where(task.dag_id.in_(dag_ids), condition, of_these)
            .values(state=state, end_date=now)
        )
    session.execute(update(DagRun.__table__).where(unfinished).values(state="failed", end_date=now))


def unfinished_dags(session: "Session", filelocs: Collection[str]) -> set[str]:
    """The DAGs of those files that have unfinished runs, also those that are gone from them."""
    from sqlalchemy import select

    wanted = (
        select(DagRun.dag_id)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagRun.state.in_(_UNFINISHED_RUN), DagModel.fileloc.in_(filelocs))
    )
    return set(session.scalars(wanted.distinct()))


def delete_pool(session: "Session", name: str) -> None:
    """Delete the pool, if there is one."""
    from airflow.models.pool import Pool
    from sqlalchemy import delete

    session.execute(delete(Pool).where(Pool.pool == name), execution_options={"synchronize_session": False})


def is_authorized_dag(user: Any, method: str, dag_id: str | None, part: str | None = None) -> bool:  # noqa: ANN401 - the auth manager's own user class
    """Whether the user may do that with a DAG, or all, or a part of it: ``RUN`` or ``TASK_INSTANCE``."""
    from airflow.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    return bool(
        auth_manager().is_authorized_dag(
            method=method,
            access_entity=DagAccessEntity[part] if part else None,
            details=DagDetails(id=dag_id) if dag_id else None,
            user=user,
        )
    )


def with_subdags(dag_ids: Collection[str]) -> set[str]:
    """The DAGs and their SubDAGs, which Airflow lets in by the right to their root."""
    from sqlalchemy import select

    from airflow_platform_plugin.core import db

    if not dag_ids:
        return set()
    dag = DagModel.__table__.c
    with db.transaction() as session:
        subdags = session.execute(select(dag.dag_id, dag.root_dag_id).where(dag.root_dag_id.isnot(None)))
        return {*dag_ids, *(dag_id for dag_id, root in subdags if root in dag_ids)}


def models_of_dags() -> list[Any]:
    """The models each of whose rows belongs to the DAG in its ``dag_id``."""
    from airflow.models.dag import DagOwnerAttributes
    from airflow.models.dagwarning import DagWarning
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.slamiss import SlaMiss
    from airflow.models.taskfail import TaskFail
    from airflow.models.taskinstance import TaskInstanceNote
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.models.taskmap import TaskMap
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.models.xcom import BaseXCom

    return [
        DagRun,
        TaskInstance,
        TaskInstanceHistory,
        TaskInstanceNote,
        RenderedTaskInstanceFields,
        TaskMap,
        TaskFail,
        TaskReschedule,
        BaseXCom,
        SlaMiss,
        DagTag,
        DagOwnerAttributes,
        DagWarning,
    ]


def models_of_datasets() -> tuple[Any, ...]:
    """The models of datasets, of who reads and writes them, and of their events."""
    return (DatasetModel, DatasetEvent, DagScheduleDatasetReference, TaskOutletDatasetReference)


def models_of(statement: Any, known: dict[Any, tuple[Any, ...]]) -> set[Any]:  # noqa: ANN401 - SQLAlchemy's
    """Which of the models, known by their tables, a statement reads anywhere."""
    from sqlalchemy.sql import visitors

    tables = (part for part in visitors.iterate(statement) if part.__visit_name__ == "table")
    return {model for table in tables for model in known.get(table, ())}


def stock_views() -> set[str]:
    """The blueprints of Airflow's own pages."""
    from flask import current_app

    views = current_app.appbuilder.baseviews  # type: ignore[attr-defined]
    return {view.blueprint.name for view in views if type(view).__module__.startswith("airflow.www.")}


def dialect() -> str:
    """The kind of Airflow's database: ``postgresql``, ``mysql`` or ``sqlite``."""
    from airflow import settings

    return str(settings.engine.dialect.name)


def permitted_dag_ids(user: Any, method: str) -> set[str]:  # noqa: ANN401 - the auth manager's own user class
    """The DAGs with which the user may do that."""
    dag_ids: set[str] = auth_manager().get_permitted_dag_ids(methods=[method], user=user)
    return dag_ids


def execute_nested(operator: Any, context: Any) -> Any:  # noqa: ANN401 - a BaseOperator, Airflow's Context
    """Execute an operator as part of another one's task, in the way in which Airflow itself calls it."""
    from airflow.models.base import _sentinel

    return operator.execute(context, **{f"{type(operator).__name__}__sentinel": _sentinel})


def current_context() -> Any:  # noqa: ANN401 - Airflow's Context
    """Of the task that this process executes; None where there is none."""
    from airflow.exceptions import AirflowException
    from airflow.operators.python import get_current_context

    try:
        return get_current_context()
    except AirflowException:
        return None


def triggerer_is_running() -> bool:
    """Whether deferred tasks are watched by somebody."""
    from airflow.jobs.job import most_recent_job

    from airflow_platform_plugin.core import db

    with db.transaction() as session:
        job = most_recent_job("TriggererJob", session=session)
        return job is not None and job.is_alive()


def webserver_dagbag() -> Any:  # noqa: ANN401 - Airflow's DagBag
    """The webserver's DAGs: ``get_dag(dag_id, session=…)`` reads what the DAG processor has stored."""
    from airflow.utils.airflow_flask_app import get_airflow_app

    return get_airflow_app().dag_bag


def database_dagbag() -> Any:  # noqa: ANN401 - Airflow's DagBag
    """The same for a process without an application; it keeps each DAG that it was asked for."""
    from airflow.models.dagbag import DagBag

    return DagBag(read_dags_from_db=True, load_op_links=False)


def request_user_id() -> int | None:
    """The id of this request's user, where it is a number as FAB's are."""
    user_id = auth_manager().get_user_id()
    return int(user_id) if str(user_id).isdecimal() else None


def dump_run(run: Any) -> dict[str, Any]:  # noqa: ANN401 - Airflow's DagRun
    """A run as Airflow's own API answers it."""
    from airflow.api_connexion.schemas.dag_run_schema import dagrun_schema

    dumped: dict[str, Any] = dagrun_schema.dump(run)
    return dumped


def redact(value: _Redactable) -> _Redactable:
    """The same, with what Airflow takes for secret by its name, or knows to be, made unreadable."""
    from airflow.utils.log.secrets_masker import redact as airflow_redact

    redacted: _Redactable = airflow_redact(value)
    return redacted


def mask_secrets(values: Any) -> None:  # noqa: ANN401 - any JSON
    """Let no log of this process show the values: texts of a list, and of objects what is named a secret."""
    from airflow.utils.log.secrets_masker import mask_secret

    mask_secret(values)


def hook_class(connection_type: str) -> tuple[Any, str]:
    """The class of the type's hook, or None, and its argument that takes a connection's name."""
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.module_loading import import_string

    found = ProvidersManager().hooks.get(connection_type)
    if found is None or not found.hook_class_name:
        return None, ""
    return import_string(found.hook_class_name), found.connection_id_attribute_name


def airflow_service_urls() -> tuple[str, ...]:
    """Where Airflow itself keeps things: its database, which comes first, its broker and its results."""
    from airflow import settings
    from airflow.configuration import conf

    celery = (conf.get("celery", name, fallback=None) for name in ("broker_url", "result_backend"))
    return (settings.SQL_ALCHEMY_CONN or "", *(url for url in celery if url))


def is_claimed(connection_id: str) -> bool:
    """Whether the environment or a secrets backend has a connection of that name, which comes first.

    Raises:
        Exception: a backend cannot be asked.
    """
    from airflow.configuration import ensure_secrets_loaded
    from airflow.secrets.metastore import MetastoreBackend

    def has(backend: Any) -> bool:  # noqa: ANN401 - Airflow's BaseSecretsBackend
        try:
            return backend.get_conn_value(conn_id=connection_id) is not None
        except NotImplementedError:  # some have connections and no text of them
            return backend.get_connection(conn_id=connection_id) is not None

    return any(
        has(backend) for backend in ensure_secrets_loaded() if not isinstance(backend, MetastoreBackend)
    )


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
    """Ask the DAG processor to parse a file before all others, if nobody has asked for it already."""
    from airflow_platform_plugin.core import db

    db.insert_absent(
        session.connection(),
        DagPriorityParsingRequest.__table__,
        [{"fileloc": fileloc}],
    )


def force_serialization(session: "Session", dag_id: str) -> None:
    """Let the DAG processor store the DAG for the scheduler at the next parsing.

    Unless it is told that the last time was long ago, it does not within
    ``[core] min_serialized_dag_update_interval``. Nothing else depends on that time: whoever keeps a DAG in
    memory compares hashes too.
    """
    from datetime import datetime, timezone

    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import update

    session.execute(
        update(SerializedDagModel)
        .where(SerializedDagModel.dag_id == dag_id)
        .values(last_updated=datetime(2000, 1, 1, tzinfo=timezone.utc))
        .execution_options(synchronize_session=False)
    )


@lru_cache(maxsize=1000)
def timetable(schedule: str, offset: timedelta) -> Any:  # noqa: ANN401 - a Timetable
    """What Airflow makes of a valid cron line or preset, for a DAG that begins at that UTC offset.

    One for all DAGs that have it: each new one describes its line in words and is checked, which takes about
    as long as all else of a DAG.
    """
    from airflow.models.dag import create_timetable
    from airflow.utils.timezone import utc
    from pendulum import FixedTimezone

    made = create_timetable(schedule, FixedTimezone(int(offset.total_seconds())) if offset else utc)
    made.validate()
    return made


def serialize(dag: DAG) -> dict[str, Any]:
    """The document that the DAG processor stores of a DAG for the scheduler."""
    from airflow.serialization.serialized_objects import SerializedDAG

    document: dict[str, Any] = SerializedDAG.to_dict(dag)
    return document


def cron_presets() -> dict[str, str]:
    """What ``@daily`` and its like stand for."""
    from airflow.utils.dates import cron_presets as presets

    return dict(presets)


def next_runs(session: "Session", dag: DAG, count: int) -> list["datetime"]:
    """When the DAG's timetable starts its next runs, after the scheduled ones that there have been."""
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.utils.timezone import coerce_datetime
    from sqlalchemy import select

    last = session.execute(
        select(DagRun.data_interval_start, DagRun.data_interval_end)
        .where(DagRun.dag_id == dag.dag_id, DagRun.run_type == "scheduled")
        .order_by(DagRun.execution_date.desc())
        .limit(1)
    ).first()
    interval = None
    if last is not None and last.data_interval_end is not None:
        interval = DataInterval(*map(coerce_datetime, last))
    restriction = TimeRestriction(coerce_datetime(dag.start_date), None, dag.catchup)
    found: list[datetime] = []
    while len(found) < count:
        info = dag.timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction)
        if info is None:
            break
        found.append(info.run_after)
        interval = info.data_interval
    return found


def pause_dag(session: "Session", dag_id: str, *, paused: bool) -> None:
    """Pause the DAG, or let it run on, if Airflow knows it already."""
    _update_dag(session, dag_id, is_paused=paused)


def deactivate_dag(session: "Session", dag_id: str) -> None:
    """Let the scheduler take the DAG for one whose file is gone."""
    _update_dag(session, dag_id, is_active=False)


def _update_dag(session: "Session", dag_id: str, **values: bool) -> None:
    from sqlalchemy import update

    session.execute(
        update(DagModel)
        .where(DagModel.dag_id == dag_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def dag_row(session: "Session", dag_id: str) -> Any:  # noqa: ANN401 - a row
    """What Airflow knows of a DAG, or None."""
    from sqlalchemy import select

    columns = (
        DagModel.is_active,
        DagModel.is_paused,
        DagModel.last_parsed_time,
        DagModel.next_dagrun_create_after,
    )
    return session.execute(select(*columns).where(DagModel.dag_id == dag_id)).first()


def last_runs(session: "Session", dag_id: str, count: int) -> list[Any]:
    """The newest runs of a DAG."""
    from sqlalchemy import select

    columns = (
        DagRun.run_id,
        DagRun.state,
        DagRun.run_type,
        DagRun.execution_date,
        DagRun.start_date,
        DagRun.end_date,
    )
    newest = select(*columns).where(DagRun.dag_id == dag_id).order_by(DagRun.execution_date.desc())
    return list(session.execute(newest.limit(count)))


def serialized_doc(session: "Session", dag_id: str) -> str:
    """The documentation of the DAG as the scheduler has it; empty where it has none."""
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import select

    row = session.scalar(select(SerializedDagModel).where(SerializedDagModel.dag_id == dag_id))
    return "" if row is None else str(row.data["dag"].get("doc_md") or "")


def import_error(session: "Session", files: Collection[str]) -> str | None:
    """The traceback of one of those files that Airflow could not import, or None."""
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    broken = select(ParseImportError.stacktrace).where(ParseImportError.filename.in_(files)).limit(1)
    return session.scalar(broken) if files else None


def xcom(session: "Session", dag_id: str, run_id: str, task_id: str, key: str) -> Any:  # noqa: ANN401 - any value
    """What a task has left under a key, or None."""
    from airflow.models.xcom import XCom

    return XCom.get_value(ti_key=_ti_key(dag_id, task_id, run_id), key=key, session=session)


def _ti_key(dag_id: str, task_id: str, run_id: str) -> Any:  # noqa: ANN401 - Airflow's
    from airflow.models.taskinstancekey import TaskInstanceKey

    return TaskInstanceKey(dag_id=dag_id, task_id=task_id, run_id=run_id)
