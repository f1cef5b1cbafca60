"""A filter on the queries of Airflow's own views, so that they find only rows of the caller's DAGs.

Some stock code does not ask the auth manager about DAGs, or reads an empty list of permitted DAGs as no
condition. The filter applies to every caller who may not read all DAGs, with a key, a token, a password or a
session.
"""

import json
from collections.abc import Callable, Collection
from functools import cache, cached_property, partial
from typing import cast

from flask import Flask, Response, current_app, has_request_context, redirect, request, url_for
from sqlalchemy import bindparam, event, func, or_, select, text
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import Model, User
from airflow_platform_plugin.auth import row_conditions
from airflow_platform_plugin.auth.dag_limit import PermittedDags, current_limit
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.dag_ids import DagIds
from airflow_platform_plugin.core.memberships import memberships_of
from airflow_platform_plugin.core.types import Option, TableColumn
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.http.request_state import current_principal

# By model, what builds the condition on the rows that a caller may see; few models are in one request.
Conditions = dict[Model, Callable[[], ColumnElement[bool]]]


class RowFilter:
    """The filter of one request.

    Attributes:
        suspended: whether the auth manager is being asked; its own queries see all rows.
    """

    def __init__(self) -> None:
        self.suspended = False
        self._user: User = None  # basic authentication recognizes the caller during the request
        self._recognized: tuple[User, User] = (None, None)  # as Airflow keeps it, when ``_user`` was set
        self._reads_all_dags = False
        self._tenant_ids: frozenset[str] = frozenset()  # the user's
        self._limited = False  # the credential has a limit, or the user belongs to a tenant
        self._dag_ids: Collection[str] | None = None
        self._conditions: Conditions = {}
        self._options: dict[Model, Option] = {}

    def apply(self, state: ORMExecuteState) -> None:
        """Limit a query to the rows that the current caller may see."""
        self.suspended = True
        try:
            if not self._is_recognized() and _can_ask_now():
                self._set_user(airflow_compat.users.refresh_user(airflow_compat.users.current_user()))
                if self._reads_all_dags:
                    return  # without a look at the statement, which takes longer
            dag_id = airflow_compat.authorization.dag_of_tags(state)
            models: set[Model] = {airflow_compat.models.DagTag}
            if dag_id is None:
                models = airflow_compat.authorization.models_of(state.statement, self._models)
            if models:
                self._set_user(airflow_compat.users.refresh_user(airflow_compat.users.current_user()))
            if models and not self._reads_all_dags and (dag_id is None or not self._may_read(dag_id)):
                state.statement = state.statement.options(*self._options_for(models, state))
        finally:
            self.suspended = False

    @cached_property
    def _models(self) -> dict[Model, tuple[Model, ...]]:
        """The models to filter by their tables."""
        return _filtered_models() | row_conditions.tables_of_page()

    def passes_all(self) -> bool:
        """Return whether it is known that the current caller may see all rows."""
        return self._reads_all_dags and self._is_recognized()

    def _is_recognized(self) -> bool:
        """Return whether the caller is still the user of the last query."""
        session_user, other_user = airflow_compat.users.recognized_users()
        return session_user is self._recognized[0] and other_user is self._recognized[1]

    def _set_user(self, user: User) -> None:
        self._recognized = airflow_compat.users.recognized_users()
        if user is self._user:
            return
        self._reads_all_dags = _may_read_all_dags(user)
        self._tenant_ids = frozenset(memberships_of(user).roles)
        self._limited = bool(current_limit()) or bool(self._tenant_ids)
        self._conditions, self._options, self._dag_ids = {}, {}, None
        self._user = user

    def _may_read(self, dag_id: str) -> bool:
        """Return whether the caller may see the rows of one DAG, with no query for each DAG of a list.

        A list reads the tags of each of its DAGs. SQLite would look for all of the caller's DAGs each time;
        the auth manager finds the owners of the whole list with one query.
        """
        if self._tenant_ids and self._dag_ids is None:
            self._dag_ids = self._ask_for_dag_ids()
        if isinstance(self._dag_ids, DagIds) and self._dag_ids.is_known(dag_id):
            return True
        return any(
            airflow_compat.authorization.is_authorized_dag(self._user, method, dag_id)
            for method in _methods()
        )

    def _ask_for_dag_ids(self) -> Collection[str]:
        with db.transaction() as session:
            # With our session: the auth manager closes its own, which the stock view may be using.
            dag_ids: Collection[str] = airflow_compat.users.auth_manager().get_permitted_dag_ids(
                user=self._user, methods=_methods(), session=session
            )
            if not isinstance(dag_ids, DagIds):
                dag_ids = airflow_compat.authorization.with_subdags(session, dag_ids)
        return dag_ids

    def _options_for(self, models: set[Model], state: ORMExecuteState) -> list[Option]:
        if not self._limited:
            if request.blueprint == "PoolModelView":
                return []  # whose numbers count all tasks
            # For other users, Airflow's permission to read datasets decides about datasets and their rows.
            models = (
                set()
                if state.is_relationship_load
                else models - {*airflow_compat.authorization.models_of_datasets()}
            )
        if models and not self._conditions:
            if self._dag_ids is None:
                self._dag_ids = self._ask_for_dag_ids()
            self._conditions = _build_conditions(self._dag_ids, limited=self._limited)
            if self._tenant_ids:
                self._conditions |= row_conditions.pool_condition(self._tenant_ids)
        for model in models - set(self._options):
            if model in self._conditions:
                self._options[model] = with_loader_criteria(
                    model, self._conditions[model](), include_aliases=True
                )
        return [self._options[model] for model in models if model in self._options]


def _can_ask_now() -> bool:
    """Return whether the auth manager can be asked about the caller at any query, and answers at once.

    The caller must be known without a key, since a key's limits may be suspended at this moment. And this may
    be the query that reads the caller's permissions.
    """
    if current_principal() is not None:
        return False
    user = airflow_compat.users.request_user()
    return user is not None and airflow_compat.users.has_read_permissions(user)


def _methods() -> list[str]:
    """Return what the caller must be allowed to do with a DAG whose rows this request may find.

    To clear a task clears tasks of other DAGs too, which an ``ExternalTaskMarker`` names.
    """
    reads = request.method in responses.SAFE_METHODS or row_conditions.only_reads(str(request.endpoint))
    return ["GET", "PUT"] if reads else ["PUT"]


def install(app: Flask) -> None:
    """Listen to the queries of all sessions, and keep filtered rows out of what Airflow's pages cache."""
    airflow_compat.web.read_dag_dependencies_anew(app, lambda: not _may_read_all_dags())
    if not event.contains(Session, "do_orm_execute", _filter_query):
        event.listen(Session, "do_orm_execute", _filter_query)


def begin_request() -> Response | None:
    """Turn the filter on for a request to a stock view; a hook before each request."""
    state = request_state.current()
    state.remove(RowFilter)
    state.remove(PermittedDags)
    if request.blueprint in _filtered_blueprints():
        state.put(RowFilter())
        state.put(PermittedDags())
        if request.endpoint == "Airflow.graph":
            return _redirect_from_graph(str((request.view_args or {}).get("dag_id")))
    return None


def _may_read_all_dags(user: User = None) -> bool:
    manager = airflow_compat.users.auth_manager()
    asked = user or airflow_compat.users.current_user()
    return any(manager.is_authorized_dag(method=method, user=asked) for method in ("GET", "PUT"))


def _redirect_from_graph(dag_id: str) -> Response | None:
    """Redirect from Airflow's old graph page, which shows without a check which DAGs exist."""
    if airflow_compat.authorization.is_authorized_dag(airflow_compat.users.current_user(), "GET", dag_id):
        return None
    return cast("Response", redirect(url_for("Airflow.grid", dag_id=dag_id, tab="graph")))


def _filtered_blueprints() -> frozenset[str]:
    """Return the names of Airflow's own blueprints."""
    known: frozenset[str] | None = current_app.extensions.get("platform_filtered_blueprints")
    if known is None:
        known = frozenset({*responses.STOCK_BLUEPRINTS, *airflow_compat.web.stock_views()})
        current_app.extensions["platform_filtered_blueprints"] = known
    return known


def _filter_query(state: ORMExecuteState) -> None:
    # This runs at every query of every session. So what is cheap and ends most calls comes first.
    if not has_request_context():
        return
    row_filter = request_state.current().find(RowFilter)
    if row_filter is None or row_filter.suspended or row_filter.passes_all():
        return
    if isinstance(state.statement, FunctionElement):
        state.statement = select(state.statement)  # a bare ``count(...)`` takes no condition
    if state.is_select and not state.is_column_load:
        row_filter.apply(state)


@cache
def _filtered_models() -> dict[Model, tuple[Model, ...]]:
    """Return the models to filter by their table; a query of one dataset table filters all of them."""
    datasets = (
        *airflow_compat.authorization.models_of_datasets(),
        *airflow_compat.authorization.models_of_dataset_aliases()[:2],
    )
    single = [
        *airflow_compat.authorization.models_of_dags(),
        airflow_compat.models.DagCode,
        airflow_compat.models.Log,
    ]
    return {model.__table__: (model,) for model in single} | {model.__table__: datasets for model in datasets}


def _build_conditions(dag_ids: Collection[str], *, limited: bool) -> Conditions:
    """Return the conditions for a caller who may read those DAGs."""
    conditions = _dag_conditions(dag_ids)
    conditions |= row_conditions.conditions_of_page(partial(_is_one_of, dag_ids=dag_ids))
    if limited or dag_ids:
        # A user who may read the audit log and no DAG at all is an auditor, and sees all of it.
        audit_log = airflow_compat.models.Log
        conditions[audit_log] = partial(_is_one_of, audit_log.dag_id, dag_ids)
    if limited and request.method in responses.SAFE_METHODS:
        conditions |= _dataset_conditions(dag_ids)
        conditions |= row_conditions.alias_conditions(partial(_is_one_of, dag_ids=dag_ids))
    return conditions


def _is_one_of(column: TableColumn, dag_ids: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column is one of the DAGs, of any number."""
    if isinstance(dag_ids, DagIds):
        return cast("ColumnElement[bool]", column.in_(dag_ids))
    if airflow_compat.database.dialect() == "sqlite":  # it limits the number of values in a statement
        values = func.json_each(bindparam("platform_dag_ids", json.dumps(sorted(dag_ids))))
        return cast("ColumnElement[bool]", column.in_(select(text("value")).select_from(values)))
    return cast(
        "ColumnElement[bool]", column.in_(bindparam("platform_dag_ids", sorted(dag_ids), expanding=True))
    )


def _dag_conditions(dag_ids: Collection[str]) -> Conditions:
    """Return the conditions on rows that belong to a DAG.

    ``DagModel`` is not filtered: stock code reads all DAGs of a file, and shows it only to users who may read
    each of them. Serialized DAGs are not filtered either, since the webserver caches them for all callers.
    """
    conditions: Conditions = {
        model: partial(_is_one_of, model.dag_id, dag_ids)
        for model in airflow_compat.authorization.models_of_dags()
    }
    dag = airflow_compat.models.DagModel.__table__.c
    code = airflow_compat.models.DagCode
    conditions[code] = lambda: code.fileloc.in_(select(dag.fileloc).where(_is_one_of(dag.dag_id, dag_ids)))
    return conditions


def _dataset_conditions(dag_ids: Collection[str]) -> Conditions:
    """Return the conditions on rows about datasets: one of the DAGs must read or write the dataset."""
    dataset, dataset_event = airflow_compat.models.DatasetModel, airflow_compat.models.DatasetEvent
    consumer = airflow_compat.models.DagScheduleDatasetReference
    producer = airflow_compat.models.TaskOutletDatasetReference

    def is_visible(dataset_id: TableColumn) -> ColumnElement[bool]:
        tables = (consumer.__table__.c, producer.__table__.c)
        return or_(
            *(dataset_id.in_(select(t.dataset_id).where(_is_one_of(t.dag_id, dag_ids))) for t in tables)
        )

    def is_visible_event() -> ColumnElement[bool]:
        source = dataset_event.source_dag_id
        # An event that came by the REST API has no source DAG.
        return or_(_is_one_of(source, dag_ids), source.is_(None)) & is_visible(dataset_event.dataset_id)

    return {
        consumer: partial(_is_one_of, consumer.dag_id, dag_ids),
        producer: partial(_is_one_of, producer.dag_id, dag_ids),
        dataset: partial(is_visible, dataset.id),
        dataset_event: is_visible_event,
    }
