"""A query in a thread of its own, which the request waits for no longer than the query may take.

A driver may hang in a call that nothing interrupts, such as a connect. So the request asks the database to
stop the query when its time is up, and answers; the thread ends when the driver returns.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import psutil

from airflow_platform_plugin.analytics import values
from airflow_platform_plugin.analytics.engines import base
from airflow_platform_plugin.analytics.engines.base import Engine, Limits
from airflow_platform_plugin.analytics.inputs import Parameters
from airflow_platform_plugin.analytics.query_errors import public_error, timed_out, too_large
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.analytics.values import Column, Json
from airflow_platform_plugin.connections.tenant_rules import destinations
from airflow_platform_plugin.connections.tenant_rules.host_fields import NamedHost
from airflow_platform_plugin.core.errors import ServiceUnavailable, TimedOut

log = logging.getLogger(__name__)

MAX_THREADS = 8  # in one process, including threads that no request waits for anymore
THREAD = "platform-query"
_slots = threading.BoundedSemaphore(MAX_THREADS)

_POLL = 0.05  # seconds between two looks at the memory and at the client
_GRACE = 0.5  # seconds in which a query that is being stopped usually ends
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 60.0  # seconds between two attempts to stop a query; each is twice the last
# What this process may grow by for one query: the driver's rows, our values and the text of the response.
_GROWTH_BASE, _GROWTH_FACTOR = 64 * 2**20, 10


@dataclass
class Collected:
    """What a query has returned.

    Attributes:
        columns: its columns, each with a name of its own.
        rows: values as ``values.plain`` makes them.
        warnings: sentences for the caller.
        cut: whether there were more rows.
    """

    columns: list[Column] = field(default_factory=list)
    rows: list[list[Json | Decimal]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cut: bool = False


class QueryThread:
    """One query and its thread."""

    def __init__(
        self,
        engine: Engine,
        statement: Statement,
        parameters: Parameters,
        named: tuple[NamedHost, ...] = (),
    ) -> None:
        self.engine = engine
        self._named = named
        self._statement = statement
        self._parameters = parameters
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self.outcome: queue.SimpleQueue[Collected | Exception] = queue.SimpleQueue()

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
        """Stop the query at its database; a query that is not connected yet ends as soon as it is.

        A database ignores a request to stop between two steps of a query, so it is repeated until the thread
        has ended.
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
        except Exception as error:  # noqa: BLE001 - a driver may raise anything, and that is the outcome
            self.outcome.put(error)
        finally:
            try:
                self.engine.close()
            except Exception:
                log.exception("A query's connection was not closed")
            self._ended.set()
            _slots.release()

    def _collect(self) -> Collected:
        engine, limits = self.engine, self.engine.limits
        if self._named:
            found = destinations.resolve_hosts(self._named)
            engine.connection = destinations.pin_to_addresses(engine.connection, found)
        engine.open()
        collected = Collected(warnings=engine.warnings)
        if self._stopped.is_set():
            return collected
        collected.columns = values.unique_names(engine.execute(self._statement, self._parameters))
        left = limits.bytes
        names = sum(len(column.name) + 4 for column in collected.columns)
        try:
            for row in engine.rows():
                if self._stopped.is_set():
                    return collected
                # One row more than the caller wants shows that there are more, without counting them.
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


def _cut(collected: Collected, why: str) -> Collected:
    """Mark the result as cut."""
    collected.cut = True
    collected.warnings.append(why)
    return collected


def _too_long(limits: Limits) -> str:
    return (
        f"The rows are longer than the {limits.bytes} bytes that [platform] query_max_bytes allows, so the "
        "rest is missing. Select fewer columns or rows."
    )


def run(query: QueryThread, abandoned: Callable[[], bool]) -> Collected:
    """Run a query, as long as it has time and the process has memory.

    Args:
        query: the query.
        abandoned: returns whether the client has gone away; called again and again.

    Raises:
        PlatformError: the query failed, or was stopped.
    """
    engine, limits = query.engine, query.engine.limits
    deadline = time.monotonic() + limits.seconds
    growth = _Growth(_GROWTH_BASE + _GROWTH_FACTOR * limits.bytes)
    query.start()
    while (left := deadline - time.monotonic()) > 0:
        try:
            outcome = query.outcome.get(timeout=min(_POLL, left))
        except queue.Empty:
            if growth.is_too_much():
                _stop(query)
                raise too_large() from None
            if abandoned():
                _stop(query)
                raise TimedOut("The client went away, and the query was stopped.") from None
            continue
        if isinstance(outcome, Exception):
            raise public_error(outcome, engine) from outcome
        return outcome
    _stop(query)
    raise timed_out(limits)


def _stop(query: QueryThread) -> None:
    """Stop a query, and give its thread a moment to end; a thread that hangs is left alone."""
    stopper = threading.Thread(target=query.stop, name=THREAD, daemon=True)
    stopper.start()
    try:
        query.outcome.get(timeout=_GRACE)
    except queue.Empty:
        log.warning("A query on connection %r has not ended yet", query.engine.connection.conn_id)


class _Growth:
    """How much the memory of this process has grown since the object was created."""

    def __init__(self, most: int) -> None:
        self._process = psutil.Process()
        self._most = self._process.memory_info().rss + most

    def is_too_much(self) -> bool:
        """Return whether it is more than one query may need."""
        return bool(self._process.memory_info().rss > self._most)
