"""The commands of the API reference, and the requests that they send."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from airflow_platform_cli.commands import tasks
from airflow_platform_cli.main import app
from command_line import Run
from fake_platform import FakePlatform
from reference import commands

# These groups have their own test modules.
TESTED_ELSEWHERE = ("config", "connections")
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


@pytest.fixture(autouse=True)
def routes(platform: FakePlatform) -> None:
    """Answer all requests of the API reference's commands."""
    platform.routes = dict(ROUTES)


COMMANDS = [command for command in commands() if not " ".join(command).startswith(TESTED_ELSEWHERE)]


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_of_the_api_reference_work(
    command: list[str], output: str, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the API reference runs unchanged and prints in each format."""
    monkeypatch.chdir(tmp_path)
    Path("datakit.yaml").write_text(yaml.safe_dump({"name": "my-datakit", "version": "1.0.0"}))
    if "--follow" in command and output != "table":
        pytest.skip("--follow prints text only")
    result = cli(*command, "-o", output)
    assert (result.status, result.err) == (0, "")
    if output != "table":
        assert json.loads(result.out) if output == "json" else yaml.safe_load(result.out)


def test_every_command_with_a_result_takes_output() -> None:
    """Only commands that print no result lack the option -o."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))
        if not hasattr(command, "commands"):
            yield " ".join(words), command

    without = {
        name
        for name, command in walk(typer.main.get_command(app), ())
        if not any("-o" in parameter.opts for parameter in command.params)
    }
    assert without == {"login", "logout", "config set", "config unset", "connections export"}


@pytest.mark.parametrize(
    ("command", "form"),
    [
        ("dags list", "table"),
        ("-o json dags list", "json"),
        ("dags list -o yaml", "yaml"),
        ("-o json dags list -o yaml", "yaml"),
        ("--output yaml dags list --output table", "table"),
    ],
)
def test_output_before_the_command_is_the_default(command: str, form: str, cli: Run) -> None:
    """-o may stand before the command; an -o after the command takes precedence."""
    out = cli(*command.split()).out
    kind = "json" if out.startswith("[") else "yaml" if out.startswith("-") else "table"
    assert kind == form


def test_a_table_shows_readable_values(cli: Run) -> None:
    """A table shows the main fields, with schedules, booleans and lists as text."""
    header, _, row = [line for line in cli("dags", "list").out.splitlines() if line.strip()]
    assert header.split()[:3] == ["dag_id", "schedule_interval", "is_paused"]
    assert re.split(r"\s{2,}", row.strip()) == [
        "bronze_to_silver_pipeline",
        "0 0 * * *",
        "no",
        "production, etl",
    ]


def test_a_table_in_a_pipe_is_not_truncated(cli: Run, platform: FakePlatform) -> None:
    """A pipe gets whole values, however long, and brackets are no markup."""
    name = "[bold]" + "x" * 300
    platform.answer(200, {"dags": [{"dag_id": name}], "total_entries": 1})
    assert name in cli("dags", "list").out


def test_tags_are_separated_by_commas(cli: Run, platform: FakePlatform) -> None:
    """``--tags a, b,`` means the tags a and b."""
    cli("dags", "list", "--tags", "production, critical,")
    assert platform.last.query["tags"] == ["production", "critical"]


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


def test_register_replaces_the_image(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """--image replaces the image of the file; all other fields are sent unchanged."""
    manifest = {"name": "k", "version": "1.0.0", "image": "a:1", "runner": "pod", "released": "2024-01-15"}
    path = tmp_path / "kit.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in manifest.items()))
    assert cli("datakits", "register", "--file", str(path), "--image", "b:2").status == 0
    assert platform.last.body == manifest | {"image": "b:2"}


def test_register_refuses_a_manifest_without_a_name(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """A manifest without a required field exits with 2 and sends nothing."""
    path = tmp_path / "kit.yaml"
    path.write_text("version: 1.0.0")
    result = cli("datakits", "register", "--file", str(path))
    assert (result.status, f"{path} lacks name" in result.err) == (2, True)
    assert not platform.requests


def test_deploy_sends_all_options(cli: Run, platform: FakePlatform) -> None:
    """Each option is sent under its API name."""
    options = '--environment staging --schedule @daily --namespace analytics --config {"n":1}'
    cli("datakits", "deploy", KIT["name"], *options.split())
    assert platform.last.body == {
        "environment": "staging",
        "schedule": "@daily",
        "namespace": "analytics",
        "configuration": {"n": 1},
    }


def test_status_shows_each_deployment_with_its_status(cli: Run, platform: FakePlatform) -> None:
    """A deployment and its status are one row, filtered by kit and environment."""
    rows = json.loads(cli("datakits", "status", KIT["name"], "--environment", "production", "-o", "json").out)
    assert [(row["revision"], row["status"]) for row in rows] == [(3, "active")]
    assert platform.requests[0].query["datakit"] == [KIT["name"]]
    assert platform.requests[0].query["environment"] == ["production"]


def test_status_fails_only_for_unknown_kits(cli: Run, platform: FakePlatform) -> None:
    """A kit without deployments is fine; an unknown kit is an error."""
    platform.routes[("GET", "/api/v1/datakits/deployments")] = {"deployments": [], "total_entries": 0}
    platform.routes[("GET", "/api/v1/datakits/k")] = KIT
    assert cli("datakits", "status", "k").status == 0
    assert cli("datakits", "status", "unknown").status == 1


def test_deploy_resets_fields(cli: Run, platform: FakePlatform) -> None:
    """Fields that are not given are not sent; --reset sends null; --replace is sent."""
    command = ("datakits", "deploy", KIT["name"], "--environment", "staging")
    cli(*command, "--reset", "schedule", "--reset", "try_timeout")
    assert platform.last.body == {"environment": "staging", "schedule": None, "timeout": None}
    cli(*command, "--replace", "--schedule", "@daily")
    assert platform.last.body == {"environment": "staging", "schedule": "@daily", "replace": True}


@pytest.mark.parametrize("options", ["--reset colour", "--reset schedule --schedule @daily"])
def test_deploy_refuses_invalid_resets(options: str, cli: Run, platform: FakePlatform) -> None:
    """A field that cannot be reset, or that is given as well, exits with 2 and sends nothing."""
    assert cli("datakits", "deploy", KIT["name"], "--environment", "e", *options.split()).status == 2
    assert not platform.requests


def test_deploy_wait_prints_the_status_and_fails_with_the_deployment(
    cli: Run, platform: FakePlatform
) -> None:
    """Each new status goes to standard error; a deployment that Airflow cannot run exits with 1."""
    states = iter(["pending", "parsed", "active", "pending", "import_error"])
    platform.routes[("GET", "/api/v1/datakits/deployments/dep_1/status")] = lambda _: {
        "deployment_id": "dep_1",
        "status": (state := next(states)),
        "message": "ValueError: no" if state == "import_error" else None,
    }
    command = ("datakits", "deploy", KIT["name"], "--environment", "production", "--wait", "-o", "json")
    active = cli(*command)
    assert (active.status, active.err.split(), json.loads(active.out)["id"]) == (
        0,
        ["pending", "parsed", "active"],
        "dep_1",
    )
    failed = cli(*command)
    assert (failed.status, failed.out) == (1, "")
    assert "import_error: ValueError: no" in failed.err


@pytest.mark.parametrize(
    ("command", "option"),
    [("deploy", "--wait-timeout"), ("rollback", "--wait-timeout"), ("rollback", "--timeout")],
)
def test_wait_timeout_limits_the_wait(command: str, option: str, cli: Run, platform: FakePlatform) -> None:
    """A deployment that stays pending is an error after that many seconds."""
    platform.routes["GET", "/api/v1/datakits/deployments/dep_1/status"] = {
        "deployment_id": "dep_1",
        "status": "pending",
    }
    result = cli("datakits", command, KIT["name"], "--environment", "production", "--wait", option, "0.05")
    assert (result.status, "is still pending after 0.05 s" in result.err) == (1, True)


def test_deploy_has_no_option_timeout(cli: Run, platform: FakePlatform) -> None:
    """``--timeout`` could be taken for the timeout of each try, so it is refused."""
    command = ("datakits", "deploy", KIT["name"], "--environment", "production", "--timeout", "5")
    assert cli(*command).status == 2
    assert not platform.requests


def test_a_dry_run_does_not_wait(cli: Run, platform: FakePlatform) -> None:
    """--wait has no effect on a dry run, which deploys nothing."""
    cli("datakits", "deploy", KIT["name"], "--environment", "production", "--dry-run", "--wait")
    assert platform.last.body == {"environment": "production", "dry_run": True}


def test_rollback_finds_the_deployment_by_the_kits_name(cli: Run, platform: FakePlatform) -> None:
    """With several deployments, the error asks for the environment and namespace."""
    assert cli("datakits", "rollback", KIT["name"], "--version", "1.1.0", "--reason", "slow").status == 0
    assert platform.last.body == {"version": "1.1.0", "reason": "slow"}
    two = [DEPLOYMENT, DEPLOYMENT | {"environment": "staging"}]
    platform.routes[("GET", "/api/v1/datakits/deployments")] = {"deployments": two, "total_entries": 2}
    result = cli("datakits", "rollback", KIT["name"], "--version", "1.1.0")
    assert (result.status, "choose with --environment" in result.err) == (1, True)


def test_a_tenant_is_created_listed_and_shown(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """A tenant is created from a file."""
    tenant = {"tenant_id": "analytics-team", "resource_limits": {"cpu": "4000m"}}
    path = tmp_path / "tenant.json"
    path.write_text(json.dumps(tenant))
    platform.answer(201, tenant)
    platform.answer(200, {"tenants": [tenant], "total_entries": 1})
    platform.answer(200, tenant)
    assert cli("tenants", "create", "--file", str(path)).status == 0
    assert platform.last.body == tenant
    assert "analytics-team" in cli("tenants", "list").out
    assert '{"cpu": "4000m"}' in cli("tenants", "get", "analytics-team").out


def test_a_tenant_is_updated_from_a_file(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """Only the fields of the file are sent, including null; another tenant's file is refused."""
    change = {"features": {"gpu_support": True, "datakits": None}}
    path = tmp_path / "tenant.yaml"
    path.write_text(yaml.safe_dump({"tenant_id": "analytics-team", **change}))
    platform.answer(200, {"tenant_id": "analytics-team", "features": {"gpu_support": True}})
    assert cli("tenants", "update", "analytics-team", "--file", str(path)).status == 0
    assert (platform.last.method, platform.last.body) == ("PATCH", change)
    refused = cli("tenants", "update", "other-team", "--file", str(path))
    assert (refused.status, "another tenant" in " ".join(refused.err.split())) == (2, True)


def test_a_tenants_usage_is_shown_and_the_tenant_deleted(cli: Run, platform: FakePlatform) -> None:
    platform.answer(200, {"tenant_id": "t", "left": {"cpu": "-1"}, "owned": {"webhooks": 2}})
    assert '{"webhooks": 2}' in cli("tenants", "usage", "t").out
    assert platform.last.path == "/api/v1/platform/tenants/t/usage"
    platform.answer(204, None)
    assert cli("tenants", "delete", "t", "--cascade").status == 0
    assert (platform.last.method, platform.last.query) == ("DELETE", {"cascade": ["true"]})


def test_a_webhook_is_created_listed_and_deleted(cli: Run, platform: FakePlatform) -> None:
    """``create`` shows the secret."""
    webhook = {"webhook_id": "wh_1", "name": "n", "url": "https://a", "events": ["dag.success"]}
    platform.answer(201, webhook | {"secret": "whsec_1"})
    platform.answer(200, {"webhooks": [webhook], "total_entries": 1})
    platform.answer(204, b"")
    created = cli("webhooks", "create", "--name", "n", "--url", "https://a", "--events", "dag.success,b")
    assert "whsec_1" in created.out
    assert platform.last.body["events"] == ["dag.success", "b"]
    assert "dag.success" in cli("webhooks", "list").out
    assert cli("webhooks", "delete", "wh_1").status == 0


def test_query_prints_a_table_and_sends_typed_parameters(cli: Run, platform: FakePlatform) -> None:
    """Parameters that are JSON are sent as JSON, all others as text."""
    rows = [{"segment": "Diamond", "n": 127}, {"segment": "Gold", "n": None}]
    platform.answer(200, {"query_id": "q_1", "status": "completed", "data": rows, "truncated": True})
    parameters = ["day=2024-01-01", "n=5", "all=true", "none=null", "eq=a=b", "empty="]
    options = [word for parameter in parameters for word in ("--param", parameter)]
    result = cli("query", "SELECT 1", "--database", "warehouse", "--limit", "2", *options)
    assert result.err == "2 rows\nThe result is truncated: the query has more than 2 rows.\n"
    rows_printed = [line.split() for line in result.out.splitlines() if line.strip()]
    assert rows_printed[2:] == [["Diamond", "127"], ["Gold"]]
    assert platform.last.body == {
        "query": "SELECT 1",
        "database": "warehouse",
        "limit": 2,
        "parameters": {"day": "2024-01-01", "n": 5, "all": True, "none": None, "eq": "a=b", "empty": ""},
    }


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_query_says_that_the_result_is_truncated(output: str, cli: Run, platform: FakePlatform) -> None:
    """Standard error has the message in every format, and columns keep their order."""
    rows = [{"z": 1, "a": 2, "m": 3}]
    metadata = {
        "columns": [{"name": name, "type": "INT"} for name in "zam"],
        "warnings": ["limit was lowered."],
    }
    answer = {"query_id": "q", "status": "completed", "data": rows, "truncated": True, "metadata": metadata}
    platform.answer(200, answer)
    result = cli("query", "SELECT 1", "-o", output)
    truncated = "The result is truncated: the query has more than 1 rows.\nlimit was lowered.\n"
    assert result.err == ("1 rows\n" if output == "table" else "") + truncated
    if output == "table":
        assert result.out.split()[:3] == ["z", "a", "m"]
    else:
        assert list(yaml.safe_load(result.out)["data"][0]) == ["z", "a", "m"]


def test_query_without_rows_prints_their_number(cli: Run, platform: FakePlatform) -> None:
    """A query without rows succeeds."""
    platform.answer(200, {"query_id": "q_1", "status": "completed", "data": []})
    assert cli("query", "SELECT 1").err == "0 rows\n"


def test_a_query_parameter_needs_a_name_and_a_value(cli: Run, platform: FakePlatform) -> None:
    """An incomplete parameter exits with 2 and sends nothing."""
    assert cli("query", "SELECT 1", "--param", "n").status == 2
    assert not platform.requests


def test_an_error_of_the_platform_is_one_line(cli: Run) -> None:
    """The line has the message, the error code and the request id."""
    result = cli("dags", "get", "no")
    assert (result.status, result.out) == (1, "")
    assert result.err == "Error: GET /api/v1/dags/no: nothing here (RESOURCE_NOT_FOUND, request req_1)\n"


@pytest.mark.parametrize("command", [["dags", "get", ""], ["dags", "get", ".."]])
def test_invalid_identifiers_send_nothing(command: list[str], cli: Run, platform: FakePlatform) -> None:
    """An empty or relative name exits with 2."""
    assert cli(*command).status == 2
    assert not platform.requests


@pytest.mark.parametrize("command", [["dags", "lst"], ["dags", "get"], ["dags", "list", "-o", "xml"]])
def test_a_wrong_command_exits_with_2(command: list[str], cli: Run) -> None:
    """Unknown commands, missing arguments and unknown formats exit with 2."""
    assert cli(*command).status == 2


def test_version_prints_the_version(cli: Run) -> None:
    """``--version`` prints the version and nothing else."""
    assert cli("--version").out == "0.1.0\n"
