"""Which DAGs a caller's requests reach: a credential's limit, and rows of other DAGs.

Every check of a DAG in Airflow's webserver goes through two of the auth manager's methods; a credential's
limit is laid over both, whatever auth manager is configured. Stock code that asks neither, or takes an empty
list of permitted DAGs for no condition, would still show rows of other DAGs. So the queries of stock views
find none of them for a caller who may not read all DAGs, whether it came with a key, a token, a password or
a session.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from flask import Response, current_app, has_request_context, redirect, request, url_for
from sqlalchemy import bindparam, event, func, or_, select, text
from sqlalchemy.orm import Session, with_loader_criteria

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import airflow_operations
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import tenant_tag
from airflow_platform_plugin.core.principal import DagLimit, in_any_tenant
from airflow_platform_plugin.http import request_state, responses
from airflow_platform_plugin.http.request_state import current_principal

# In one query; a key of before lists were limited may have more.
_MOST_TAGS = 500


class LimitedToDags:
    """The two methods that a credential's limit changes, in front of the auth manager's own."""

    def is_authorized_dag(self, **asked: Any) -> bool:  # noqa: ANN401 - BaseAuthManager's keywords
        """Never more than the credential's DAGs; without one in question, not all DAGs."""
        limits, details = _limits(), asked.get("details")
        if limits:
            if details is not None and details.id:
                if not _allowed(limits, [details.id]):
                    return False
            elif asked.get("access_entity") is None:
                return details is not None and self._may_list_dags()
        if super().is_authorized_dag(**asked):  # type: ignore[misc]  # the auth manager's
            return True
        listing = details is not None and not details.id and asked.get("access_entity") is None
        return listing and asked.get("method") == "GET" and self._may_list_dags()

    def _may_list_dags(self) -> bool:
        """Whether this is a list of DAGs, by somebody who has none yet, but may read those to come.

        The list itself goes by ``get_permitted_dag_ids``. Airflow refuses it to whoever has no DAG.
        """
        if not has_request_context() or request.blueprint not in responses.STOCK_BLUEPRINTS:
            return False
        if airflow_operations.operation_id(str(request.endpoint)) != "get_dags":
            return False
        user = airflow_compat.users.current_user()
        if in_any_tenant(user):
            return True
        with _unlimited():
            everything = super().is_authorized_dag(method="GET", user=user)  # type: ignore[misc]  # as above
            some = super().get_permitted_dag_ids(methods=["GET"], user=user)  # type: ignore[misc]
        return bool(everything or some)

    def get_permitted_dag_ids(self, **asked: Any) -> set[str]:  # noqa: ANN401 - the same
        """Those of the user's DAGs that the credential is for; in a stock view the database is read once."""
        limits = _limits()
        current = request_state.current().find(_Filter) if has_request_context() else None
        known = current.permitted if current is not None else {}
        user = asked.get("user") or airflow_compat.users.current_user()
        question = (user.get_id(), frozenset(asked.get("methods") or ("GET", "PUT")))
        if question not in known:
            with _unlimited():
                ids: set[str] = super().get_permitted_dag_ids(**asked)  # type: ignore[misc]
            known[question] = _allowed(limits, ids)
        return set(known[question])


def install(manager: Any) -> None:  # noqa: ANN401 - any auth manager
    """Lay the limit over the running auth manager, and the filter over all sessions."""
    own = type(manager)
    if not issubclass(own, LimitedToDags):
        manager.__class__ = type(own.__name__, (LimitedToDags, own), {})
    if not event.contains(Session, "do_orm_execute", _filter_rows):
        event.listen(Session, "do_orm_execute", _filter_rows)


@dataclass
class _Lookups:
    """What one request knows of DAG limits: whether they are suspended, and DAGs by their tags."""

    suspended: bool = False
    tagged: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)


def _lookups() -> _Lookups:
    state = request_state.current()
    found = state.find(_Lookups)
    if found is None:
        found = _Lookups()
        state.put(found)
    return found


def _limits() -> list[DagLimit]:
    """The limits of this request's credential; a DAG must be within each."""
    principal = None
    if has_request_context() and not _lookups().suspended:
        principal = current_principal()
    credential = principal.credential if principal is not None else None
    if credential is None:
        return []
    limits = list(credential.dags)
    if credential.tenant_id is not None:
        limits.append(DagLimit(tags=(tenant_tag(credential.tenant_id),)))
    return limits


@contextmanager
def _unlimited() -> Iterator[None]:
    """Let the auth manager look at the user alone; it may call its own methods."""
    if not has_request_context():
        yield
        return
    lookups = _lookups()
    before, lookups.suspended = lookups.suspended, True
    try:
        yield
    finally:
        lookups.suspended = before


def _allowed(limits: list[DagLimit], dag_ids: Iterable[str]) -> set[str]:
    """Those of ``dag_ids`` that are within each limit."""
    return {dag_id for dag_id in dag_ids if all(_within(limit, dag_id) for limit in limits)}


def _within(limit: DagLimit, dag_id: str) -> bool:
    return limit.patterns.match(dag_id) or (bool(limit.tags) and dag_id in _tagged(limit.tags))


def _tagged(tags: tuple[str, ...]) -> frozenset[str]:
    """The DAGs with one of the tags: one query in a request."""
    known = _lookups().tagged
    if tags not in known:
        tag = airflow_compat.models.DagTag.__table__.c  # not the class, whose rows are filtered
        with db.transaction() as session:
            known[tags] = frozenset(
                dag_id
                for start in range(0, len(tags), _MOST_TAGS)
                for dag_id in session.scalars(
                    select(tag.dag_id).where(tag.name.in_(tags[start : start + _MOST_TAGS]))
                )
            )
    return known[tags]


# --- rows ---


class _Filter:
    """The filter of one request, made for whoever turns out to call.

    Attributes:
        asking: whether the auth manager is being asked, whose own queries see everything.
        permitted: what the auth manager has answered so far, by the user and the methods it was asked about.
    """

    def __init__(self) -> None:
        self.asking = False
        self.permitted: dict[tuple[Any, frozenset[str]], set[str]] = {}
        self._user: Any = None  # basic authentication recognises the caller in mid-request
        self._everything = False  # the caller may read all DAGs
        self._limited = False  # the credential is limited, or the caller belongs to a tenant
        self._options: dict[Any, Any] = {}
        self._rules: dict[Any, Any] = {}

    def narrow(self, state: Any) -> None:  # noqa: ANN401 - SQLAlchemy's ORMExecuteState
        """Let a query find the rows of this moment's caller."""
        self.asking = True
        try:
            if self._everything and airflow_compat.users.current_user() is self._user:
                return
            models = airflow_compat.authorization.models_of(state.statement, _filtered_models())
            if models:
                self._look_at(airflow_compat.users.refresh_user(airflow_compat.users.current_user()))
            if models and not self._everything:
                state.statement = state.statement.options(*self._options_for(models, state))
        finally:
            self.asking = False

    def _look_at(self, user: Any) -> None:  # noqa: ANN401 - the auth manager's own user class
        if user is self._user:
            return
        manager = airflow_compat.users.auth_manager()
        self._everything = any(manager.is_authorized_dag(method=each, user=user) for each in ("GET", "PUT"))
        self._limited = bool(_limits()) or in_any_tenant(user)
        self._rules, self._options = {}, {}
        self._user = user

    def _options_for(self, models: set[Any], state: Any) -> list[Any]:  # noqa: ANN401 - as above
        if not self._limited:
            # To others, Airflow shows datasets, and what hangs on them, by the permission to read datasets.
            models = (
                set()
                if state.is_relationship_load
                else models - {*airflow_compat.authorization.models_of_datasets()}
            )
        if models and not self._rules:
            permitted = airflow_compat.users.auth_manager().get_permitted_dag_ids(user=self._user)
            with db.transaction() as session:
                dag_ids = airflow_compat.authorization.with_subdags(session, permitted)
            self._rules = _rules(dag_ids, limited=self._limited)
        for model in models - set(self._options):
            if model in self._rules:
                rule = with_loader_criteria(model, self._rules[model], include_aliases=True)
                self._options[model] = rule
        return [self._options[model] for model in models if model in self._options]


def filter_rows() -> Response | None:
    """From now on in this request, if it is for a stock view, find no rows that its caller may not read."""
    state = request_state.current()
    state.remove(_Filter)
    if request.blueprint in _filtered_blueprints():
        state.put(_Filter())
        if request.endpoint == "Airflow.graph":
            return _instead_of_graph(str((request.view_args or {}).get("dag_id")))
    return None


def _instead_of_graph(dag_id: str) -> Response | None:
    """The page to which Airflow's old one leads, whose check it lacks: it tells which DAGs there are."""
    if airflow_compat.authorization.is_authorized_dag(airflow_compat.users.current_user(), "GET", dag_id):
        return None
    return cast("Response", redirect(url_for("Airflow.grid", dag_id=dag_id, tab="graph")))


def _filtered_blueprints() -> frozenset[str]:
    """The names of Airflow's own blueprints, but for pools, whose numbers count everybody's tasks."""
    known: frozenset[str] | None = current_app.extensions.get("platform_filtered_blueprints")
    if known is None:
        known = frozenset(
            {*responses.STOCK_BLUEPRINTS, *airflow_compat.web.stock_views()} - {"PoolModelView"}
        )
        current_app.extensions["platform_filtered_blueprints"] = known
    return known


def _filter_rows(state: Any) -> None:  # noqa: ANN401 - SQLAlchemy's ORMExecuteState
    if state.is_select and not state.is_column_load and has_request_context():
        current = request_state.current().find(_Filter)
        if current is not None and not current.asking:
            current.narrow(state)


@cache
def _filtered_models() -> dict[Any, tuple[Any, ...]]:
    """By table the models to filter; one dataset's rows lead to all others about it."""
    datasets = airflow_compat.authorization.models_of_datasets()
    single = [
        *airflow_compat.authorization.models_of_dags(),
        airflow_compat.models.DagCode,
        airflow_compat.models.Log,
    ]
    return {model.__table__: (model,) for model in single} | {model.__table__: datasets for model in datasets}


def _rules(dag_ids: Collection[str], *, limited: bool) -> dict[Any, Any]:
    """By model, what rows must fulfil for somebody who may read those DAGs."""
    rows = _of_dags(dag_ids)
    if limited or dag_ids:
        # Somebody who may read the audit log, and no DAG at all, is an auditor of the whole.
        rows[airflow_compat.models.Log] = _among(airflow_compat.models.Log.dag_id, dag_ids)
    if limited and request.method in responses.SAFE_METHODS:
        rows |= _of_datasets(dag_ids)
    return rows


def _among(column: Any, dag_ids: Collection[str]) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """The condition that a column is one of the DAGs, however many there are."""
    if airflow_compat.database.dialect() == "sqlite":  # which takes only so many values in a statement
        values = func.json_each(bindparam("platform_dag_ids", json.dumps(sorted(dag_ids))))
        return column.in_(select(text("value")).select_from(values))
    return column.in_(bindparam("platform_dag_ids", sorted(dag_ids), expanding=True))


def _of_dags(dag_ids: Collection[str]) -> dict[Any, Any]:
    """What rows must fulfil to be of those DAGs.

    ``DagModel`` is not among them: stock code asks for all DAGs of a file, to show it to nobody who may not
    read each of them. Nor are the serialised DAGs, which the webserver keeps for all its callers.
    """
    rows = {model: _among(model.dag_id, dag_ids) for model in airflow_compat.authorization.models_of_dags()}
    dag = airflow_compat.models.DagModel.__table__.c
    code = airflow_compat.models.DagCode
    rows[code] = code.fileloc.in_(select(dag.fileloc).where(_among(dag.dag_id, dag_ids)))
    return rows


def _of_datasets(dag_ids: Collection[str]) -> dict[Any, Any]:
    """What rows about datasets must fulfil; visible is a dataset that one of the DAGs reads or writes."""
    dataset, dataset_event = airflow_compat.models.DatasetModel, airflow_compat.models.DatasetEvent
    consumer = airflow_compat.models.DagScheduleDatasetReference
    producer = airflow_compat.models.TaskOutletDatasetReference

    def visible(dataset_id: Any) -> Any:  # noqa: ANN401 - a column
        tables = (consumer.__table__.c, producer.__table__.c)
        return or_(*(dataset_id.in_(select(t.dataset_id).where(_among(t.dag_id, dag_ids))) for t in tables))

    # No DAG has caused the event where it came by the REST API.
    caused = or_(_among(dataset_event.source_dag_id, dag_ids), dataset_event.source_dag_id.is_(None))
    return {
        consumer: _among(consumer.dag_id, dag_ids),
        producer: _among(producer.dag_id, dag_ids),
        dataset: visible(dataset.id),
        dataset_event: caused & visible(dataset_event.dataset_id),
    }
