"""The commands of the API reference, their output and their errors."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from airflow_platform_cli.main import app
from command_line import Run
from fake_platform import FakePlatform
from reference import commands

pytestmark = pytest.mark.usefixtures("reference_routes")

# These groups have their own test modules.
TESTED_ELSEWHERE = ("config", "connections")
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
