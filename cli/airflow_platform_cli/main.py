"""The entry point of ``airflow-cli``."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from airflow_platform import PlatformError
from airflow_platform.exceptions import AuthenticationError

from airflow_platform_cli.__version__ import __version__
from airflow_platform_cli.commands import (
    api_keys,
    backfills,
    config,
    connections,
    dags,
    datakits,
    login,
    oauth_clients,
    query,
    tasks,
    tenants,
    webhooks,
)
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption
from airflow_platform_cli.settings import PRECEDENCE

app = typer.Typer(
    name="airflow-cli",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they would print local variables, including the API key
)
for group in (
    config,
    dags,
    backfills,
    tasks,
    datakits,
    tenants,
    connections,
    webhooks,
    api_keys,
    oauth_clients,
):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2].replace("_", "-"))
for command in (query.query, login.login, login.logout):
    app.command()(command)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - the signature of typer's callbacks
    if requested:
        print(__version__)
        raise typer.Exit


@app.callback(help=f"Work with an Airflow platform.\n\n{PRECEDENCE}")
def _airflow_cli(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Work with an Airflow platform."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. The exit status is 0, or 1 if the command failed, or 2 if its arguments are invalid.

    Args:
        arguments: Command line without the program's name; by default that of this process.
    """
    try:
        app(arguments)
    except (PlatformError, CommandError) as error:
        print("Error:", " ".join(str(error).split()), file=sys.stderr)
        if isinstance(error, AuthenticationError):
            print("Run airflow-cli login, or check airflow-cli config list.", file=sys.stderr)
        sys.exit(1)
