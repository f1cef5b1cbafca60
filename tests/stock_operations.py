"""Every operation of Airflow's own API, with a request for each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import airflow
import yaml
from stock_data import HIDDEN, MINE, RUN, TASK, URI
from stock_data import path as file_of

FAB = "providers/fab/auth_manager/openapi/v1.yaml"
DOCUMENTS = {"/api/v1": "api_connexion/openapi/v1.yaml", "/auth/fab/v1": FAB}

# What the operations that write are sent; a key that may not is refused before this is looked at.
BODIES: dict[str, Any] = {
    "post_connection": {"connection_id": "made", "conn_type": "http"},
    "patch_connection": {"connection_id": "made", "conn_type": "http"},
    "test_connection": {"connection_id": "made", "conn_type": "http"},
    "patch_dags": {"is_paused": False},
    "patch_dag": {"is_paused": False},
    "post_clear_task_instances": {
        "dry_run": True,
        "only_failed": False,
        "include_downstream": True,
        "include_subdags": True,
        "include_parentdag": True,
    },
    "post_set_task_instances_state": {
        "dry_run": False,
        "task_id": TASK,
        "dag_run_id": RUN,
        "include_upstream": True,
        "include_downstream": True,
        "include_future": True,
        "include_past": True,
        "new_state": "success",
    },
    "patch_task_instance": {"dry_run": False, "new_state": "success"},
    "patch_mapped_task_instance": {"dry_run": True, "new_state": "success"},
    "set_task_instance_note": {"note": "n"},
    "set_mapped_task_instance_note": {"note": "n"},
    "set_dag_run_note": {"note": "n"},
    "post_dag_run": {"conf": {}},
    "get_dag_runs_batch": {},
    "get_task_instances_batch": {},
    "update_dag_run_state": {"state": "success"},
    "clear_dag_run": {"dry_run": False},
    "post_pool": {"name": "made", "slots": 1},
    "patch_pool": {"name": "made", "slots": 2},
    "post_variables": {"key": "made", "value": "v"},
    "patch_variable": {"key": "made", "value": "w"},
    "create_dataset_event": {"dataset_uri": URI},
    "post_role": {"name": "made", "actions": []},
    "patch_role": {"name": "made", "actions": []},
    "post_user": {"username": "made"},
    "patch_user": {"username": "made"},
}
QUERIES = {"get_dag_stats": {"dag_ids": f"{MINE},{HIDDEN}"}, "patch_dags": {"dag_id_pattern": "~"}}


def operations() -> list[tuple[str, str, str]]:
    """Return method, path and id of every operation in the two documents; deletions last."""
    found = []
    for base, name in DOCUMENTS.items():
        document = yaml.safe_load((Path(airflow.__path__[0]) / name).read_text(encoding="utf-8"))
        for path, methods in document["paths"].items():
            found += [
                (method.upper(), base + path, operation["operationId"])
                for method, operation in methods.items()
                if method in {"get", "post", "put", "patch", "delete"}
            ]
    return sorted(found, key=lambda operation: operation[0] == "DELETE")


OPERATIONS = operations()


def send(
    request: Callable[..., Any],
    app: Any,
    operation: tuple[str, str, str],
    dag_id: str,
    ids: dict[str, str] | None = None,
) -> Any:
    """Send one operation for a DAG; the objects in its path exist unless a deletion came before."""
    method, path, name = operation
    for argument, value in (_values(app, method, dag_id) | (row_ids(dag_id) if ids is None else ids)).items():
        path = path.replace(f"{{{argument}}}", value)
    json = BODIES.get(name) if method != "GET" else None
    return request(method, path, json=json, query_string=QUERIES.get(name))


def row_ids(dag_id: str) -> dict[str, str]:
    """Return the ids of a DAG's import error and first entry in the event log, by their path parameters."""
    from airflow.models.errors import ParseImportError
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        error = session.query(ParseImportError.id).filter_by(filename=str(_source(dag_id))).scalar() or 0
        entry = session.query(Log.id).filter_by(dag_id=dag_id).order_by(Log.id).first() or [0]
    return {"import_error_id": str(error), "event_log_id": str(entry[0])}


def _source(dag_id: str) -> Path:
    return file_of(dag_id if dag_id != "~" else MINE)


def _values(app: Any, method: str, dag_id: str) -> dict[str, str]:
    from itsdangerous import URLSafeSerializer

    return {
        "dag_id": dag_id,
        "dag_run_id": RUN,
        "task_id": TASK,
        "map_index": "0",
        "task_try_number": "1",
        "xcom_key": "k",
        "uri": URI,
        "file_token": URLSafeSerializer(app.config["SECRET_KEY"]).dumps(str(_source(dag_id))),
        "connection_id": "made",
        "pool_name": "made",
        "variable_key": "made",
        "role_name": "Admin" if method == "GET" else "made",
        "username": "admin" if method == "GET" else "made",
        "section": "core",
        "option": "parallelism",
    }
