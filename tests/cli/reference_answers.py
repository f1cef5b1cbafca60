"""Answers of the fake platform for the commands of the API reference."""

from typing import Any

DAG = {
    "dag_id": "bronze_to_silver_pipeline",
    "schedule_interval": {"__type": "CronExpression", "value": "0 0 * * *"},
    "is_paused": False,
    "tags": [{"name": "production"}, {"name": "etl"}],
}
RUN = {"dag_id": "bronze_to_silver_pipeline", "dag_run_id": "scheduled__1", "state": "success"}
TASK = {"task_id": "validate_source_data", "operator_name": "PythonOperator"}
INSTANCE = {
    "dag_id": "bronze_to_silver_pipeline",
    "dag_run_id": "scheduled__1",
    "task_id": "validate_source_data",
    "state": "success",
    "try_number": 2,
}
KIT = {"id": "dk_1", "name": "customer-360-datakit", "version": "1.2.0", "type": "transformation"}
DEPLOYMENT = {
    "id": "dep_1",
    "datakit": "customer-360-datakit",
    "version": "1.2.0",
    "environment": "production",
    "revision": 3,
}
BACKFILL = {
    "backfill_id": "bf_1",
    "dag_id": "bronze_to_silver_pipeline",
    "state": "running",
    "progress": {"total": 31, "remaining": 31},
}
PIPELINE = "/api/v1/dags/bronze_to_silver_pipeline"
INSTANCE_PATH = f"{PIPELINE}/dagRuns/scheduled__1/taskInstances/validate_source_data"
ROUTES: dict[tuple[str, str], Any] = {
    ("GET", "/api/v1/dags"): {"dags": [DAG], "total_entries": 1},
    ("GET", PIPELINE): DAG,
    ("PATCH", PIPELINE): lambda request: DAG | request.body,
    ("GET", f"{PIPELINE}/dagRuns"): {"dag_runs": [RUN], "total_entries": 1},
    ("POST", f"{PIPELINE}/dagRuns"): RUN,
    ("GET", f"{PIPELINE}/tasks"): {"tasks": [TASK], "total_entries": 1},
    ("GET", f"{PIPELINE}/tasks/validate_source_data"): TASK,
    ("POST", f"{PIPELINE}/clearTaskInstances"): {"task_instances": [INSTANCE]},
    ("GET", INSTANCE_PATH): INSTANCE,
    ("GET", f"{INSTANCE_PATH}/logs/2"): "host\nit went well\n",
    ("POST", "/api/v1/platform/dags/bronze_to_silver_pipeline/backfills"): BACKFILL,
    ("GET", "/api/v1/datakits"): {"datakits": [KIT], "total_entries": 1},
    ("POST", "/api/v1/datakits"): lambda request: KIT | request.body,
    ("POST", "/api/v1/datakits/customer-360-datakit/deploy"): DEPLOYMENT,
    ("GET", "/api/v1/datakits/deployments"): {"deployments": [DEPLOYMENT], "total_entries": 1},
    ("POST", "/api/v1/datakits/deployments/dep_1/rollback"): DEPLOYMENT,
    ("GET", "/api/v1/datakits/schema"): {"title": "DataKit"},
    ("GET", "/api/v1/datakits/deployments/dep_1/status"): {"deployment_id": "dep_1", "status": "active"},
}
