"""The scope and the DAG policy of each operation of Airflow's own API.

Keys and tokens cannot use an operation that is not in this table: a new version of Airflow may add one that
nobody has reviewed. Airflow itself checks the user's roles.
"""

from typing import NamedTuple

from airflow_platform_plugin.core.scopes import DagPolicy


class StockOperation(NamedTuple):
    """What a credential needs for an operation; ``scope`` is None if every credential may use it."""

    scope: str | None
    dags: DagPolicy


# By scope and policy; the names are the ``operationId``s of Airflow's OpenAPI documents.
_TABLE: dict[tuple[str | None, DagPolicy], str] = {
    (None, DagPolicy.NOT_APPLICABLE): """
        get_health get_version
        openapi_json openapi_yaml swagger_ui_index swagger_ui_static
    """,
    ("dags:read", DagPolicy.AUTH_MANAGER): """
        get_dags get_dag get_dag_details get_dag_source get_dag_warnings get_tasks get_task
        get_import_errors get_import_error
        get_dag_dataset_queued_event get_dag_dataset_queued_events get_dataset_queued_events
    """,
    ("dags:read", DagPolicy.ROW_FILTER): "get_datasets get_dataset get_dataset_events",
    ("dags:write", DagPolicy.AUTH_MANAGER): "patch_dags patch_dag delete_dag reparse_dag_file",
    ("dag_runs:read", DagPolicy.AUTH_MANAGER): "get_dag_runs get_dag_runs_batch get_dag_run get_dag_stats",
    ("dag_runs:read", DagPolicy.ROW_FILTER): "get_upstream_dataset_events",
    ("dag_runs:write", DagPolicy.AUTH_MANAGER): """
        post_dag_run delete_dag_run update_dag_run_state set_dag_run_note
        delete_dag_dataset_queued_event delete_dag_dataset_queued_events delete_dataset_queued_events
    """,
    # Clearing or marking a task follows ExternalTaskMarkers into other DAGs.
    ("dag_runs:write", DagPolicy.ROW_FILTER): "clear_dag_run",
    ("tasks:write", DagPolicy.ROW_FILTER): """
        post_clear_task_instances post_set_task_instances_state
        patch_task_instance patch_mapped_task_instance
    """,
    ("tasks:write", DagPolicy.AUTH_MANAGER): "set_task_instance_note set_mapped_task_instance_note",
    ("tasks:read", DagPolicy.AUTH_MANAGER): """
        get_task_instances get_task_instances_batch get_task_instance
        get_mapped_task_instances get_mapped_task_instance
        get_task_instance_dependencies get_mapped_task_instance_dependencies
        get_task_instance_tries get_task_instance_try_details
        get_mapped_task_instance_tries get_mapped_task_instance_try_details
        get_xcom_entries get_xcom_entry get_extra_links get_log
    """,
    # It starts runs of every DAG that waits for the dataset.
    ("dag_runs:write", DagPolicy.FORBIDDEN): "create_dataset_event",
    ("connections:read", DagPolicy.NOT_APPLICABLE): "get_connections get_connection",
    (
        "connections:write",
        DagPolicy.NOT_APPLICABLE,
    ): "post_connection patch_connection delete_connection test_connection",
    ("variables:read", DagPolicy.NOT_APPLICABLE): "get_variables get_variable",
    ("variables:write", DagPolicy.NOT_APPLICABLE): "post_variables patch_variable delete_variable",
    ("pools:read", DagPolicy.NOT_APPLICABLE): "get_pools get_pool",
    ("pools:write", DagPolicy.NOT_APPLICABLE): "post_pool patch_pool delete_pool",
    (
        "admin:read",
        DagPolicy.NOT_APPLICABLE,
    ): "get_config get_value get_plugins get_providers get_permissions",
    # The audit log and the roles name every DAG, and a user who writes roles can grant all rights.
    ("admin:read", DagPolicy.FORBIDDEN): """
        get_event_logs get_event_log get_roles get_role get_users get_user
    """,
    ("admin:write", DagPolicy.FORBIDDEN): "post_role patch_role delete_role post_user patch_user delete_user",
}
OPERATIONS = {
    name: StockOperation(scope, dags) for (scope, dags), names in _TABLE.items() for name in names.split()
}


def operation_id(endpoint: str) -> str:
    """Return the ``operationId`` of a Flask endpoint of Airflow's.

    Connexion names an endpoint by the handler's whole path. Airflow's handlers are in modules named
    ``…_endpoint``, with one exception; its documents have the blueprint's own name.
    """
    blueprint, _, name = endpoint.partition(".")
    for marker in ("_endpoint_", "_dag_parsing_", f"{blueprint}_"):
        if marker in name:
            return name.rpartition(marker)[2]
    return name
