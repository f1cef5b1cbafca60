"""Every JSON example of the API reference is accepted, and the response has the shape that it shows."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from calls import client

CASES = {
    case["name"]: case for case in json.loads(Path(__file__).with_name("reference.json").read_text("utf-8"))
}
# Remove an example when its endpoint exists, and add to STATUS and AFTER what it needs.
NOT_THERE_YET = [
    "Get Query Status",
    "Cancel Query",
    "Save Query",
    "GraphQL",
]
# Examples that tests/connections sends: passwords are never returned, and a connection test needs a server.
ELSEWHERE = ["Create Connection", "Test Connection"]
# Fields that the reference shows and Airflow 2.11 does not return.
NOT_AIRFLOWS = {
    "List Tasks": {"/tasks/max_retry_delay", "/tasks/upstream_task_ids"},
    "Get Task Instance": {"/executor_config is '{}'"},  # it is text there
}
STATUS = {
    "Create Tenant": 201,
    "Register DataKit": 201,
    "Deploy DataKit": 201,
    "Webhook Configuration": 201,
    "Delete DAG Run": 204,
    "Error Response Format": 404,
}
# The examples that an example needs.
AFTER = {
    "List DataKits": ["Register DataKit"],
    "Update Tenant Configuration": ["Create Tenant"],
    "Deploy DataKit": ["Create Tenant", "Register DataKit"],
}
DAG_ID, RUN, TASK = (
    "bronze_to_silver_pipeline",
    "scheduled__2024-01-15T00:00:00+00:00",
    "validate_source_data",
)
NAMES = {
    "dag_id": DAG_ID,
    "dag_run_id": quote(RUN),
    "task_id": TASK,
    "tenant_id": "analytics-team",
    "datakit_id": "customer-360-datakit",
    "connection_id": "warehouse_prod",
    "query_id": "q_123456789",
}
OURS = ("/api/v1/platform/", "/api/v1/datakits", "/api/v1/analytics/")


def send(call: Callable[..., Any], case: dict[str, Any]) -> Any:
    """Send the example's request."""
    query = {
        name: ",".join(value) if isinstance(value, list) and name == "tags" else value
        for name, value in case.get("query", {}).items()
    }
    body = {"json": case["request"]} if "request" in case else {}
    return call(case["method"], case["path"].format(**NAMES), query_string=query, **body)


def missing(promised: Any, given: Any, path: str = "") -> set[str]:
    """Return where ``given`` lacks a promised field, or has another type; null fits every type."""
    match promised, given:
        case (None, _) | (_, None):
            return set()
        case dict(), dict():
            return {
                lack
                for name, value in promised.items()
                for lack in (
                    missing(value, given[name], f"{path}/{name}") if name in given else {f"{path}/{name}"}
                )
            }
        case [first, *_], [*items]:
            return {lack for item in items for lack in missing(first, item, path)}
        case (bool(), bool()) | (str(), str()) | (list(), list()):
            return set()
        case (int() | float(), int() | float()) if not isinstance(promised, bool) | isinstance(given, bool):
            return set()
    return {f"{path} is {given!r}"}


@pytest.fixture
def pipeline(app: Any) -> Iterator[None]:
    """The reference's DAG and its run, committed: Airflow reads them on other connections."""
    from airflow import DAG
    from airflow.api.common.delete_dag import delete_dag
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.empty import EmptyOperator
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunType

    class Step(EmptyOperator):
        template_fields = ("source_table", "target_table")

        def __init__(self, source_table: str, target_table: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.source_table, self.target_table = source_table, target_table

    moment = datetime(2024, 1, 15, tzinfo=timezone.utc)
    with DAG(
        DAG_ID,
        description="ETL pipeline from bronze to silver layer",
        start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
        schedule="0 0 * * *",
        tags=["production", "etl"],
        default_args={"owner": "data-team", "retries": 2},
    ) as dag:
        tables = {"source_table": "bronze.customers_raw", "target_table": "silver.customers"}
        Step(task_id=TASK, **tables) >> EmptyOperator(task_id="transform_to_silver")
    with app.app_context(), create_session() as session:
        DAG.bulk_write_to_db([dag], session=session)
        SerializedDagModel.write_dag(dag, session=session)
        run = dag.create_dagrun(
            run_type=DagRunType.SCHEDULED,
            run_id=RUN,
            execution_date=moment,
            data_interval=(moment, moment),
            state=DagRunState.SUCCESS,
            session=session,
        )
        for instance in run.task_instances:
            instance.state, instance.start_date, instance.end_date = TaskInstanceState.SUCCESS, moment, moment
            instance.task = dag.get_task(instance.task_id)
            session.add(RenderedTaskInstanceFields(instance, render_templates=False))
    yield
    delete_dag(DAG_ID)


@pytest.mark.parametrize("name", NOT_THERE_YET)
def test_examples_that_are_not_tested_have_no_endpoint(app: Any, name: str) -> None:
    """A new endpoint fails here: its example must be tested."""
    path, method = CASES[name]["path"].format(**NAMES), CASES[name]["method"]
    assert not app.url_map.bind("").test(path, method), f"{name} exists: remove it from NOT_THERE_YET"


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case["path"].startswith(OURS) and name not in NOT_THERE_YET + ELSEWHERE
    ],
)
def test_our_responses_are_as_the_reference_shows(
    call: Callable[..., Any], warehouse: Path, name: str
) -> None:
    for before in AFTER.get(name, []):
        assert send(call, CASES[before]).status == 201
    answer = send(call, CASES[name])
    assert answer.status == STATUS.get(name, 200), answer.text
    promised = CASES[name].get("response", CASES[name].get("request", {}))
    assert missing(promised, answer.json) == set()


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case["path"].startswith("/api/v1/dags")]
)
def test_stock_responses_are_as_the_reference_shows(
    app: Any, committed_key: Callable[[str], str], pipeline: None, name: str
) -> None:
    answer = send(client(app, {"X-API-Key": committed_key("admin")}), CASES[name])
    assert answer.status == STATUS.get(name, 200), answer.text
    assert missing(CASES[name].get("response", {}), answer.json) == NOT_AIRFLOWS.get(name, set())
    for items in ("dags", "tasks", "dag_runs"):
        assert items not in (answer.json or {}) or answer.json["total_entries"] > 0
