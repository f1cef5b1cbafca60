"""Each SDK example of the API reference, unchanged, with the responses that it shows."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import reference
from fake_platform import FakePlatform, Request

DAG = {
    "dag_id": "bronze_to_silver_pipeline",
    "description": "ETL pipeline from bronze to silver layer",
    "file_token": "Ii9vcHQvYWlyZmxvdy9kYWdzL2Jyb256ZV90b19zaWx2ZXIucHki.YLhATQ.0K",
    "fileloc": "/opt/airflow/dags/bronze_to_silver.py",
    "has_import_errors": False,
    "is_active": True,
    "is_paused": False,
    "next_dagrun": "2024-01-16T00:00:00Z",
    "owners": ["data-team"],
    "root_dag_id": None,
    "schedule_interval": {"__type": "CronExpression", "value": "0 0 * * *"},
    "tags": [{"name": "production"}, {"name": "etl"}],
}
INSTANCE = {
    "dag_id": "bronze_to_silver_pipeline",
    "dag_run_id": "scheduled__2024-01-15T00:00:00+00:00",
    "duration": 125.5,
    "end_date": "2024-01-15T00:02:05.500000Z",
    "executor_config": {},
    "map_index": -1,
    "rendered_fields": {"source_table": "bronze.customers_raw"},
    "sla_miss": None,
    "state": "success",
    "task_id": "validate_source_data",
    "try_number": 1,
}
Run = Callable[..., dict[str, Any]]
DAGS = "/api/v1/dags"
PIPELINE = f"{DAGS}/bronze_to_silver_pipeline"
RUN = f"{PIPELINE}/dagRuns/scheduled__2024-01-15T00%3A00%3A00%2B00%3A00"


def create_run(request: Request) -> dict[str, Any]:
    """Return a run, as Airflow answers a trigger."""
    return {
        "dag_id": request.path.split("/")[4],
        "dag_run_id": request.body.get("dag_run_id", "manual__1"),
        "conf": request.body.get("conf", {}),
        "state": "queued",
        "note": None,
    }


@pytest.fixture(params=[reference.run, reference.run_async], ids=["sync", "async"])
def run(request: pytest.FixtureRequest, platform: FakePlatform) -> Callable[..., dict[str, Any]]:
    """Return a function that runs the example under a heading with one of the clients."""
    return lambda heading, until=None: request.param(reference.example(heading, until), platform.url, "k")


def test_the_initialization_example_works() -> None:
    """A client is created with an API key and with OAuth."""
    names: dict[str, Any] = {}
    exec(reference.example("Client Initialization"), names)  # noqa: S102 - code of the API reference
    names["client"].close()


def test_the_dag_examples_work(
    run: Run,
    platform: FakePlatform,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The requests and the output are as expected."""
    states = iter(["running", "success"])

    def later(request: Request) -> dict[str, Any]:
        run_id = request.path.rpartition("/")[2].replace("%3A", ":")
        return {"dag_id": DAG["dag_id"], "dag_run_id": run_id, "state": next(states)}

    platform.routes = {
        ("GET", DAGS): {"dags": [DAG], "total_entries": 1},
        ("GET", PIPELINE): DAG,
        ("PATCH", PIPELINE): lambda request: DAG | request.body,
        ("POST", f"{PIPELINE}/dagRuns"): create_run,
        ("GET", f"{PIPELINE}/dagRuns/manual_*"): later,
    }

    run("DAG Management")

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "bronze_to_silver_pipeline: ETL pipeline from bronze to silver layer",
        "Schedule: 0 0 * * *",
        "Next run: 2024-01-16 00:00:00+00:00",
    ]
    assert lines[3].startswith("Started run: manual_20")
    assert lines[4:] == ["Status: running", "Status: success"]
    assert platform.requests[0].query == {"tags": ["production"], "only_active": ["true"]}
    assert platform.requests[2].body["conf"] == {"batch_size": 5000}
    assert (platform.requests[-2].body, platform.last.body) == ({"is_paused": True}, {"is_paused": False})


def test_the_task_examples_work(run: Run, platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    """The requests and the output are as expected."""
    platform.routes = {
        ("GET", f"{RUN}/taskInstances"): {"task_instances": [INSTANCE], "total_entries": 1},
        ("POST", f"{PIPELINE}/clearTaskInstances"): {
            "task_instances": [
                {
                    "dag_id": "bronze_to_silver_pipeline",
                    "dag_run_id": INSTANCE["dag_run_id"],
                    "execution_date": "2024-01-15T00:00:00+00:00",
                    "task_id": "transform_to_silver",
                }
            ]
        },
        ("GET", f"{RUN}/taskInstances/validate_source_data/logs/1"): "it went well\n",
    }

    run("Task Management")

    cleared = platform.requests[1].body
    assert capsys.readouterr().out == "validate_source_data: success (duration: 125.5s)\nit went well\n\n"
    assert platform.last.headers["accept"] == "text/plain"
    assert cleared["dry_run"] is False
    assert cleared["reset_dag_runs"] is True
    assert cleared["task_ids"] == ["transform_to_silver"]
    assert cleared["dag_run_id"] == "scheduled__2024-01-15T00:00:00+00:00"


def test_the_datakit_examples_work(
    run: Run, platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    """The requests and the output are as expected."""
    deployment_answer = {
        "id": "dep_1",
        "datakit": "customer-etl",
        "version": "1.0.0",
        "environment": "production",
        "revision": 1,
        "dag_id": "customer-etl__production",
        "notifications": None,
        "configuration": None,
    }
    platform.routes = {
        ("POST", "/api/v1/datakits"): lambda request: request.body | {"id": "dk_1", "type": None},
        ("POST", "/api/v1/datakits/dk_1/deploy"): deployment_answer,
        ("GET", "/api/v1/datakits/deployments/dep_1/status"): {"deployment_id": "dep_1", "status": "active"},
    }

    run("DataKit Operations")

    assert capsys.readouterr().out == "Deployment status: active\n"
    assert set(platform.requests[0].body) == {"name", "version", "image", "inputs", "outputs"}
    assert platform.requests[1].body == {
        "environment": "production",
        "schedule": "0 2 * * *",
        "configuration": {"batch_size": 1000},
    }


def test_the_query_example_works(run: Run, platform: FakePlatform) -> None:
    """The result has the rows, the query and its parameters."""
    platform.routes[("POST", "/api/v1/analytics/query")] = {
        "query_id": "q_123456789",
        "status": "completed",
        "rows_returned": 1,
        "execution_time_ms": 245,
        "data": [{"date": "2024-01-01", "order_count": 127, "revenue": 15234.56}],
        "metadata": {"database": "warehouse", "cache_hit": False},
    }

    result = run("Analytics Queries", until="# Convert to DataFrame")["result"]

    assert result.data[0]["order_count"] == 127
    assert result.parameters == {"start_date": "2024-01-01"}
    assert platform.last.body == {"query": result.query, "parameters": result.parameters}


def test_the_pagination_example_works(run: Run, platform: FakePlatform) -> None:
    """The loop collects all DAGs."""

    def some(request: Request) -> dict[str, Any]:
        limit, offset = int(request.query["limit"][0]), int(request.query["offset"][0])
        dags = [{"dag_id": f"dag_{number}"} for number in range(250)]
        return {"dags": dags[offset : offset + limit], "total_entries": 250}

    platform.routes[("GET", DAGS)] = some

    all_dags = run("Pagination")["all_dags"]

    assert [dag.dag_id for dag in all_dags] == [f"dag_{number}" for number in range(250)]


def test_the_error_handling_example_works(
    run: Run, platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each error prints the expected message."""
    for status in (404, 429, 401):
        platform.answer(status, {"error": {"code": "X", "message": "no"}}, Retry_After="30")
        run("Error Handling")

    assert capsys.readouterr().out.splitlines() == [
        "DAG not found",
        "Rate limited. Retry after 30 seconds",
        "Authentication failed. Check your credentials",
    ]


def test_the_asynchronous_example_works(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asynchronous client triggers ten runs concurrently."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", platform.url)
    platform.routes = {("POST", f"{DAGS}/dag_{i}/dagRuns"): create_run for i in range(10)}

    names: dict[str, Any] = {}
    exec(reference.example("Async Operations"), names)  # noqa: S102 - code of the API reference
    results = asyncio.run(names["trigger_multiple_dags"]())

    assert [result.dag_id for result in results] == [f"dag_{i}" for i in range(10)]
    assert {request.headers["x-api-key"] for request in platform.requests} == {"your-key"}
