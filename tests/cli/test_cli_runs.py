"""``dags trigger`` and the ``tasks`` commands, and the requests that they send."""

from typing import Any

import pytest
from airflow_platform_cli.commands import tasks
from command_line import Run
from fake_platform import FakePlatform
from reference_answers import DAG, INSTANCE, INSTANCE_PATH, RUN, TASK

pytestmark = pytest.mark.usefixtures("reference_routes")


def test_trigger_sends_the_configuration_and_the_run_id(cli: Run, platform: FakePlatform) -> None:
    """``--conf`` and ``--run-id`` are sent."""
    cli("dags", "trigger", DAG["dag_id"], "--conf", '{"batch_size": 5000}', "--run-id", "mine")
    assert platform.last.body == {"conf": {"batch_size": 5000}, "dag_run_id": "mine"}


@pytest.mark.parametrize("conf", ["{", "[1]", "5"])
def test_conf_must_be_a_json_object(conf: str, cli: Run, platform: FakePlatform) -> None:
    """A configuration that is not a JSON object exits with 2 and sends nothing."""
    result = cli("dags", "trigger", "a", "--conf", conf)
    assert result.status == 2
    assert "JSON" in result.err
    assert not platform.requests


@pytest.mark.parametrize(
    ("date", "first", "last"),
    [
        ("2024-01-15", "2024-01-15T00:00:00+00:00", "2024-01-15T23:59:59.999999+00:00"),
        ("2024-01-15T00:00:00", "2024-01-15T00:00:00+00:00", "2024-01-15T00:00:00+00:00"),
        ("2024-01-15T06:30:00Z", "2024-01-15T06:30:00+00:00", "2024-01-15T06:30:00+00:00"),
        ("2024-01-15T06:30:00+02:00", "2024-01-15T06:30:00+02:00", "2024-01-15T06:30:00+02:00"),
    ],
)
def test_execution_date_means_a_day_or_a_moment(
    date: str, first: str, last: str, cli: Run, platform: FakePlatform
) -> None:
    """A day means the run of that day, a time the run of exactly that time."""
    cli("tasks", "clear", DAG["dag_id"], "--task", TASK["task_id"], "--execution-date", date)
    search, clear = platform.requests
    assert search.query["execution_date_gte"] == [first]
    assert search.query["execution_date_lte"] == [last]
    assert clear.body["dag_run_id"] == "scheduled__1"


def test_a_day_without_a_run_is_an_error(cli: Run, platform: FakePlatform) -> None:
    """The error names the DAG and the date."""
    platform.answer(200, {"dag_runs": [], "total_entries": 0})
    result = cli("tasks", "logs", "a", "--task", "t", "--execution-date", "2024-01-15")
    assert (result.status, result.err) == (1, "Error: No run of a has the logical date 2024-01-15\n")


def test_several_runs_of_a_day_need_a_run_id(cli: Run, platform: FakePlatform) -> None:
    """The error names the runs, and --run-id chooses one."""
    platform.answer(200, {"dag_runs": [RUN, RUN | {"dag_run_id": "manual__2"}], "total_entries": 2})
    result = cli("tasks", "logs", "a", "--task", "t", "--execution-date", "2024-01-15")
    assert result.status == 1
    assert result.err.endswith("scheduled__1, manual__2; choose one with --run-id\n")
    task = ["--task", TASK["task_id"], "--run-id", "scheduled__1"]
    assert cli("tasks", "logs", DAG["dag_id"], *task).out == "host\nit went well\n"


@pytest.mark.parametrize("options", [[], ["--execution-date", "yesterday"]])
def test_a_missing_or_invalid_date_exits_with_2(options: list[str], cli: Run, platform: FakePlatform) -> None:
    """Without a run or a valid date, nothing is sent."""
    assert cli("tasks", "clear", "a", "--task", "t", *options).status == 2
    assert not platform.requests


def test_follow_prints_each_line_once(
    cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--follow prints each line once, over all tries, and ends when the task has finished."""
    monkeypatch.setattr(tasks, "FOLLOW_INTERVAL", 0)
    states = iter([(None, 0), ("running", 1), ("running", 1), ("up_for_retry", 1), ("success", 2)])
    logs = iter(["host\none\n", "host\none\ntwo\n", "host\none\ntwo\n", "host\nagain\n"])

    def instance(_: object) -> dict[str, Any]:
        state, tries = next(states)
        return INSTANCE | {"state": state, "try_number": tries}

    platform.routes[("GET", INSTANCE_PATH)] = instance
    platform.routes[("GET", f"{INSTANCE_PATH}/logs/*")] = lambda _: next(logs)
    del platform.routes[("GET", f"{INSTANCE_PATH}/logs/2")]
    result = cli(
        "tasks", "logs", DAG["dag_id"], "--task", TASK["task_id"], "--run-id", "scheduled__1", "--follow"
    )
    assert result.out == "host\none\ntwo\nhost\nagain\n"


def test_follow_loses_nothing_of_a_log_that_begins_late(
    cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--follow prints the whole log of a task that had written nothing at first."""
    monkeypatch.setattr(tasks, "FOLLOW_INTERVAL", 0)
    states = iter(["running", "running", "running", "success"])
    preamble = "host\n*** Found local files:\n::group::Log message source details\n::endgroup::\n"
    logs = iter(["\n", preamble, f"{preamble}[2026] one\n", f"{preamble}[2026] one\n[2026] two\n"])
    platform.routes[("GET", INSTANCE_PATH)] = lambda _: INSTANCE | {"state": next(states), "try_number": 1}
    platform.routes[("GET", f"{INSTANCE_PATH}/logs/*")] = lambda _: next(logs)
    del platform.routes[("GET", f"{INSTANCE_PATH}/logs/2")]
    result = cli(
        "tasks", "logs", DAG["dag_id"], "--task", TASK["task_id"], "--run-id", "scheduled__1", "--follow"
    )
    assert result.out == f"{preamble}[2026] one\n[2026] two\n"


def test_logs_say_that_a_task_has_not_started(cli: Run, platform: FakePlatform) -> None:
    """A task without a try prints a message and no log."""
    platform.routes[("GET", INSTANCE_PATH)] = INSTANCE | {"state": None, "try_number": 0}
    result = cli("tasks", "logs", DAG["dag_id"], "--task", TASK["task_id"], "--run-id", "scheduled__1")
    assert (result.out, result.err) == ("", "The task has not started.\n")


def test_clear_says_that_nothing_was_cleared(cli: Run, platform: FakePlatform) -> None:
    """An empty result prints a message."""
    platform.answer(200, {"task_instances": []})
    assert "Nothing was cleared" in cli("tasks", "clear", "a", "--task", "t", "--run-id", "r").err
