"""The DAG and task commands of the API reference, with Airflow's own endpoints over HTTP."""

import json
from collections.abc import Callable

import pytest
import yaml
from airflow_platform import PlatformClient
from command_line import Run
from live_platform import DAG_ID, RUN_ID
from reference import commands
from sqlalchemy import delete

from airflow_platform_plugin.airflow_compat.models import Log
from airflow_platform_plugin.core import db
from airflow_platform_plugin.runs.backfill.models import Backfill

COMMANDS = [
    command
    for command in commands()
    if command[0] in ("dags", "tasks") and command[1] != "backfill"  # its own test is below
]


@pytest.fixture
def live(
    unconfigured: Run,
    live_url: str,
    finish: Callable[[], None],
    committed_key: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return a function that runs ``airflow-cli`` as a platform admin, with the API reference's DAG."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", live_url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", committed_key("admin"))
    return unconfigured


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_of_the_api_reference_work(command: list[str], live: Run) -> None:
    """Each command runs unchanged, and -o works before and after it."""
    result = live(*command)
    assert (result.status, result.err) == (0, "")
    assert result.out
    if "--follow" in command:
        assert "it went well" in result.out
        return
    before, after = live("-o", "json", *command), live(*command, "--output", "yaml")
    assert json.loads(before.out)
    assert yaml.safe_load(after.out)
    assert (before.status, after.status) == (0, 0)


def test_commands_change_airflow(live: Run) -> None:
    """Triggering, pausing and clearing are visible in Airflow afterwards."""
    live("dags", "trigger", DAG_ID, "--conf", '{"batch_size": 5000}', "--run-id", "mine")
    live("dags", "pause", DAG_ID)
    live("tasks", "clear", DAG_ID, "--task", "validate_source_data", "--execution-date", "2024-01-15")
    task = ["--task", "transform_to_silver", "--run-id", RUN_ID]
    assert "it went well" in json.loads(live("-o", "json", "tasks", "logs", DAG_ID, *task).out)["logs"]
    with PlatformClient() as client:
        assert client.dags.get(DAG_ID).is_paused is True
        assert client.dags.get_run(DAG_ID, "mine").conf == {"batch_size": 5000}
        states = {each.task_id: each.state for each in client.tasks.get_instances(DAG_ID, RUN_ID)}
    assert states == {"validate_source_data": None, "transform_to_silver": "success"}


def test_the_backfill_of_the_api_reference_works(live: Run) -> None:
    """The command runs unchanged; the same backfill again is refused while the first is running."""
    (command,) = [command for command in commands() if command[:2] == ["dags", "backfill"]]
    try:
        created = json.loads(live("-o", "json", *command).out)
        assert (created["state"], created["progress"]["total"]) == ("running", 31)
        again = live(*command)
        assert (again.status, created["backfill_id"] in again.err) == (1, True)
        assert created["backfill_id"] in live("backfills", "list", "--dag", DAG_ID).out
        assert json.loads(live("backfills", "cancel", created["backfill_id"], "-o", "json").out)["ended_at"]
    finally:
        with db.transaction() as session:
            session.execute(delete(Backfill))
            events = [f"platform.{name}_backfill" for name in ("create", "cancel")]
            session.execute(delete(Log).where(Log.event.in_(events)))
