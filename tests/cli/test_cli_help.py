"""Every command and every option explains itself."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
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


README = Path(__file__).parents[2] / "cli" / "README.md"
LINES = re.sub(r"\\\n", " ", README.read_text(encoding="utf-8")).splitlines()
EXAMPLES = [line for line in LINES if line.startswith("airflow-cli ")]


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_examples_of_the_readme_are_valid(line: str) -> None:
    """Each command of the README exists and accepts its arguments."""
    words = shlex.split(line.partition("<")[0], comments=True)
    name = next(
        name
        for name in sorted(COMMANDS, key=len, reverse=True)
        if f"{' '.join(words)} ".startswith(f"{name} ")
    )
    arguments = words[len(name.split()) :]
    COMMANDS[name].make_context(name, arguments)


def test_the_readme_has_examples() -> None:
    """The test above sees the commands of the README."""
    assert len(EXAMPLES) > 25
