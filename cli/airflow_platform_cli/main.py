"""``airflow-cli``: all commands, and how they end."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from airflow_platform import PlatformError

from airflow_platform_cli.__version__ import __version__
from airflow_platform_cli.commands import config, dags, datakits, query, tasks, tenants, webhooks
from airflow_platform_cli.errors import CommandError

app = typer.Typer(
    name="airflow-cli",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they would print local variables, the API key among them
)
for group in (config, dags, tasks, datakits, tenants, webhooks):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])
app.command("query")(query.query)


def _version(wanted: bool) -> None:  # noqa: FBT001 - the signature of typer's callbacks
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _airflow_cli(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Work with an Airflow platform."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; a wrong call ends with status 2, a failed one with 1."""
    try:
        app(arguments)
    except (PlatformError, CommandError) as error:
        print("Error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)
