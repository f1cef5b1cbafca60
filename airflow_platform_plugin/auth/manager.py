"""A credential's limit to some DAGs, laid over whatever auth manager is configured.

Every check of a DAG in Airflow's webserver goes through two of the auth manager's methods. What they
do not see, rows of other DAGs that a query reaches by a relationship, is filtered from the queries of
the operations that ``stock`` marks so.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import g, has_request_context
from sqlalchemy import event, or_, select
from sqlalchemy.orm import Session, with_loader_criteria

from airflow_platform_plugin import airflow_compat, db, globs
from airflow_platform_plugin.names import tenant_tag
from airflow_platform_plugin.principal import DagLimit

# In one query; a key of before lists were limited may have more.
_MOST_TAGS = 500


class LimitedToDags:
    """The two methods that a credential's limit changes, in front of the auth manager's own."""

    def is_authorized_dag(self, **asked: Any) -> bool:  # noqa: ANN401 - BaseAuthManager's keywords
        """Never more than the credential's DAGs; without one in question, not all DAGs."""
        limits = _limits()
        if limits:
            details = asked.get("details")
            if details is not None and details.id:
                if not _allowed(limits, [details.id]):
                    return False
            elif asked.get("access_entity") is None:
                return False
        return bool(super().is_authorized_dag(**asked))  # type: ignore[misc]  # the auth manager's

    def get_permitted_dag_ids(self, **asked: Any) -> set[str]:  # noqa: ANN401 - the same
        """Those of the user's DAGs that the credential is for."""
        limits = _limits()
        with _unlimited():
            ids: set[str] = super().get_permitted_dag_ids(**asked)  # type: ignore[misc]
        return _allowed(limits, ids)


def install(manager: Any) -> None:  # noqa: ANN401 - any auth manager
    """Lay the limit over the running auth manager, and the filter over all sessions."""
    own = type(manager)
    if not issubclass(own, LimitedToDags):
        manager.__class__ = type(own.__name__, (LimitedToDags, own), {})
    if not event.contains(Session, "do_orm_execute", _filter_rows):
        event.listen(Session, "do_orm_execute", _filter_rows)


def filter_rows() -> None:
    """From now on in this request, let queries find no rows of DAGs that the credential is not for."""
    if _limits():
        g.platform_row_criteria = _criteria(
            airflow_compat.auth_manager().get_permitted_dag_ids(methods=["GET"], user=g.user)
        )


def _limits() -> list[DagLimit]:
    """The limits of this request's credential; a DAG must be within each."""
    principal = None
    if has_request_context() and not g.get("platform_unlimited"):
        principal = g.get("platform_principal")
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
    before, g.platform_unlimited = g.get("platform_unlimited", False), True
    try:
        yield
    finally:
        g.platform_unlimited = before


def _allowed(limits: list[DagLimit], dag_ids: Iterable[str]) -> set[str]:
    """Those of ``dag_ids`` that are within each limit."""
    return {dag_id for dag_id in dag_ids if all(_within(limit, dag_id) for limit in limits)}


def _within(limit: DagLimit, dag_id: str) -> bool:
    return globs.compiled(limit.dag_ids).match(dag_id) or (bool(limit.tags) and dag_id in _tagged(limit.tags))


def _tagged(tags: tuple[str, ...]) -> frozenset[str]:
    """The DAGs with one of the tags: one query in a request."""
    known: dict[tuple[str, ...], frozenset[str]] = g.setdefault("platform_tagged_dags", {})
    if tags not in known:
        tag = airflow_compat.DagTag
        with db.transaction() as session:
            known[tags] = frozenset(
                dag_id
                for start in range(0, len(tags), _MOST_TAGS)
                for dag_id in session.scalars(
                    select(tag.dag_id).where(tag.name.in_(tags[start : start + _MOST_TAGS]))
                )
            )
    return known[tags]


def _criteria(dag_ids: set[str]) -> list[Any]:
    """What rows must fulfil to be of those DAGs, or of none at all."""
    dataset = airflow_compat.DatasetModel
    consumer, producer = (
        airflow_compat.DagScheduleDatasetReference,
        airflow_compat.TaskOutletDatasetReference,
    )
    dataset_event = airflow_compat.DatasetEvent
    rows = {
        airflow_compat.DagRun: airflow_compat.DagRun.dag_id.in_(dag_ids),
        airflow_compat.TaskInstance: airflow_compat.TaskInstance.dag_id.in_(dag_ids),
        consumer: consumer.dag_id.in_(dag_ids),
        producer: producer.dag_id.in_(dag_ids),
        dataset: or_(
            dataset.consuming_dags.any(consumer.dag_id.in_(dag_ids)),
            dataset.producing_tasks.any(producer.dag_id.in_(dag_ids)),
        ),
        # No DAG has caused the event where it came by the REST API.
        dataset_event: or_(dataset_event.source_dag_id.in_(dag_ids), dataset_event.source_dag_id.is_(None)),
    }
    return [with_loader_criteria(model, rule, include_aliases=True) for model, rule in rows.items()]


def _filter_rows(state: Any) -> None:  # noqa: ANN401 - SQLAlchemy's ORMExecuteState
    if state.is_select and has_request_context() and "platform_row_criteria" in g:
        state.statement = state.statement.options(*g.platform_row_criteria)
