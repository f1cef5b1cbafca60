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
from airflow_platform_plugin.airflow_compat.types import Model, Question, User
from airflow_platform_plugin.airflow_compat.users import (
    auth_manager,
    request_user,
    set_request_user,
    user_by_id,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sqlalchemy.orm import ORMExecuteState, Session
    from sqlalchemy.sql import ClauseElement


# The action of Airflow's permissions for an HTTP method.
ACTION_OF_METHOD = {"GET": "can_read", "POST": "can_create", "PUT": "can_edit", "DELETE": "can_delete"}


def permissions_of_part(method: str, part: Question) -> set[tuple[str, str]]:
    """Return the permissions that a method on a part of a DAG needs, apart from those on the DAG itself.

    Args:
        method: ``GET``, ``POST``, ``PUT``, ``DELETE`` or ``MENU``.
        part: a ``DagAccessEntity``; None for the DAG itself, which needs no more.
    """
    if part is None:
        return set()
    manager = auth_manager()
    action = manager._get_fab_action(method)  # noqa: SLF001 - as the auth manager itself asks
    return {(action, resource) for resource in manager._get_fab_resource_types(part)}  # noqa: SLF001 - the same


def is_of_one_dag(resource: str) -> bool:
    """Return whether a permission's resource is a single DAG, as ``access_control`` makes them."""
    from airflow.security.permissions import PREFIX_LIST

    return resource.startswith(tuple(PREFIX_LIST))


def readable_dag_ids() -> "AbstractSet[str]":
    """Return the DAGs that the caller of this request may read; without a caller, an empty set."""
    from sqlalchemy import inspect

    user = request_user()
    if user is None:
        return set()
    # Read the user again: a stock endpoint that failed has closed the session that loaded it.
    user = user_by_id(inspect(user).identity[0])
    if user is None:
        return set()
    set_request_user(user)
    return permitted_dag_ids(user, "GET")


def permitted_dag_ids(user: User, method: str) -> "AbstractSet[str]":
    """Return the DAGs on which the user may use an HTTP method: ``GET``, ``PUT``, ..."""
    dag_ids: AbstractSet[str] = auth_manager().get_permitted_dag_ids(methods=[method], user=user)
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


def models_of_dataset_aliases() -> tuple[Model, Model, Any]:
    """Return the models of aliases and of the DAGs that read them, and the table of events by alias."""
    from airflow.models.dataset import (
        DagScheduleDatasetAliasReference,
        DatasetAliasModel,
        dataset_alias_dataset_event_assocation_table,
    )

    return (
        DatasetAliasModel,
        DagScheduleDatasetAliasReference,
        dataset_alias_dataset_event_assocation_table,
    )


def dag_of_tags(state: "ORMExecuteState") -> str | None:
    """Return the id of the DAG if a query reads the tags of one DAG that was read before."""
    parent = state.lazy_loaded_from
    if parent is None or getattr(state.loader_strategy_path, "prop", None) is not DagModel.tags.property:
        return None
    dag_id: str | None = parent.dict.get("dag_id")
    return dag_id


def models_of(statement: "ClauseElement", known: Mapping[Any, tuple[Model, ...]]) -> set[Model]:
    """Return the models that a statement reads anywhere.

    Args:
        statement: the statement.
        known: models by their tables; other tables are ignored.
    """
    from sqlalchemy.sql import visitors

    tables = (part for part in visitors.iterate(statement) if part.__visit_name__ == "table")
    return {model for table in tables for model in known.get(table, ())}
