"""The command ``airflow-cli query``."""

import warnings
from typing import Annotated

import typer
from airflow_platform.exceptions import TruncatedResultWarning

from airflow_platform_cli.arguments import parse_assignments
from airflow_platform_cli.output import Format, OutputOption, print_message, show, show_list
from airflow_platform_cli.settings import connect


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SQL statement that only reads.")],
    database: Annotated[
        str | None,
        typer.Option(help="Id of the connection to query; by default the platform's default database."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Value of the parameter :NAME; JSON, otherwise text. Repeatable."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of rows.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a SQL query."""
    parameters = parse_assignments(param or []) or None
    with connect() as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncatedResultWarning)  # printed below, for every format
        result = client.analytics.query(sql, parameters=parameters, database=database, limit=limit)
    if output is not Format.TABLE:
        show(result, output)
    elif result.columns:
        show_list(result.data, [column.name for column in result.columns], output)
    if output is Format.TABLE:
        print_message(f"{len(result.data)} rows")
    if result.truncated:
        print_message(f"The result is truncated: the query has more than {len(result.data)} rows.")
    for warning in result.warnings:
        print_message(warning)
