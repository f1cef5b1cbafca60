"""What a user may do with which DAGs, and the models whose rows belong to DAGs."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.models import (
    DagModel,
    DagRun,
    DagScheduleDatasetReference,
    DagTag,
    DatasetEvent,
    DatasetModel,
    TaskInstance,
    TaskOutletDatasetReference,
)
from airflow_platform_plugin.airflow_compat.types import Model, User
from airflow_platform_plugin.airflow_compat.users import (
    auth_manager,
    request_user,
    set_request_user,
    user_by_id,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.sql import ClauseElement


def readable_dag_ids() -> set[str]:
    """Return the DAGs that the caller of this request may read; without a caller, an empty set."""
    from sqlalchemy import inspect

    user = request_user()
    if user is None:
        return set()
    # Read the user again: a stock endpoint that failed has closed the session that loaded it.
    user = user_by_id(inspect(user).identity[0])
    set_request_user(user)
    return permitted_dag_ids(user, "GET")


def permitted_dag_ids(user: User, method: str) -> set[str]:
    """Return the DAGs on which the user may use an HTTP method: ``GET``, ``PUT``, ..."""
    dag_ids: set[str] = auth_manager().get_permitted_dag_ids(methods=[method], user=user)
    return dag_ids


def is_authorized_dag(user: User, method: str, dag_id: str | None, part: str | None = None) -> bool:
    """Return whether the user may use an HTTP method on a DAG.

    Args:
        user: the user.
        method: ``GET``, ``POST``, ``PUT`` or ``DELETE``.
        dag_id: the DAG; None for all DAGs.
        part: a part of the DAG, such as ``RUN`` or ``TASK_INSTANCE``; None for the DAG itself.
    """
    from airflow.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    return bool(
        auth_manager().is_authorized_dag(
            method=method,
            access_entity=DagAccessEntity[part] if part else None,
            details=DagDetails(id=dag_id) if dag_id else None,
            user=user,
        )
    )


def with_subdags(session: "Session", dag_ids: Collection[str]) -> set[str]:
    """Return the DAGs and their SubDAGs: who may read a DAG may read its SubDAGs."""
    from sqlalchemy import select

    if not dag_ids:
        return set()
    dag = DagModel.__table__.c
    subdags = session.execute(select(dag.dag_id, dag.root_dag_id).where(dag.root_dag_id.isnot(None)))
    return {*dag_ids, *(dag_id for dag_id, root in subdags if root in dag_ids)}


def models_of_dags() -> list[Model]:
    """Return the models with a ``dag_id``: each of their rows belongs to that DAG."""
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


def models_of_datasets() -> tuple[Model, ...]:
    """Return the models of datasets, of the DAGs that read and write them, and of their events."""
    return (DatasetModel, DatasetEvent, DagScheduleDatasetReference, TaskOutletDatasetReference)


def models_of(statement: "ClauseElement", known: Mapping[Any, tuple[Model, ...]]) -> set[Model]:
    """Return the models that a statement reads anywhere.

    Args:
        statement: the statement.
        known: models by their tables; other tables are ignored.
    """
    from sqlalchemy.sql import visitors

    tables = (part for part in visitors.iterate(statement) if part.__visit_name__ == "table")
    return {model for table in tables for model in known.get(table, ())}
