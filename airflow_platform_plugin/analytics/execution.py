"""Run one query, from a connection to rows of JSON values: read-only, bounded, and stopped in time."""

import time
from collections.abc import Callable
from typing import NamedTuple

from airflow_platform_plugin.analytics import engines, guard, query_thread, values
from airflow_platform_plugin.analytics.engines.base import Limits, Source, Unsupported
from airflow_platform_plugin.analytics.inputs import Parameters
from airflow_platform_plugin.analytics.query_errors import unsupported
from airflow_platform_plugin.analytics.query_thread import QueryThread
from airflow_platform_plugin.analytics.settings import AnalyticsSettings
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.analytics.values import Column, Json
from airflow_platform_plugin.core import settings, wait_slots
from airflow_platform_plugin.core.errors import FieldError, ServiceUnavailable, ValidationFailed


class Result(NamedTuple):
    """The result of a query.

    Attributes:
        columns: its columns, each with a name of its own.
        rows: rows of JSON values, at most as many as the caller wants.
        truncated: whether there were more rows.
        schema: the schema of its tables, if it is one for all.
        tables: the names of its tables.
        seconds: how long it took.
        warnings: sentences for the caller.
    """

    columns: list[Column]
    rows: list[list[Json]]
    truncated: bool
    schema: str | None
    tables: list[str]
    seconds: float
    warnings: list[str]


def execute(
    source: Source,
    sql: str,
    parameters: Parameters,
    limits: Limits,
    *,
    abandoned: Callable[[], bool] = lambda: False,
) -> Result:
    """Run one query.

    Args:
        source: the connection.
        sql: the caller's text.
        parameters: values for its placeholders; others are ignored, with a warning.
        limits: what the query may use.
        abandoned: returns whether the client has gone away; called again and again.

    Raises:
        ValidationFailed: the connection cannot be queried, the SQL is not a query, a parameter is missing, or
            the database refuses the query.
        ServiceUnavailable: the database cannot be reached, or too many queries run.
        TimedOut: the time is up, or the client has gone away; the query was stopped.
    """
    try:
        engine = engines.of(source, limits)
    except Unsupported as error:
        raise unsupported(source.connection, error) from error
    statement = _read(sql, engine.dialect)
    _require_given(statement.names, parameters)
    with wait_slots.query() as free:
        if not free:
            raise ServiceUnavailable("The maximum number of queries is running; try again in a few seconds.")
        started = time.monotonic()
        collected = query_thread.run(QueryThread(engine, statement, parameters, source.named), abandoned)
        seconds = time.monotonic() - started
    schemas = sorted({schema for schema, _ in statement.tables if schema})
    return Result(
        columns=collected.columns,
        rows=values.settle(collected.rows),
        truncated=collected.cut,
        schema=schemas[0] if len(schemas) == 1 else None,
        tables=sorted({name for _, name in statement.tables}),
        seconds=seconds,
        warnings=[*_unused(statement.names, parameters), *collected.warnings],
    )


def _read(sql: str, dialect: str | None) -> Statement:
    try:
        return guard.read(sql, dialect, functions=settings.get(AnalyticsSettings).query_function_names)
    except RecursionError as error:
        raise ValidationFailed.of("query", message="is nested too deeply") from error


def _require_given(names: frozenset[str], parameters: Parameters) -> None:
    if missing := sorted(names - set(parameters)):
        message = "is used by the query but not given"
        raise ValidationFailed([FieldError.at(("parameters", name), message) for name in missing])


def _unused(names: frozenset[str], parameters: Parameters) -> list[str]:
    unused = sorted(set(parameters) - names)
    return [f"The query does not use the parameters {', '.join(unused)}."] if unused else []
