"""Every command and every option explains itself."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from airflow_platform_cli.main import app
from command_line import Run


def walk(command: Any, words: tuple[str, ...] = ("airflow-cli",)) -> Iterator[tuple[str, Any]]:
    """Yield each command and group with its full name."""
    yield " ".join(words), command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*words, name))


COMMANDS = dict(walk(typer.main.get_command(app)))
PARAMETERS = {
    f"{name} {parameter.name}": parameter
    for name, command in COMMANDS.items()
    for parameter in command.params
}


def test_the_walk_finds_all_commands() -> None:
    """The tests below see every group and command."""
    assert {"airflow-cli login", "airflow-cli dags", "airflow-cli datakits deploy"} <= set(COMMANDS)
    assert len(COMMANDS) > 55
    assert len(PARAMETERS) > 150


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """The help begins with a sentence."""
    assert re.match(r"[A-Z].*[.:]", COMMANDS[name].help or "")


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_argument_and_option_has_help(name: str) -> None:
    """The help begins with a capital letter and ends with a period, except that of typer's own options."""
    text = PARAMETERS[name].help or ""
    assert re.match(r"[A-Z].{3}", text)
    assert text.endswith(".") or PARAMETERS[name].name in ("install_completion", "show_completion")


def test_help_shows_the_options(unconfigured: Run) -> None:
    """``--help`` prints the options of a command with their help."""
    result = unconfigured("datakits", "deploy", "--help")
    assert result.status == 0
    assert "--wait-timeout" in result.out
    assert "Maximum number of seconds to wait." in " ".join(result.out.split())
    assert " --timeout" not in result.out
