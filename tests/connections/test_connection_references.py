"""What refers to a connection."""

from collections.abc import Callable, Iterator
from typing import Any

import pendulum
import pytest
from airflow import DAG
from airflow.models import serialized_dag
from airflow.models.dag import DagModel
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.utils.session import create_session
from calls import client
from sqlalchemy import delete

from airflow_platform_plugin.auth import service as keys

URL = "/api/v1/platform/connections"
SHARED = {"connection_id": "warehouse", "connection_type": "http", "host": "x"}


def dag(dag_id: str, build: Callable[[], Any], **arguments: Any) -> DAG:
    with DAG(dag_id, start_date=pendulum.datetime(2024, 1, 1), schedule=None, **arguments) as made:
        build()
    made.fileloc = "x.py"
    return made


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def dags(app: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Create DAGs that refer to connections in each possible way.

    They are committed, because Airflow reads them itself.
    """
    monkeypatch.setattr(serialized_dag, "COMPRESS_SERIALIZED_DAGS", request.param)

    def sql(conn_id: str) -> None:
        SQLExecuteQueryOperator(task_id="query", conn_id=conn_id, sql="SELECT 'warehouse'")
        EmptyOperator(task_id="nothing")

    def bash(command: str) -> None:
        BashOperator(task_id="shell", bash_command=command)

    made = [
        dag("by_field", lambda: sql("warehouse")),
        dag("by_template", lambda: bash("ping {{ conn.warehouse.host }}")),
        dag("by_get", lambda: bash("ping {{ conn.get('warehouse').host }}")),
        dag("by_default", lambda: EmptyOperator(task_id="t"), default_args={"http_conn_id": "warehouse"}),
        dag("other_connection", lambda: sql("warehouse_eu")),
        dag("other_template", lambda: bash("echo warehouse {{ conn.warehouse_eu.host }}")),
    ]
    with create_session() as session:
        session.add_all([DagModel(dag_id=one.dag_id, is_active=True, fileloc="x.py") for one in made])
        session.add_all([serialized_dag.SerializedDagModel(one) for one in made])
    yield
    with create_session() as session:
        session.execute(delete(serialized_dag.SerializedDagModel))
        session.execute(delete(DagModel))


def test_dags_that_refer_to_a_connection_are_found(dags: None, call: Callable[..., Any]) -> None:
    """Fields and templates of tasks and default arguments count; the mere word in a text does not."""
    call("POST", URL, json=SHARED)
    answer = call("GET", f"{URL}/warehouse/usage")
    assert answer.json == {
        "connection_id": "warehouse",
        "used_by": {
            "dags": [
                {"dag_id": "by_default", "task_ids": []},
                {"dag_id": "by_field", "task_ids": ["query"]},
                {"dag_id": "by_get", "task_ids": ["shell"]},
                {"dag_id": "by_template", "task_ids": ["shell"]},
            ],
            "deployments": [],
        },
    }


def test_references_show_only_what_the_caller_may_read(
    dags: None, app: Any, session: Any, user_id: Callable[[str], int], call: Callable[..., Any]
) -> None:
    """Other DAGs are not named or counted."""
    call("POST", URL, json=SHARED)
    limits = {"allowed_dags": {"dag_ids": ["by_field"], "tags": []}, "scopes": ["connections:write"]}
    _, key = keys.issue(session, name="t", user_id=user_id("admin"), **limits)
    narrowed = client(app, {"X-API-Key": key})
    used_by = narrowed("GET", f"{URL}/warehouse/usage").json["used_by"]
    assert used_by == {"dags": [{"dag_id": "by_field", "task_ids": ["query"]}], "deployments": []}


def test_a_connection_in_use_is_deleted_only_by_force(dags: None, call: Callable[..., Any]) -> None:
    """The error names what refers to it."""
    call("POST", URL, json=SHARED)
    call("POST", URL, json=SHARED | {"connection_id": "unused"})
    refused = call("DELETE", f"{URL}/warehouse")
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert len(refused.json["error"]["details"]["used_by"]["dags"]) == 4
    assert call("GET", f"{URL}/warehouse").status == 200
    assert call("DELETE", f"{URL}/unused").status == 204
    assert call("DELETE", f"{URL}/warehouse?force=true").status == 204
