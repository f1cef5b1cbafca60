"""Conditions on rows that only one of Airflow's pages reads, and that name their DAG in another table.

``row_filter`` applies them together with its own.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache, partial

from flask import request
from sqlalchemy import and_, exists, not_, or_, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import Model
from airflow_platform_plugin.auth import airflow_operations
from airflow_platform_plugin.core.naming import tenant_pool_name
from airflow_platform_plugin.core.types import TableColumn

# The condition that a column of DAG ids is one of the caller's DAGs.
IsPermitted = Callable[[TableColumn], ColumnElement[bool]]
Condition = Callable[[IsPermitted], ColumnElement[bool]]


# Endpoints that read with a POST.
_READS = frozenset(
    {
        "Airflow.blocked",
        "Airflow.dag_stats",
        "Airflow.last_dagruns",
        "Airflow.next_run_datasets_summary",
        "Airflow.task_stats",
        "get_dag_runs_batch",
        "get_task_instances_batch",
    }
)
_OPERATIONS_OF_POOLS = frozenset(
    name
    for name, operation in airflow_operations.OPERATIONS.items()
    if operation.scope in {"pools:read", "pools:write"}
)


def only_reads(endpoint: str) -> bool:
    """Return whether an endpoint of Airflow's reads, with any method."""
    return endpoint in _READS or airflow_operations.operation_id(endpoint) in _READS


def tables_of_page() -> dict[object, tuple[Model, ...]]:
    """Return the models that only the current page filters, by their tables."""
    models = [*_of_page()]
    if is_about_pools():
        models.append(airflow_compat.web_models.Pool)
    return {model.__table__: (model,) for model in models}


def is_about_pools() -> bool:
    """Return whether this request is for pools."""
    if request.blueprint == "PoolModelView":
        return True
    return airflow_operations.operation_id(str(request.endpoint)) in _OPERATIONS_OF_POOLS


def conditions_of_page(is_permitted: IsPermitted) -> dict[Model, Callable[[], ColumnElement[bool]]]:
    """Return what builds the conditions that only the current page needs."""
    return {model: partial(condition, is_permitted) for model, condition in _of_page().items()}


def pool_condition(tenant_ids: Collection[str]) -> dict[Model, Callable[[], ColumnElement[bool]]]:
    """Return what builds the condition on pools for the users of tenants: no pool of another tenant.

    Pools that are named like a tenant's count as such, also without the tenant.
    """
    return {airflow_compat.web_models.Pool: partial(_pool, tenant_ids)}


def _pool(tenant_ids: Collection[str]) -> ColumnElement[bool]:
    name, own = airflow_compat.web_models.Pool.pool, [tenant_pool_name(each) for each in sorted(tenant_ids)]
    is_shared = not_(name.startswith(tenant_pool_name(""), autoescape=True))
    return or_(is_shared, name.in_(own))


def alias_conditions(is_permitted: IsPermitted) -> dict[Model, Callable[[], ColumnElement[bool]]]:
    """Return what builds the conditions on aliases of datasets, and on the DAGs that read them."""
    alias, reference, _ = airflow_compat.authorization.models_of_dataset_aliases()
    return {alias: partial(_alias, is_permitted), reference: partial(is_permitted, reference.dag_id)}


def _alias(is_permitted: IsPermitted) -> ColumnElement[bool]:
    """Return the condition that a permitted DAG reads the alias, or has written with it."""
    alias, reference, of_events = airflow_compat.authorization.models_of_dataset_aliases()
    event, reader = airflow_compat.models.DatasetEvent.__table__.c, reference.__table__.c
    read = select(reader.alias_id).where(is_permitted(reader.dag_id))
    events = select(event.id).where(is_permitted(event.source_dag_id))
    written = select(of_events.c.alias_id).where(of_events.c.event_id.in_(events))
    return or_(alias.id.in_(read), alias.id.in_(written))


def _of_page() -> Mapping[Model, Condition]:
    pages, endpoint = _conditions(), str(request.endpoint)
    return (
        pages.get(endpoint)
        or pages.get(str(request.blueprint))
        or pages.get(airflow_operations.operation_id(endpoint))
        or {}
    )


@cache
def _conditions() -> dict[str, dict[Model, Condition]]:
    """Return the conditions by the endpoint or blueprint of the page.

    Serialized DAGs must be read without a condition elsewhere: the webserver caches them for all callers.
    """
    stored_dags: dict[Model, Condition] = {airflow_compat.web_models.SerializedDagModel: _stored_dag}
    return {
        "Airflow.dataset_dependencies": stored_dags,
        "DagDependenciesView.list": stored_dags,
        "Airflow.grid": {airflow_compat.web_models.ParseImportError: _import_error},
        "get_import_error": {airflow_compat.web_models.ParseImportError: _error_of_file},
        "TriggerModelView": {airflow_compat.web_models.Trigger: _trigger},
    }


def _stored_dag(is_permitted: IsPermitted) -> ColumnElement[bool]:
    return is_permitted(airflow_compat.web_models.SerializedDagModel.dag_id)


def _trigger(is_permitted: IsPermitted) -> ColumnElement[bool]:
    """Return the condition that a task of a permitted DAG waits for the trigger."""
    instance = airflow_compat.models.TaskInstance.__table__.c
    waiting = select(instance.trigger_id).where(
        is_permitted(instance.dag_id), instance.trigger_id.isnot(None)
    )
    condition: ColumnElement[bool] = airflow_compat.web_models.Trigger.id.in_(waiting)
    return condition


def _error_of_file(is_permitted: IsPermitted) -> ColumnElement[bool]:
    """Return the condition that the caller may read a DAG of the file.

    Airflow checks this itself, but says which ids exist.
    """
    dag = airflow_compat.models.DagModel.__table__.c
    files = select(dag.fileloc).where(is_permitted(dag.dag_id))
    condition: ColumnElement[bool] = airflow_compat.web_models.ParseImportError.filename.in_(files)
    return condition


def _import_error(is_permitted: IsPermitted) -> ColumnElement[bool]:
    """Return the condition that the caller may read all DAGs of the file.

    The error shows lines of the whole file.
    """
    dag = aliased(airflow_compat.models.DagModel.__table__)
    file = airflow_compat.web_models.ParseImportError.filename
    other = select(dag.c.dag_id).where(and_(dag.c.fileloc == file, not_(is_permitted(dag.c.dag_id))))
    return not_(exists(other.correlate_except(dag)))
