"""The API reference's examples for DAGs, runs and tasks, with Airflow's own endpoints over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
import reference
from airflow_platform import PlatformClient
from live_platform import DAG_ID, RUN_ID

Finish = Callable[[], None]


@pytest.fixture(params=[reference.run, reference.run_async], ids=["sync", "async"])
def run(
    request: pytest.FixtureRequest, live_url: str, finish: Finish, committed_key: Callable[[str], str]
) -> Callable[[str], dict[str, Any]]:
    """Return a function that runs an example with one of the clients; a sleep finishes all runs."""
    key = committed_key("admin")
    return lambda heading: request.param(reference.example(heading), live_url, key, sleep=lambda _: finish())


@pytest.fixture
def admin(live_url: str, finish: Finish, committed_key: Callable[[str], str]) -> Any:
    """Return a client of a platform admin."""
    with PlatformClient(live_url, committed_key("admin")) as client:
        yield client


def test_the_dag_examples_work(
    run: Callable[[str], dict[str, Any]], admin: PlatformClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """A DAG is listed, shown, triggered, followed, paused and unpaused."""
    variables = run("DAG Management")
    printed = [line for line in capfd.readouterr().out.splitlines() if not line.startswith("[")]
    triggered = variables["run"]
    assert printed[0] == f"{DAG_ID}: ETL pipeline from bronze to silver layer"
    assert printed[1] == "Schedule: 0 0 * * *"
    assert printed[2].startswith("Next run: 20")
    assert printed[3:] == [f"Started run: {triggered.dag_run_id}", "Status: success"]
    assert triggered.conf == {"batch_size": 5000}
    assert admin.dags.get_run(DAG_ID, triggered.dag_run_id).model_dump() == triggered.model_dump()
    assert admin.dags.get(DAG_ID).is_paused is False


def test_the_task_examples_work(
    run: Callable[[str], dict[str, Any]], admin: PlatformClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """Task instances are listed, one is cleared, and the log of another is read."""
    run("Task Management")
    printed = capfd.readouterr().out
    assert "validate_source_data: success (duration: 125.5s)\n" in printed
    assert "transform_to_silver: success (duration: 125.5s)\n" in printed
    assert "it went well" in printed
    assert admin.tasks.get_instance(DAG_ID, "transform_to_silver", RUN_ID).state is None
    assert admin.tasks.get_instance(DAG_ID, "validate_source_data", RUN_ID).state == "success"


def test_the_pagination_example_works(run: Callable[[str], dict[str, Any]]) -> None:
    """The loop collects all DAGs."""
    assert [dag.dag_id for dag in run("Pagination")["all_dags"]] == [DAG_ID]


def test_the_error_handling_example_works(
    run: Callable[[str], dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    """An unknown DAG prints the expected message."""
    run("Error Handling")
    assert "DAG not found\n" in capfd.readouterr().out


def test_runs_are_listed_and_deleted(admin: PlatformClient) -> None:
    """Runs are listed in pages, counted, filtered, iterated over and deleted."""
    for number in range(4):
        admin.dags.trigger(DAG_ID, run_id=f"mine_{number}")
    page = admin.dags.runs(DAG_ID, limit=2, order_by="-execution_date")
    assert (len(page), len(page.dag_runs), page.total_entries) == (2, 2, 5)
    ids = {run.dag_run_id for run in admin.dags.runs(DAG_ID)}
    assert ids == {RUN_ID, *(f"mine_{number}" for number in range(4))}
    assert [run.dag_run_id for run in admin.dags.runs(DAG_ID, state=["success"])] == [RUN_ID]
    admin.dags.delete_run(DAG_ID, "mine_0")
    assert len(admin.dags.runs(DAG_ID)) == 4


def test_the_state_of_a_task_instance_is_set(admin: PlatformClient) -> None:
    """``set_state`` returns the instance with its new state."""
    assert admin.tasks.set_state(DAG_ID, "validate_source_data", RUN_ID, "failed").state == "failed"
