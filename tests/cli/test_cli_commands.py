"""The commands of the API reference, and what they ask of the platform."""

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

# These are looked at by themselves.
LATER = ("config", "connections")
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
    """Answers for all of the reference."""
    platform.routes = dict(ROUTES)


COMMANDS = [command for command in commands() if not " ".join(command).startswith(LATER)]


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_reference(
    command: list[str], output: str, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command runs as it stands, and prints in each format."""
    monkeypatch.chdir(tmp_path)
    Path("datakit.yaml").write_text(yaml.safe_dump({"name": "my-datakit", "version": "1.0.0"}))
    if "--follow" in command and output != "table":
        pytest.skip("what is followed has no end to put around it")
    result = cli(*command, "-o", output)
    assert (result.status, result.err) == (0, "")
    if output != "table":
        assert json.loads(result.out) if output == "json" else yaml.safe_load(result.out)


def test_output_of_every_command() -> None:
    """Every command that prints an answer takes -o; the others say what they did, and print nothing."""

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(inner, (*words, name))
        if not hasattr(command, "commands"):
            yield " ".join(words), command

    without = {
        name
        for name, command in below(typer.main.get_command(app), ())
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
def test_output_for_all_commands(command: str, form: str, cli: Run) -> None:
    """How to print can be said before any command; what is said after it counts more."""
    out = cli(*command.split()).out
    kind = "json" if out.startswith("[") else "yaml" if out.startswith("-") else "table"
    assert kind == form


def test_table(cli: Run) -> None:
    """A table shows the most telling fields, readably."""
    header, _, row = [line for line in cli("dags", "list").out.splitlines() if line.strip()]
    assert header.split()[:3] == ["dag_id", "schedule_interval", "is_paused"]
    assert re.split(r"\s{2,}", row.strip()) == [
        "bronze_to_silver_pipeline",
        "0 0 * * *",
        "no",
        "production, etl",
    ]


def test_tables_are_not_cut_in_a_pipe(cli: Run, platform: FakePlatform) -> None:
    """However long a name, and with brackets in it, a pipe gets all of it."""
    name = "[bold]" + "x" * 300
    platform.answer(200, {"dags": [{"dag_id": name}], "total_entries": 1})
    assert name in cli("dags", "list").out


def test_tags(cli: Run, platform: FakePlatform) -> None:
    """Tags are separated by commas."""
    cli("dags", "list", "--tags", "production, critical,")
    assert platform.last.query["tags"] == ["production", "critical"]


def test_trigger(cli: Run, platform: FakePlatform) -> None:
    """The configuration and the name of a run arrive."""
    cli("dags", "trigger", DAG["dag_id"], "--conf", '{"batch_size": 5000}', "--run-id", "mine")
    assert platform.last.body == {"conf": {"batch_size": 5000}, "dag_run_id": "mine"}


@pytest.mark.parametrize("conf", ["{", "[1]", "5"])
def test_conf_that_is_no_object(conf: str, cli: Run, platform: FakePlatform) -> None:
    """A configuration that is no JSON object is a wrong command, and nothing is sent."""
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
def test_execution_date(date: str, first: str, last: str, cli: Run, platform: FakePlatform) -> None:
    """A day means any run of that day, an instant the run of that instant."""
    cli("tasks", "clear", DAG["dag_id"], "--task", TASK["task_id"], "--execution-date", date)
    search, clear = platform.requests
    assert search.query["execution_date_gte"] == [first]
    assert search.query["execution_date_lte"] == [last]
    assert clear.body["dag_run_id"] == "scheduled__1"


def test_no_run_of_the_day(cli: Run, platform: FakePlatform) -> None:
    """A day without a run is an error."""
    platform.answer(200, {"dag_runs": [], "total_entries": 0})
    result = cli("tasks", "logs", "a", "--task", "t", "--execution-date", "2024-01-15")
    assert (result.status, result.err) == (1, "Error: No run of a has the logical date 2024-01-15\n")


def test_several_runs_of_the_day(cli: Run, platform: FakePlatform) -> None:
    """Of several runs none is guessed; they are named, and --run-id chooses."""
    platform.answer(200, {"dag_runs": [RUN, RUN | {"dag_run_id": "manual__2"}], "total_entries": 2})
    result = cli("tasks", "logs", "a", "--task", "t", "--execution-date", "2024-01-15")
    assert result.status == 1
    assert result.err.endswith("scheduled__1, manual__2; choose one with --run-id\n")
    task = ["--task", TASK["task_id"], "--run-id", "scheduled__1"]
    assert cli("tasks", "logs", DAG["dag_id"], *task).out == "host\nit went well\n"


@pytest.mark.parametrize("options", [[], ["--execution-date", "yesterday"]])
def test_no_date(options: list[str], cli: Run, platform: FakePlatform) -> None:
    """Without a run or a date that can be read the command is wrong."""
    assert cli("tasks", "clear", "a", "--task", "t", *options).status == 2
    assert not platform.requests


def test_follow(cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Following prints each line once, over all tries, and ends with the task."""
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


def test_follow_from_before_the_first_line(
    cli: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Following a task that has written nothing yet loses none of its log, not even the first character."""
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


def test_logs_of_a_task_that_has_not_started(cli: Run, platform: FakePlatform) -> None:
    """A task without a try has no logs."""
    platform.routes[("GET", INSTANCE_PATH)] = INSTANCE | {"state": None, "try_number": 0}
    result = cli("tasks", "logs", DAG["dag_id"], "--task", TASK["task_id"], "--run-id", "scheduled__1")
    assert (result.out, result.err) == ("", "The task has not started.\n")


def test_nothing_to_clear(cli: Run, platform: FakePlatform) -> None:
    """Clearing nothing is said."""
    platform.answer(200, {"task_instances": []})
    assert "Nothing was cleared" in cli("tasks", "clear", "a", "--task", "t", "--run-id", "r").err


def test_register_with_another_image(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """The option's image replaces the file's, and the rest goes as it is."""
    manifest = {"name": "k", "version": "1.0.0", "image": "a:1", "runner": "pod", "released": "2024-01-15"}
    path = tmp_path / "kit.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in manifest.items()))
    assert cli("datakits", "register", "--file", str(path), "--image", "b:2").status == 0
    assert platform.last.body == manifest | {"image": "b:2"}


def test_register_without_a_name(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """A manifest that cannot be one is refused here."""
    path = tmp_path / "kit.yaml"
    path.write_text("version: 1.0.0")
    result = cli("datakits", "register", "--file", str(path))
    assert (result.status, f"{path} lacks name" in result.err) == (2, True)
    assert not platform.requests


def test_deploy(cli: Run, platform: FakePlatform) -> None:
    """Each option of a deployment arrives."""
    options = '--environment staging --schedule @daily --namespace analytics --config {"n":1}'
    cli("datakits", "deploy", KIT["name"], *options.split())
    assert platform.last.body == {
        "environment": "staging",
        "schedule": "@daily",
        "namespace": "analytics",
        "configuration": {"n": 1},
    }


def test_status(cli: Run, platform: FakePlatform) -> None:
    """A deployment and its status are one row."""
    rows = json.loads(cli("datakits", "status", KIT["name"], "--environment", "production", "-o", "json").out)
    assert [(row["revision"], row["status"]) for row in rows] == [(3, "active")]
    assert platform.requests[0].query["datakit"] == [KIT["name"]]
    assert platform.requests[0].query["environment"] == ["production"]


def test_status_of_what_is_not_deployed(cli: Run, platform: FakePlatform) -> None:
    """A kit may have no deployment, but must be there."""
    platform.routes[("GET", "/api/v1/datakits/deployments")] = {"deployments": [], "total_entries": 0}
    platform.routes[("GET", "/api/v1/datakits/k")] = KIT
    assert cli("datakits", "status", "k").status == 0
    assert cli("datakits", "status", "unknown").status == 1


def test_deploy_resets_what_it_is_asked_to(cli: Run, platform: FakePlatform) -> None:
    """What is not given is not sent, so it keeps its value; --reset sends null, and --replace says so."""
    command = ("datakits", "deploy", KIT["name"], "--environment", "staging")
    cli(*command, "--reset", "schedule", "--reset", "try_timeout")
    assert platform.last.body == {"environment": "staging", "schedule": None, "timeout": None}
    cli(*command, "--replace", "--schedule", "@daily")
    assert platform.last.body == {"environment": "staging", "schedule": "@daily", "replace": True}


@pytest.mark.parametrize("options", ["--reset colour", "--reset schedule --schedule @daily"])
def test_deploy_refuses_a_reset_that_makes_no_sense(options: str, cli: Run, platform: FakePlatform) -> None:
    """A field that cannot be reset, or is given as well, is refused before anything is sent."""
    assert cli("datakits", "deploy", KIT["name"], "--environment", "e", *options.split()).status == 2
    assert not platform.requests


def test_deploy_and_wait(cli: Run, platform: FakePlatform) -> None:
    """What becomes of it is told as it goes, beside the answer; what Airflow cannot run is an error."""
    states = iter(["pending", "parsed", "active", "pending", "import_error"])
    platform.routes[("GET", "/api/v1/datakits/deployments/dep_1/status")] = lambda _: {
        "deployment_id": "dep_1",
        "status": (state := next(states)),
        "message": "ValueError: no" if state == "import_error" else None,
    }
    command = ("datakits", "deploy", KIT["name"], "--environment", "production", "--wait", "-o", "json")
    well = cli(*command)
    assert (well.status, well.err.split(), json.loads(well.out)["id"]) == (
        0,
        ["pending", "parsed", "active"],
        "dep_1",
    )
    badly = cli(*command)
    assert (badly.status, badly.out) == (1, "")
    assert "import_error: ValueError: no" in badly.err


def test_deploy_dry_run(cli: Run, platform: FakePlatform) -> None:
    """Nothing is waited for: there is nothing."""
    cli("datakits", "deploy", KIT["name"], "--environment", "production", "--dry-run", "--wait")
    assert platform.last.body == {"environment": "production", "dry_run": True}


def test_rollback(cli: Run, platform: FakePlatform) -> None:
    """The deployment is found by the kit's name, where there is one."""
    assert cli("datakits", "rollback", KIT["name"], "--version", "1.1.0", "--reason", "slow").status == 0
    assert platform.last.body == {"version": "1.1.0", "reason": "slow"}
    two = [DEPLOYMENT, DEPLOYMENT | {"environment": "staging"}]
    platform.routes[("GET", "/api/v1/datakits/deployments")] = {"deployments": two, "total_entries": 2}
    result = cli("datakits", "rollback", KIT["name"], "--version", "1.1.0")
    assert (result.status, "say --environment" in result.err) == (1, True)


def test_tenants(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """A tenant is created from a file, listed and shown."""
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


def test_a_tenant_is_changed_from_a_file(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """What the file does not name is not sent, and null is."""
    change = {"features": {"gpu_support": True, "datakits": None}}
    path = tmp_path / "tenant.yaml"
    path.write_text(yaml.safe_dump({"tenant_id": "analytics-team", **change}))
    platform.answer(200, {"tenant_id": "analytics-team", "features": {"gpu_support": True}})
    assert cli("tenants", "update", "analytics-team", "--file", str(path)).status == 0
    assert (platform.last.method, platform.last.body) == ("PATCH", change)
    refused = cli("tenants", "update", "other-team", "--file", str(path))
    assert (refused.status, "another tenant" in refused.err) == (2, True)


def test_a_tenants_usage_and_end(cli: Run, platform: FakePlatform) -> None:
    platform.answer(200, {"tenant_id": "t", "left": {"cpu": "-1"}, "owned": {"webhooks": 2}})
    assert '{"webhooks": 2}' in cli("tenants", "usage", "t").out
    assert platform.last.path == "/api/v1/platform/tenants/t/usage"
    platform.answer(204, None)
    assert cli("tenants", "delete", "t", "--cascade").status == 0
    assert (platform.last.method, platform.last.query) == ("DELETE", {"cascade": ["true"]})


def test_webhooks(cli: Run, platform: FakePlatform) -> None:
    """A webhook is created, with its secret shown, listed and deleted."""
    webhook = {"webhook_id": "wh_1", "name": "n", "url": "https://a", "events": ["dag.success"]}
    platform.answer(201, webhook | {"secret": "whsec_1"})
    platform.answer(200, {"webhooks": [webhook], "total_entries": 1})
    platform.answer(204, b"")
    created = cli("webhooks", "create", "--name", "n", "--url", "https://a", "--events", "dag.success,b")
    assert "whsec_1" in created.out
    assert platform.last.body["events"] == ["dag.success", "b"]
    assert "dag.success" in cli("webhooks", "list").out
    assert cli("webhooks", "delete", "wh_1").status == 0


def test_query(cli: Run, platform: FakePlatform) -> None:
    """An analyst gets a table of the rows, and numbers go as numbers."""
    rows = [{"segment": "Diamond", "n": 127}, {"segment": "Gold", "n": None}]
    platform.answer(200, {"query_id": "q_1", "status": "completed", "data": rows, "truncated": True})
    parameters = ["day=2024-01-01", "n=5", "all=true", "none=null", "eq=a=b", "empty="]
    options = [word for parameter in parameters for word in ("--param", parameter)]
    result = cli("query", "SELECT 1", "--database", "warehouse", "--limit", "2", *options)
    assert result.err == "2 rows\nThe result was cut: the query has more rows than these 2.\n"
    rows_printed = [line.split() for line in result.out.splitlines() if line.strip()]
    assert rows_printed[2:] == [["Diamond", "127"], ["Gold"]]
    assert platform.last.body == {
        "query": "SELECT 1",
        "database": "warehouse",
        "limit": 2,
        "parameters": {"day": "2024-01-01", "n": 5, "all": True, "none": None, "eq": "a=b", "empty": ""},
    }


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_query_that_was_cut(output: str, cli: Run, platform: FakePlatform) -> None:
    """That a result was cut, and why, is said on standard error in every format; columns keep their order."""
    rows = [{"z": 1, "a": 2, "m": 3}]
    metadata = {
        "columns": [{"name": name, "type": "INT"} for name in "zam"],
        "warnings": ["limit was lowered."],
    }
    answer = {"query_id": "q", "status": "completed", "data": rows, "truncated": True, "metadata": metadata}
    platform.answer(200, answer)
    result = cli("query", "SELECT 1", "-o", output)
    cut = "The result was cut: the query has more rows than these 1.\nlimit was lowered.\n"
    assert result.err == ("1 rows\n" if output == "table" else "") + cut
    if output == "table":
        assert result.out.split()[:3] == ["z", "a", "m"]
    else:
        assert list(yaml.safe_load(result.out)["data"][0]) == ["z", "a", "m"]


def test_query_without_rows(cli: Run, platform: FakePlatform) -> None:
    """A query may find nothing."""
    platform.answer(200, {"query_id": "q_1", "status": "completed", "data": []})
    assert cli("query", "SELECT 1").err == "0 rows\n"


def test_wrong_parameter(cli: Run, platform: FakePlatform) -> None:
    """A parameter without a name or value is a wrong command."""
    assert cli("query", "SELECT 1", "--param", "n").status == 2
    assert not platform.requests


def test_error(cli: Run) -> None:
    """What the platform refuses is one line with its code and request."""
    result = cli("dags", "get", "no")
    assert (result.status, result.out) == (1, "")
    assert result.err == "Error: GET /api/v1/dags/no: nothing here (RESOURCE_NOT_FOUND, request req_1)\n"


@pytest.mark.parametrize("command", [["dags", "get", ""], ["dags", "get", ".."]])
def test_no_identifier(command: list[str], cli: Run, platform: FakePlatform) -> None:
    """A name that is none is refused before anything is sent."""
    assert cli(*command).status == 2
    assert not platform.requests


@pytest.mark.parametrize("command", [["dags", "lst"], ["dags", "get"], ["dags", "list", "-o", "xml"]])
def test_usage(command: list[str], cli: Run) -> None:
    """A wrong command exits with 2."""
    assert cli(*command).status == 2


def test_version(cli: Run) -> None:
    """The version is told."""
    assert cli("--version").out == "0.1.0\n"
