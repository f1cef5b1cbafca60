"""The status of a deployment while Airflow parses it."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.models.errors import ParseImportError
from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import update

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun
from airflow_platform_plugin.core import db, wait_slots
from airflow_platform_plugin.deployments import status
from airflow_platform_plugin.deployments.execution import loader
from airflow_platform_plugin.deployments.health_checks import check_deployments
from airflow_platform_plugin.deployments.models import Deployment

URL = "/api/v1/datakits"
FILE = "/dags/datakits.py"


@pytest.fixture
def ask(deploy: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets the status of a new deployment; ``made`` is its response."""
    made = deploy().json

    def ask(query: str = "") -> Any:
        return call("GET", f"{URL}/deployments/{made['id']}/status{query}").json

    ask.made = made  # type: ignore[attr-defined]
    return ask


def sync(session: Any, dag: Any) -> None:
    """Write what the DAG processor writes about a DAG."""
    session.merge(
        DagModel(
            dag_id=dag.dag_id,
            is_active=True,
            is_paused=False,
            last_parsed_time=db.now(),
            fileloc=FILE,
            next_dagrun_create_after=db.now(),
        )
    )
    session.flush()


def test_pending_parsed_active_paused(ask: Any, deploy: Callable[..., Any], session: Any) -> None:
    """Parsed means that the DAG processor has the DAG; active, that the scheduler has it, too."""
    first = ask()
    assert first["status"] == "pending"
    assert "dags/datakits.py" in first["message"]
    dag = loader.load(FILE)[ask.made["dag_id"]]
    assert (ask()["status"], ask()["message"]) == ("pending", None)
    sync(session, dag)
    assert ask()["status"] == "parsed"
    session.merge(SerializedDagModel(dag))
    session.flush()
    answer = ask()
    assert (answer["status"], answer["message"], answer["last_runs"]) == ("active", None, [])
    assert answer["next_run"] is not None
    session.execute(update(DagModel).values(is_paused=True))
    assert ask()["status"] == "paused"

    session.execute(update(DagModel).values(is_paused=False))
    deploy(schedule="@hourly")
    assert ask()["status"] == "pending"
    dag = loader.load(FILE)[ask.made["dag_id"]]
    sync(session, dag)
    # Airflow writes a DAG to the scheduler's table at most twice a minute.
    assert (ask()["status"], ask()["revision"]) == ("parsed", 2)
    session.merge(SerializedDagModel(dag))
    session.flush()
    assert ask()["status"] == "active"


def test_a_parsing_that_started_before_the_deploy_does_not_count(ask: Any, session: Any) -> None:
    """It has read the revision before, even if it ends later."""
    session.add(
        DagModel(
            dag_id=ask.made["dag_id"],
            is_active=True,
            is_paused=False,
            last_parsed_time=db.now() + timedelta(minutes=1),
            fileloc=FILE,
        )
    )
    session.flush()
    assert ask()["status"] == "pending"


def test_the_status_of_a_broken_deployment_has_its_error(
    ask: Any, deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """Others are not affected, and the next deploy repairs it."""
    other = deploy(environment="staging").json
    broken = session.get(Deployment, ask.made["id"])
    spec = dict(broken.current.spec)
    broken.current.spec = {**spec, "schedule": "never"}
    session.flush()
    assert list(loader.load(FILE)) == [other["dag_id"]]
    session.expire_all()
    answer = ask()
    assert answer["status"] == "import_error"
    assert answer["message"].startswith("AirflowTimetableInvalid: ")
    assert call("GET", f"{URL}/deployments/{other['id']}/status").json["status"] == "pending"
    broken.current.spec = spec
    session.flush()
    loader.load(FILE)
    session.expire_all()
    assert ask()["status"] == "pending"


def test_the_status_reports_a_loader_file_that_cannot_be_imported(ask: Any, session: Any) -> None:
    session.add(ParseImportError(filename=FILE, stacktrace="Traceback\nValueError: no\n", timestamp=db.now()))
    session.flush()
    loader.load(FILE)
    assert (ask()["status"], ask()["message"]) == ("import_error", "ValueError: no")


def test_the_last_runs_are_listed_newest_first(ask: Any, session: Any) -> None:
    for day in range(7):
        moment = db.now() - timedelta(days=day)
        session.add(
            DagRun(
                dag_id=ask.made["dag_id"], run_id=f"r{day}", run_type="manual", execution_date=moment,
                start_date=moment, state="success",
            )
        )  # fmt: skip
    session.flush()
    assert [run["dag_run_id"] for run in ask()["last_runs"]] == ["r0", "r1", "r2", "r3", "r4"]


def test_a_wait_ends_when_the_deployment_is_parsed(
    ask: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not take the full time."""
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            sync(session, loader.load(FILE)[ask.made["dag_id"]])

    monkeypatch.setattr(status.time, "sleep", nap)
    assert ask("?wait=60")["status"] == "parsed"
    assert len(naps) == 3


def test_a_wait_ends_after_its_time(ask: Any) -> None:
    before = time.monotonic()
    assert ask("?wait=1")["status"] == "pending"
    assert time.monotonic() - before >= 1


def test_a_wait_is_at_most_a_minute(ask: Any) -> None:
    assert ask("?wait=61")["error"]["code"] == "VALIDATION_ERROR"


def test_a_third_waiting_request_gets_a_response_at_once(ask: Any) -> None:
    """A synchronous web worker serves no other request while it waits."""
    with (
        wait_slots.wait_slot(wait_slots.DEPLOYMENTS) as first,
        wait_slots.wait_slot(wait_slots.DEPLOYMENTS) as second,
    ):
        assert (first, second) == (True, True)
        before = time.monotonic()
        assert ask("?wait=30")["status"] == "pending"
        assert time.monotonic() - before < 20


def test_the_status_says_that_another_file_has_a_dag_of_that_id(ask: Any, session: Any) -> None:
    """Airflow runs the DAG that it has parsed last. The doctor names the file."""
    dag_id = ask.made["dag_id"]
    dag = loader.load(FILE)[dag_id]
    sync(session, dag)
    session.merge(SerializedDagModel(dag))
    session.flush()
    assert ask()["status"] == "active"
    assert check_deployments()[0]
    other = str(airflow_compat.config.dags_folder() / "by_hand.py")
    session.get(DagModel, dag_id).fileloc = other
    session.flush()
    status = ask()
    assert (status["status"], other in status["message"]) == ("import_error", False)
    assert "Another file" in status["message"]
    assert check_deployments() == (
        False,
        f"Other files have DAGs with the ids of 1 deployments; rename these: {dag_id} in {other}",
    )
