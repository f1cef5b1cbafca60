"""What a user may do with which DAGs, and the models whose rows belong to DAGs."""

from collections.abc import Collection
from typing import Any

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
from airflow_platform_plugin.airflow_compat.users import (
    auth_manager,
    request_user,
    set_request_user,
    user_by_id,
)


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


def permitted_dag_ids(user: Any, method: str) -> set[str]:  # noqa: ANN401 - the auth manager's own user class
    """The DAGs with which the user may do that."""
    dag_ids: set[str] = auth_manager().get_permitted_dag_ids(methods=[method], user=user)
    return dag_ids
