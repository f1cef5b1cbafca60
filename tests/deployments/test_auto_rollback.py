"""Automatic rollbacks."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import TimeoutError as SATimeout

from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.core import db, events
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.deployments import auto_rollback, revisions
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.runs.run_events import dag_run_event

pytestmark = pytest.mark.usefixtures("declared_payloads")

URL = "/api/v1/datakits"
NAME = "customer-360-datakit"


@pytest.fixture
def run(session: Any) -> Callable[..., None]:
    """End a run of a DAG, and let the worker process its event."""
    count = iter(range(1, 1000))

    def end(dag_id: str, state: str = "failed", *, began: timedelta = timedelta(seconds=1)) -> None:
        number = next(count)
        row = DagRun(dag_id=dag_id, run_id=f"r{number}", run_type="manual", state=state)
        row.execution_date = row.start_date = db.now() + began
        row.end_date = row.start_date + timedelta(seconds=number)
        session.add(row)
        session.flush()
        event = dag_run_event(row)
        assert event is not None
        events.record(session.connection(), [event])
        events.fan_out({"auto-rollback": auto_rollback.mark_failing})

    return end


@pytest.fixture
def made(deploy: Callable[..., Any], call: Callable[..., Any], manifest: dict[str, Any]) -> Any:
    """Deploy 1.2.0 and then 1.3.0, which is rolled back after its first failure."""
    deploy()
    call("POST", URL, json=manifest | {"version": "1.3.0"})
    return deploy(auto_rollback={"after_failures": 2}).json


def test_failed_runs_in_a_row_roll_a_deployment_back(
    made: Any, run: Callable[..., None], deploy: Callable[..., Any], call: Callable[..., Any], session: Any
) -> None:
    """The version is bad here from then on, and there is one event."""
    run(made["dag_id"])
    assert auto_rollback.roll_back() == 0
    run(made["dag_id"])
    assert auto_rollback.roll_back() == 1
    assert auto_rollback.roll_back() == 0
    back = call("GET", f"{URL}/deployments/{made['id']}").json
    assert (back["version"], back["revision"], back["action"], back["source"]) == (
        "1.2.0",
        3,
        "auto_rollback",
        1,
    )
    assert (back["reason"], back["created_by"]) == ("2 failed runs in a row", "platform")
    assert back["bad_versions"] == ["1.3.0"]
    rollback = session.scalars(select(Event).where(Event.type == "datakit.rolled_back")).one()
    assert (rollback.data["automatic"], rollback.data["from_version"]) == (True, "1.3.0")

    refused = deploy()
    assert (refused.status, refused.json["error"]["details"]["bad_versions"]) == (409, ["1.3.0"])
    forced = deploy(force=True)
    assert (forced.status, forced.json["bad_versions"]) == (200, [])


def test_a_success_resets_the_count_of_failures(made: Any, run: Callable[..., None]) -> None:
    for state in ("failed", "success", "failed"):
        run(made["dag_id"], state)
    assert auto_rollback.roll_back() == 0


def test_runs_that_started_before_the_deploy_do_not_count(made: Any, run: Callable[..., None]) -> None:
    for _ in range(3):
        run(made["dag_id"], began=timedelta(hours=-1))
    assert auto_rollback.roll_back() == 0


def test_without_auto_rollback_a_deployment_is_not_rolled_back(
    deploy: Callable[..., Any], run: Callable[..., None]
) -> None:
    deploy()
    second = deploy().json
    for _ in range(3):
        run(second["dag_id"])
    assert auto_rollback.roll_back() == 0


def test_a_rollback_of_a_configuration_marks_no_version_as_bad(
    deploy: Callable[..., Any], run: Callable[..., None], call: Callable[..., Any]
) -> None:
    deploy()
    second = deploy(configuration={"batch_size": 1}, auto_rollback={"after_failures": 1}).json
    run(second["dag_id"])
    assert auto_rollback.roll_back() == 1
    back = call("GET", f"{URL}/deployments/{second['id']}").json
    assert (back["configuration"]["batch_size"], back["bad_versions"]) == (5000, [])


def test_rollbacks_come_to_an_end(
    deploy: Callable[..., Any], run: Callable[..., None], call: Callable[..., Any]
) -> None:
    """Each goes further back than the one before; without an earlier revision nothing happens."""
    for size in (1, 2, 3):
        made = deploy(configuration={"batch_size": size}, auto_rollback={"after_failures": 1}).json
    sizes = []
    for _ in range(4):
        run(made["dag_id"], began=timedelta(seconds=30))
        auto_rollback.roll_back()
        sizes.append(call("GET", f"{URL}/deployments/{made['id']}").json["configuration"]["batch_size"])
    assert sizes == [2, 1, 1, 1]


def test_a_rollback_skips_withdrawn_versions(
    made: Any, run: Callable[..., None], call: Callable[..., Any]
) -> None:
    call("PATCH", f"{URL}/{NAME}@1.2.0", json={"withdrawn": True})
    run(made["dag_id"])
    run(made["dag_id"])
    assert auto_rollback.roll_back() == 0
    assert call("GET", f"{URL}/deployments/{made['id']}").json["revision"] == 2


def test_a_deploy_in_the_meantime_is_not_rolled_back(
    made: Any, run: Callable[..., None], deploy: Callable[..., Any], call: Callable[..., Any]
) -> None:
    run(made["dag_id"])
    run(made["dag_id"])
    deploy(schedule="@hourly")
    assert auto_rollback.roll_back() == 0
    assert call("GET", f"{URL}/deployments/{made['id']}").json["revision"] == 3


@pytest.mark.parametrize(
    ("error", "stays"),
    [(KeyError("manifest"), False), (ValueError("old"), False), (TimeoutError(), False), (SATimeout(), True)],
    ids=["key", "value", "os", "database"],
)
def test_an_error_does_not_stop_the_rollbacks_of_other_deployments(  # noqa: PLR0913 - fixtures
    made: Any,
    deploy: Callable[..., Any],
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    *,
    stays: bool,
) -> None:
    """Temporary errors are retried, and all other errors end the attempt."""
    other = deploy(environment="staging").json
    for row in session.scalars(select(Deployment)):
        row.rollback_from = row.revision
    session.flush()
    whole, seen = revisions.redeploy, []

    def redeploy(own: Any, deployment: Any, *args: Any) -> Any:
        seen.append(deployment.id)
        if deployment.id == made["id"]:
            raise error
        return whole(own, deployment, *args)

    monkeypatch.setattr(revisions, "redeploy", redeploy)
    deploy(environment="staging", reason="so that there is one to go back to")
    session.get(Deployment, other["id"]).rollback_from = 2
    session.flush()
    assert auto_rollback.roll_back() == 1
    assert set(seen) == {made["id"], other["id"]}
    session.expire_all()
    assert (session.get(Deployment, made["id"]).rollback_from is not None) is stays
    assert session.get(Deployment, other["id"]).revision == 3
