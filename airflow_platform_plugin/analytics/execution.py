"""One query, from a connection to rows as JSON has them: read-only, bounded, and ended when its time is up.

The driver works in a thread of its own, for it may hang in a call that nothing interrupts, such as a connect.
The request waits for it no longer than its time, then lets the database stop the query, and answers.
"""

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import psutil

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics import engines, guard, values
from airflow_platform_plugin.analytics.engines import base
from airflow_platform_plugin.analytics.engines.base import Engine, Limits, Parameters, Source
from airflow_platform_plugin.analytics.settings import AnalyticsSettings
from airflow_platform_plugin.analytics.values import Column, Json
from airflow_platform_plugin.connections import masking
from airflow_platform_plugin.connections.tenant_rules import destinations
from airflow_platform_plugin.connections.tenant_rules.host_fields import NamedHost
from airflow_platform_plugin.connections.testing import results
from airflow_platform_plugin.core import settings, wait_slots
from airflow_platform_plugin.core.errors import (
    FieldError,
    PlatformError,
    ServiceUnavailable,
    TimedOut,
    ValidationFailed,
)

log = logging.getLogger(__name__)

AT_ONCE = 8  # in one process, with those that nobody waits for any more
THREAD = "platform-query"
_slots = threading.BoundedSemaphore(AT_ONCE)

_POLL = 0.05  # seconds between two looks at the memory, and at the client
_GRACE = 0.5  # seconds in which a query that is being stopped usually ends
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 60.0  # seconds between two attempts to stop a query, each twice the last
# What this process may grow by for one query: its rows as the driver has them, as values and as text.
_GROWTH_BASE, _GROWTH_FACTOR = 64 * 2**20, 10

_LONGEST_MESSAGE = 400
# What a database's message may tell of its server.
_PATH = re.compile(r"(?<![\w.])(?:/[\w.@+~-]+){2,}/?|\b[A-Za-z]:\\[^\s'\"]+")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9A-Fa-f:]{3,}\](?::\d+)?")
_URI = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s'\"]+")


class Result(NamedTuple):
    """Rows as JSON has them, at most as many as were asked for."""

    columns: list[Column]
    rows: list[list[Json]]
    truncated: bool
    schema: str | None
    tables: list[str]
    seconds: float
    warnings: list[str]


@dataclass
class _Collected:
    """What a query's thread has brought together."""

    columns: list[Column] = field(default_factory=list)
    rows: list[list[Json | Decimal]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cut: bool = False


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
        parameters: values for its placeholders; others than those are ignored, with a warning.
        limits: what it may use.
        abandoned: whether nobody waits for the answer any more; asked now and then.

    Raises:
        ValidationFailed: the connection is not one for queries; the SQL is no query, lacks a parameter, or
        the
            database refuses it.
        ServiceUnavailable: the database cannot be reached, or too many queries run.
        TimedOut: the time was up; the database was asked to stop.
    """
    try:
        engine = engines.of(source, limits)
    except base.Unsupported as error:
        raise _unsupported(source.connection, error) from error
    statement = _read(sql, engine.dialect)
    _require_given(statement.names, parameters)
    with wait_slots.query() as free:
        if not free:
            raise ServiceUnavailable("As many queries run as may at a time; try again in a few seconds.")
        started = time.monotonic()
        collected = _run(_Job(engine, statement, parameters, source.named), abandoned)
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


def _read(sql: str, dialect: str | None) -> guard.Statement:
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


class _Job:
    """One query in its thread."""

    def __init__(
        self,
        engine: Engine,
        statement: guard.Statement,
        parameters: Parameters,
        named: tuple[NamedHost, ...] = (),
    ) -> None:
        self.engine = engine
        self._named = named
        self._statement = statement
        self._parameters = parameters
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self.outcome: queue.SimpleQueue[_Collected | Exception] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the thread.

        Raises:
            ServiceUnavailable: too many queries of this process have not ended.
        """
        if not _slots.acquire(blocking=False):
            raise ServiceUnavailable("Too many queries have not ended yet.")
        try:
            threading.Thread(target=self._work, name=THREAD, daemon=True).start()
        except RuntimeError:
            _slots.release()
            raise

    def stop(self) -> None:
        """Stop the query at its database; one that is not connected yet ends as soon as it is.

        A database drops what reaches it between two steps of a query, so it is asked until the thread has
        ended.
        """
        self._stopped.set()
        pause = _FIRST_PAUSE
        while pause < _LAST_PAUSE and not self._ended.is_set():
            self.engine.cancel()
            self._ended.wait(pause)
            pause *= 2

    def _work(self) -> None:
        try:
            self.outcome.put(self._collect())
        except Exception as error:  # noqa: BLE001 - a driver may raise anything, and it is the outcome
            self.outcome.put(error)
        finally:
            try:
                self.engine.close()
            except Exception:
                log.exception("A query's connection was not closed")
            self._ended.set()
            _slots.release()

    def _collect(self) -> _Collected:
        engine, limits = self.engine, self.engine.limits
        if self._named:
            found = destinations.resolve_hosts(self._named)
            engine.connection = destinations.pin_to_addresses(engine.connection, found)
        engine.open()
        collected = _Collected(warnings=engine.warnings)
        if self._stopped.is_set():
            return collected
        collected.columns = values.unique_names(engine.execute(self._statement, self._parameters))
        left = limits.bytes
        names = sum(len(column.name) + 4 for column in collected.columns)
        try:
            for row in engine.rows():
                if self._stopped.is_set():
                    return collected
                # One row more than asked for tells whether there are more, without counting them.
                if len(collected.rows) == limits.rows - 1:
                    return _cut(collected, f"There are more rows than the limit of {limits.rows - 1}.")
                plain = [values.plain(value) for value in row]
                left -= values.length(plain) + names
                if left < 0:
                    return _cut(collected, _too_long(limits))
                collected.rows.append(plain)
        except base.RowTooLong:
            return _cut(collected, _too_long(limits))
        return collected


def _cut(collected: _Collected, why: str) -> _Collected:
    collected.cut = True
    collected.warnings.append(why)
    return collected


def _too_long(limits: Limits) -> str:
    return (
        f"The rows are longer than the {limits.bytes} bytes that [platform] query_max_bytes allows; what is "
        "here comes before that. Select fewer columns or rows."
    )


def _run(job: _Job, abandoned: Callable[[], bool]) -> _Collected:
    """Wait for a query's thread, as long as the query has time and does not fill the memory."""
    engine, limits = job.engine, job.engine.limits
    deadline = time.monotonic() + limits.seconds
    growth = _Growth(_GROWTH_BASE + _GROWTH_FACTOR * limits.bytes)
    job.start()
    while (left := deadline - time.monotonic()) > 0:
        try:
            outcome = job.outcome.get(timeout=min(_POLL, left))
        except queue.Empty:
            if growth.is_too_much():
                _stop(job)
                raise _too_large() from None
            if abandoned():
                _stop(job)
                raise TimedOut("The client went away, and the query was stopped.") from None
            continue
        if isinstance(outcome, Exception):
            raise _public(outcome, engine) from outcome
        return outcome
    _stop(job)
    raise _timed_out(limits)


def _stop(job: _Job) -> None:
    """Stop a query, and give its thread a moment to end; one that hangs is left to itself."""
    stopper = threading.Thread(target=job.stop, name=THREAD, daemon=True)
    stopper.start()
    try:
        job.outcome.get(timeout=_GRACE)
    except queue.Empty:
        log.warning("A query on connection %r has not ended yet", job.engine.connection.conn_id)


class _Growth:
    """How much memory this process has taken since."""

    def __init__(self, most: int) -> None:
        self._process = psutil.Process()
        self._most = self._process.memory_info().rss + most

    def is_too_much(self) -> bool:
        """Whether it is more than one query may need."""
        return bool(self._process.memory_info().rss > self._most)


def _public(error: Exception, engine: Engine) -> Exception:  # noqa: PLR0911 - a line for each kind
    """What the caller is told of what a query's thread has raised; the log has the rest."""
    match error:
        case PlatformError():
            return error
        case base.Unsupported():
            return _unsupported(engine.connection, error)
        case base.Unreachable():
            log.warning(
                "Connection %r cannot be reached: %s", engine.connection.conn_id, _redacted(error, engine)
            )
            kind = results.classify(str(error))
            why = "" if kind == results.UNKNOWN else f" {kind}"
            return ServiceUnavailable(f"The database of this connection cannot be reached.{why}")
        case base.Expired():
            return _timed_out(engine.limits)
        case base.TooLarge() | MemoryError():
            return _too_large()
        case base.Refused():
            return ValidationFailed.of(
                "query", message=f"the database refused it: {_redacted(error, engine)}"
            )
    return error


def _timed_out(limits: Limits) -> TimedOut:
    return TimedOut(f"The query was stopped after {limits.seconds:g} seconds.")


def _too_large() -> ValidationFailed:
    return ValidationFailed.of(
        "query", message="needs more memory than a query may have; select less, or aggregate in smaller parts"
    )


def _unsupported(connection: Connection, error: Exception) -> ValidationFailed:
    return ValidationFailed.of(
        "database", message=f"the connection '{connection.conn_id}' cannot be queried: {error}"
    )


def _redacted(error: Exception, engine: Engine) -> str:
    """A database's message without what it tells of the server: hosts, paths and whatever is secret."""
    text = " ".join(str(error).split())
    for secret in _told_of(engine.connection):
        text = text.replace(secret, "…")
    for pattern in (_URI, _PATH, _ADDRESS):
        text = pattern.sub("…", text)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _told_of(connection: Connection) -> Sequence[str]:
    """The texts of a connection that no message repeats, the longest first."""
    extra = connection.extra_dejson
    secrets = masking.find_hidden_texts(extra, masking.mask_extra(extra)) if isinstance(extra, dict) else ()
    hidden = [connection.password, connection.host, *secrets]
    return sorted({text for text in hidden if text and len(text) > 3}, key=len, reverse=True)  # noqa: PLR2004 - short ones are words
