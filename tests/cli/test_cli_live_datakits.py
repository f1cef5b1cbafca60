"""The ``datakits`` commands of the API reference, with the real application over HTTP."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Run
from live_platform import delete_datakits_afterwards
from reference import commands

LIST, LIST_TYPE, REGISTER, DEPLOY, STATUS, ROLLBACK = (
    command for command in commands() if command[0] == "datakits"
)
MANIFEST = {"name": "my-datakit", "version": "1.0.0", "type": "ingestion"}


@pytest.fixture
def parse(app: Any) -> Iterator[Callable[[], None]]:
    """Return a function that parses the loader file, as the DAG processor does."""
    with delete_datakits_afterwards() as parse:
        yield parse


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in a directory with a manifest."""
    monkeypatch.chdir(tmp_path)
    Path("datakit.yaml").write_text(yaml.safe_dump(MANIFEST))


@pytest.fixture
def live(
    unconfigured: Run,
    live_url: str,
    committed_key: Callable[[str], str],
    parse: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return a function that runs ``airflow-cli`` as a platform admin."""
    assert parse
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", live_url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", committed_key("admin"))
    return unconfigured


def run_json(live: Run, *command: str) -> Any:
    """Run a command, which must succeed, and return the JSON that it prints."""
    result = live("-o", "json", *command)
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


def test_the_commands_of_the_api_reference_work(
    live: Run, parse: Callable[[], None], manifest: dict[str, Any]
) -> None:
    """A kit is registered, listed, deployed and rolled back, and its status is shown."""
    registered = run_json(live, *REGISTER)
    assert (registered["name"], registered["image"]) == ("my-datakit", REGISTER[-1])
    for version in ("1.1.0", "1.2.0"):
        Path("datakit.yaml").write_text(yaml.safe_dump(manifest | {"version": version}))
        run_json(live, "datakits", "register", "--file", "datakit.yaml")
        deployed = run_json(live, *DEPLOY)
        assert (deployed["version"], deployed["schedule"]) == (version, "0 2 * * *")
    name = manifest["name"]
    assert [kit["name"] for kit in run_json(live, *LIST)] == [name, name, "my-datakit"]
    assert [kit["name"] for kit in run_json(live, *LIST_TYPE)] == [name, name]
    assert [(row["version"], row["status"]) for row in run_json(live, *STATUS)] == [("1.2.0", "pending")]
    parse()
    assert [(row["version"], row["status"]) for row in run_json(live, *STATUS)] == [("1.2.0", "active")]
    back = run_json(live, *ROLLBACK)
    assert (back["version"], back["revision"], back["action"]) == ("1.1.0", 3, "rollback")
    parse()
    assert [(row["version"], row["status"]) for row in run_json(live, *STATUS)] == [("1.1.0", "active")]
    for command in (LIST, LIST_TYPE, DEPLOY, STATUS):
        assert live(*command).out.count("customer-360-datakit") >= 1


def test_register_validates_the_manifest_with_the_published_schema(live: Run) -> None:
    """The error names each invalid field, and nothing is registered."""
    wrong = {
        "version": 1.0,
        "image": "registry.localhost/kit",
        "inputs": [{"schema": "bronze"}],
        "requirements": {"cpu": "two"},
        "labels": [],
    }
    Path("datakit.yaml").write_text(yaml.safe_dump(MANIFEST | wrong))
    result = live("datakits", "register", "--file", "datakit.yaml")
    assert result.status == 1
    for problem in (
        "datakit.yaml is not a valid manifest: ",
        "/version: 1.0 is not of type 'string'",
        "/image: must be an OCI reference with a tag or a digest",
        "/inputs/0: 'name' is a required property",
        "/requirements/cpu: must be a Kubernetes quantity such as 4000m",
        "('labels' was unexpected)",
    ):
        assert problem in result.err
    assert run_json(live, *LIST) == []


def test_deploy_prints_warnings_on_standard_error(live: Run, manifest: dict[str, Any]) -> None:
    """The result on standard output stays JSON; here the kit is not installed."""
    Path("datakit.yaml").write_text(yaml.safe_dump(manifest | {"image": "x/not-here:1.0.0"}))
    run_json(live, "datakits", "register", "--file", "datakit.yaml")
    deploy = ("datakits", "deploy", manifest["name"], "--environment", "production")
    result = live("-o", "json", *deploy)
    assert result.status == 0
    assert "No kit 'not-here' is installed here" in result.err
    assert json.loads(result.out)["warnings"] == [" ".join(result.err.split())]
