"""``airflow-cli query``."""

import warnings
from typing import Annotated

import typer
from airflow_platform.exceptions import TruncatedResultWarning

from airflow_platform_cli.arguments import assignments
from airflow_platform_cli.output import Format, OutputOption, note, show, show_list
from airflow_platform_cli.settings import connect


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL")],
    database: Annotated[str | None, typer.Option(help="Which of the platform's databases.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What :NAME stands for: JSON, or else text."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a SQL query."""
    parameters = assignments(param or []) or None
    with connect() as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncatedResultWarning)  # said below, in every format
        result = client.analytics.query(sql, parameters=parameters, database=database, limit=limit)
    if output is not Format.TABLE:
        show(result, output)
    elif result.columns:
        show_list(result.data, [column.name for column in result.columns], output)
    if output is Format.TABLE:
        note(f"{len(result.data)} rows")
    if result.truncated:
        note(f"The result was cut: the query has more rows than these {len(result.data)}.")
    for sentence in result.warnings:
        note(sentence)
