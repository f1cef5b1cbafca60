"""``airflow-cli datakits`` on the real application over HTTP: the reference's commands, word for word."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Run
from live_platform import datakits_taken_away
from reference import commands

LIST, LIST_TYPE, REGISTER, DEPLOY, STATUS, ROLLBACK = (
    command for command in commands() if command[0] == "datakits"
)
MANIFEST = {"name": "my-datakit", "version": "1.0.0", "type": "ingestion"}


@pytest.fixture
def parse(app: Any) -> Iterator[Callable[[], None]]:
    """Parse the loader file, as the DAG processor does soon after a deploy."""
    with datakits_taken_away() as parse:
        yield parse


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run where a manifest is."""
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
    """``airflow-cli`` of an administrator."""
    assert parse
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", live_url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", committed_key("admin"))
    return unconfigured


def answer(live: Run, *command: str) -> Any:
    """What a command that goes well prints as JSON."""
    result = live("-o", "json", *command)
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


def test_reference(live: Run, parse: Callable[[], None], manifest: dict[str, Any]) -> None:
    """A kit is registered, listed, deployed, looked after and rolled back."""
    registered = answer(live, *REGISTER)
    assert (registered["name"], registered["image"]) == ("my-datakit", REGISTER[-1])
    for version in ("1.1.0", "1.2.0"):
        Path("datakit.yaml").write_text(yaml.safe_dump(manifest | {"version": version}))
        answer(live, "datakits", "register", "--file", "datakit.yaml")
        deployed = answer(live, *DEPLOY)
        assert (deployed["version"], deployed["schedule"]) == (version, "0 2 * * *")
    name = manifest["name"]
    assert [kit["name"] for kit in answer(live, *LIST)] == [name, name, "my-datakit"]
    assert [kit["name"] for kit in answer(live, *LIST_TYPE)] == [name, name]
    assert [(row["version"], row["status"]) for row in answer(live, *STATUS)] == [("1.2.0", "pending")]
    parse()
    assert [(row["version"], row["status"]) for row in answer(live, *STATUS)] == [("1.2.0", "active")]
    back = answer(live, *ROLLBACK)
    assert (back["version"], back["revision"], back["action"]) == ("1.1.0", 3, "rollback")
    parse()
    assert [(row["version"], row["status"]) for row in answer(live, *STATUS)] == [("1.1.0", "active")]
    for command in (LIST, LIST_TYPE, DEPLOY, STATUS):
        assert live(*command).out.count("customer-360-datakit") >= 1


def test_a_manifest_is_held_against_the_published_schema(live: Run) -> None:
    """All that does not fit is told by its place, before anything is sent."""
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
    for complaint in (
        "datakit.yaml is no manifest: ",
        "/version: 1.0 is not of type 'string'",
        "/image: must be an OCI reference with a tag or a digest",
        "/inputs/0: 'name' is a required property",
        "/requirements/cpu: must be a Kubernetes quantity such as 4000m",
        "('labels' was unexpected)",
    ):
        assert complaint in result.err
    assert answer(live, *LIST) == []


def test_what_a_deploy_warns_of_is_said(live: Run, manifest: dict[str, Any]) -> None:
    """On standard error, so that the answer stays JSON; here of a kit that is not installed."""
    Path("datakit.yaml").write_text(yaml.safe_dump(manifest | {"image": "x/not-here:1.0.0"}))
    answer(live, "datakits", "register", "--file", "datakit.yaml")
    deploy = ("datakits", "deploy", manifest["name"], "--environment", "production")
    result = live("-o", "json", *deploy)
    assert result.status == 0
    assert "No kit 'not-here' is installed here" in result.err
    assert json.loads(result.out)["warnings"] == [" ".join(result.err.split())]
