"""Every stock page and endpoint of Airflow's API: what of a DAG it shows or changes, and what it needs.

A line's key is the method and the endpoint: ``GET Airflow.grid`` for a page, ``get_dag`` for an operation of
the API.
"""

from typing import NamedTuple

from stock_data import MINE, RUN, TASK


class Shows(NamedTuple):
    """An endpoint that shows something of a DAG.

    Attributes:
        text: what it shows of the own DAG to callers who may read it. If empty, they get no 403 and no
            redirect.
        needs: the resource that callers must be allowed to read, if tenants' roles do not allow it.
        of_dag: whether it is about one DAG, and not about all that the caller may read.
        edits: whether only those see it who may change the DAG.
    """

    text: str = ""
    needs: str = ""
    of_dag: bool = True
    edits: bool = False


class Changes(NamedTuple):
    """An endpoint that changes something of a DAG.

    Attributes:
        body: the fields of the form or of the JSON object, apart from those that all requests have.
        members: whether members and administrators of the tenant may do it.
        of_dag: whether it is about one DAG, and not about all that the caller may change.
    """

    body: dict[str, object] | None = None
    members: bool = True
    of_dag: bool = True


PAGES_THAT_SHOW = {
    "GET Airflow.index": Shows(MINE),
    "GET Airflow.grid": Shows(MINE),
    "GET Airflow.graph": Shows(f"dag_run_id={RUN}"),
    "GET Airflow.gantt": Shows(f"dag_run_id={RUN}"),
    "GET Airflow.code": Shows("tab=code"),
    "GET Airflow.trigger": Shows(MINE, edits=True),
    "GET Airflow.confirm": Shows(TASK, edits=True),
    "GET Airflow.log": Shows(MINE),
    "GET Airflow.get_logs_with_metadata": Shows(f"line of {MINE}"),
    "GET Airflow.rendered_templates": Shows(MINE),
    "GET Airflow.rendered_k8s": Shows(),
    "GET Airflow.rendered_k8s_data": Shows(),
    "GET Airflow.task": Shows(MINE),
    "GET Airflow.xcom": Shows(MINE),
    "GET Airflow.extra_links": Shows("No URL"),
    "GET Airflow.calendar_data": Shows("dag_states"),
    "GET Airflow.graph_data": Shows(TASK),
    "GET Airflow.grid_data": Shows(RUN),
    "GET Airflow.task_instances": Shows(MINE),
    "POST Airflow.blocked": Shows(MINE),
    "POST Airflow.dag_stats": Shows(MINE),
    "POST Airflow.last_dagruns": Shows(MINE),
    "POST Airflow.task_stats": Shows(MINE),
    "POST Airflow.next_run_datasets_summary": Shows(MINE),
    "GET AutocompleteView.autocomplete": Shows(MINE),
    "GET DagRunModelView.list": Shows(MINE),
    "GET TaskInstanceModelView.list": Shows(MINE),
    "GET XComModelView.list": Shows(MINE),
    # An operator may give tenants' people the permission for these.
    "GET Airflow.cluster_activity": Shows(needs="Cluster Activity", of_dag=False),
    "GET Airflow.historical_metrics_data": Shows(needs="Cluster Activity", of_dag=False),
    "GET Airflow.datasets": Shows(needs="Datasets", of_dag=False),
    "GET Airflow.datasets_summary": Shows(needs="Datasets", of_dag=False),
    "GET Airflow.next_run_datasets": Shows("bucket", needs="Datasets"),
    "GET Airflow.dataset_dependencies": Shows(f"dag:{MINE}", needs="DAG Dependencies"),
    "GET DagDependenciesView.list": Shows(f"dag:{MINE}", needs="DAG Dependencies"),
    "GET JobModelView.list": Shows(f"host-of-{MINE}", needs="Jobs"),
    "GET LogModelView.list": Shows(MINE, needs="Audit Logs"),
    "GET PoolModelView.list": Shows("default_pool", needs="Pools", of_dag=False),
    "GET SlaMissModelView.list": Shows(MINE, needs="SLA Misses"),
    "GET TaskRescheduleModelView.list": Shows(MINE, needs="Task Reschedules"),
    "GET TriggerModelView.list": Shows(f"triggers.Of_{MINE}", needs="Triggers"),
}

OPERATIONS_THAT_SHOW = {
    "get_dag": Shows(MINE),
    "get_dag_details": Shows(MINE),
    "get_dag_run": Shows(f"note on the run of {MINE}"),
    "get_dag_runs": Shows(MINE),
    "get_dag_runs_batch": Shows(MINE),
    "get_dag_source": Shows(f"# {MINE}"),
    "get_dag_stats": Shows(MINE),
    "get_dag_warnings": Shows(MINE),
    "get_dags": Shows(MINE),
    "get_extra_links": Shows(),
    "get_import_error": Shows(f"in {MINE}"),
    "get_import_errors": Shows(f"in {MINE}"),
    "get_log": Shows(f"line of {MINE}"),
    "get_mapped_task_instance": Shows(),
    "get_mapped_task_instance_dependencies": Shows(),
    "get_mapped_task_instance_tries": Shows(),
    "get_mapped_task_instance_try_details": Shows(),
    "get_mapped_task_instances": Shows(),
    "get_task": Shows(TASK),
    "get_task_instance": Shows(f"note of {MINE}"),
    "get_task_instance_dependencies": Shows("dependencies"),
    "get_task_instance_tries": Shows(MINE),
    "get_task_instance_try_details": Shows(MINE),
    "get_task_instances": Shows(MINE),
    "get_task_instances_batch": Shows(MINE),
    "get_tasks": Shows(TASK),
    "get_xcom_entries": Shows(MINE),
    "get_xcom_entry": Shows(MINE),
    # An operator may give tenants' people the permission for these.
    "get_dag_dataset_queued_event": Shows(MINE, needs="Datasets"),
    "get_dag_dataset_queued_events": Shows(MINE, needs="Datasets"),
    "get_dataset": Shows(f"alias of {MINE}", needs="Datasets"),
    "get_dataset_events": Shows(MINE, needs="Datasets"),
    "get_dataset_queued_events": Shows(MINE, needs="Datasets"),
    "get_datasets": Shows(MINE, needs="Datasets"),
    "get_upstream_dataset_events": Shows(MINE, needs="Datasets"),
    "get_pools": Shows("default_pool", needs="Pools", of_dag=False),
    "get_event_log": Shows(MINE, needs="Audit Logs"),
    "get_event_logs": Shows(MINE, needs="Audit Logs"),
}

CONFIRMED: dict[str, object] = {"confirmed": "true"}
SECOND_RUN = "{second run}"  # the id of the DAG's unfinished run
PAGES_THAT_CHANGE = {
    "POST Airflow.clear": Changes(CONFIRMED),
    "POST Airflow.dagrun_clear": Changes(CONFIRMED),
    "POST Airflow.dagrun_failed": Changes(CONFIRMED),
    "POST Airflow.dagrun_queued": Changes(CONFIRMED),
    "POST Airflow.dagrun_success": Changes(CONFIRMED | {"dag_run_id": SECOND_RUN}),
    "POST Airflow.failed": Changes(),
    "POST Airflow.success": Changes({"dag_run_id": SECOND_RUN}),
    "POST Airflow.paused": Changes({"is_paused": "true"}),
    "POST Airflow.trigger": Changes(
        {"run_id": "new", "execution_date": "2024-05-05T00:00:00+00:00", "conf": "{}"}
    ),
    "POST Airflow.delete": Changes(members=False),
    "POST DagRunModelView.action_post": Changes({"action": "set_failed"}),
    "POST TaskInstanceModelView.action_post": Changes({"action": "set_failed"}),
    "POST XComModelView.action_post": Changes({"action": "muldelete"}, members=False),
}

OPERATIONS_THAT_CHANGE = {
    "clear_dag_run": Changes(),
    "patch_dag": Changes({"is_paused": False}),
    "patch_dags": Changes({"is_paused": False}, of_dag=False),
    "patch_task_instance": Changes({"dry_run": False, "new_state": "failed"}),
    "post_clear_task_instances": Changes({"dry_run": False, "only_failed": False}),
    "post_dag_run": Changes(),
    "post_set_task_instances_state": Changes({"new_state": "failed"}),
    "set_dag_run_note": Changes(),
    "set_task_instance_note": Changes(),
    "update_dag_run_state": Changes({"state": "failed"}),
    "delete_dag": Changes(members=False),
    "delete_dag_dataset_queued_event": Changes(members=False),
    "delete_dag_dataset_queued_events": Changes(members=False),
    "delete_dag_run": Changes(members=False),
    "delete_dataset_queued_events": Changes(members=False, of_dag=False),
}

# --- endpoints that show and change nothing of a DAG ---

# They lead to another page, without a look at the DAG.
REDIRECTS = {
    "GET Airflow.audit_log",
    "GET Airflow.calendar",
    "GET Airflow.dag",
    "GET Airflow.dag_details",
    "GET Airflow.dagrun_details",
    "GET Airflow.duration",
    "GET Airflow.landing_times",
    "GET Airflow.legacy_audit_log",
    "GET Airflow.legacy_calendar",
    "GET Airflow.legacy_code",
    "GET Airflow.legacy_dag_details",
    "GET Airflow.legacy_duration",
    "GET Airflow.legacy_gantt",
    "GET Airflow.legacy_graph",
    "GET Airflow.legacy_landing_times",
    "GET Airflow.legacy_tree",
    "GET Airflow.legacy_tries",
    "GET Airflow.redirect_to_external_log",
    "GET Airflow.tries",
}
OTHER_PAGES = {
    "GET Airflow.health",
    "GET Airflow.parse_dag",  # needs a token of the file, which only pages about its DAGs have
    "GET Airflow.robots",
    "GET ConfigurationView.conf",
    "GET DevView.coverage",
    "GET DocsView.home",
    "GET PluginView.list",
    "GET ProviderView.list",
    "GET RedocView.redoc",
    "POST VariableModelView.varimport",
}
# Lists of what belongs to no DAG.
OTHER_LISTS = {"ConnectionModelView", "VariableModelView"}
# FAB's endpoints of each list. The plugin filters the rows that they find.
LIST_ENDPOINTS = {
    "GET action",
    "POST action",
    "POST action_post",
    "GET add",
    "POST add",
    "GET api",
    "GET api_column_add",
    "GET api_column_edit",
    "POST api_create",
    "DELETE api_delete",
    "GET api_get",
    "GET api_read",
    "GET api_readvalues",
    "PUT api_update",
    "GET delete",
    "POST delete",
    "GET download",
    "GET edit",
    "POST edit",
    "GET show",
}
OTHER_OPERATIONS = {
    "create_dataset_event",
    "delete_connection",
    "delete_pool",
    "delete_role",
    "delete_user",
    "delete_variable",
    "get_config",
    "get_connection",
    "get_connections",
    "get_health",
    "get_permissions",
    "get_plugins",
    "get_pool",
    "get_providers",
    "get_role",
    "get_roles",
    "get_user",
    "get_users",
    "get_value",
    "get_variable",
    "get_variables",
    "get_version",
    "patch_connection",
    "patch_mapped_task_instance",
    "patch_pool",
    "patch_role",
    "patch_user",
    "patch_variable",
    "post_connection",
    "post_pool",
    "post_role",
    "post_user",
    "post_variables",
    "reparse_dag_file",
    "set_mapped_task_instance_note",
    "test_connection",
}
