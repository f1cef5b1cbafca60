"""One test of a connection, through its type's hook, in a thread that nobody waits for longer than allowed.

A driver may hang in a call that nothing interrupts. So each test has a thread of its own, of which a
process has a few at a time and no more, and which does not keep the process from ending.
"""

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowNotFoundException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import connection_types, sqlalchemy_urls
from airflow_platform_plugin.connections.testing import pinned_http
from airflow_platform_plugin.connections.testing.results import (
    FAILED,
    SUCCESS,
    SUCCESSFUL,
    UNSUPPORTED,
    TestResult,
    failure,
)
from airflow_platform_plugin.core import wait_slots
from airflow_platform_plugin.core.errors import PlatformError, ServiceUnavailable

# Hooks without a test of their own, and what they do of which a wrong answer is an exception.
_TESTS: dict[str, Callable[[Any], Any]] = {"redis": lambda hook: hook.get_conn().ping()}
# A test reads: HTTP's hook would POST.
_ARGUMENTS: dict[str, dict[str, Any]] = {"http": {"method": "GET"}}

AT_ONCE = 4
THREAD = "platform-connection-test"
_slots = threading.BoundedSemaphore(AT_ONCE)

# What makes a driver give up by itself, soon after nobody waits for it any more; in extra, in seconds.
_DEADLINES = {"postgres": "connect_timeout", "http": "timeout"}


class Prepared(NamedTuple):
    """A connection that is ready to be tested.

    Attributes:
        connection: belongs to no session.
        addresses: those of its host that a tenant may reach, to be used instead of the name; empty for any.
        known: connections that its extra names, by name. A hook gets these, whatever else has their names.
        strict: whether a hook gets no other connection than these.
    """

    connection: Connection
    addresses: tuple[str, ...] = ()
    known: Mapping[str, Connection] = MappingProxyType({})
    strict: bool = False


def run(prepare: Callable[[], Prepared], *, timeout: float) -> TestResult:
    """Test a connection, which need not be stored; the answer comes within ``timeout`` seconds.

    Args:
        prepare: makes the connection ready, in the test's thread.
        timeout: in seconds, ``prepare`` included.

    Raises:
        PlatformError: raised by ``prepare``.
        ServiceUnavailable: as many requests wait for tests as may at a time, or as many tests as a process
            has threads for have not ended yet.
    """
    with wait_slots.wait_slot(wait_slots.CONNECTIONS) as free:
        if not free:
            raise ServiceUnavailable("Other tests of connections are waiting for their hosts.")
        return _run(prepare, timeout)


def _run(prepare: Callable[[], Prepared], timeout: float) -> TestResult:
    if not _slots.acquire(blocking=False):
        raise ServiceUnavailable("Too many tests of connections have not ended yet.")
    outcomes: queue.SimpleQueue[TestResult | PlatformError] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcomes.put(_try(prepare(), timeout))
        except PlatformError as error:
            outcomes.put(error)
        except BaseException as error:  # noqa: BLE001 - a hook may raise anything, and it is the outcome
            outcomes.put(failure(f"{type(error).__name__}: {error}"))
        finally:
            _slots.release()

    try:
        threading.Thread(target=work, name=THREAD, daemon=True).start()
    except RuntimeError:
        _slots.release()
        raise
    try:
        outcome = outcomes.get(timeout=timeout)
    except queue.Empty:
        return TestResult(FAILED, f"The test timed out after {timeout:g} seconds.", round(timeout * 1000))
    if isinstance(outcome, PlatformError):
        raise outcome
    return outcome


def _try(prepared: Prepared, timeout: float) -> TestResult:
    connection = prepared.connection
    if _would_make_file(connection):
        return failure("no such file")
    hook = hook_of(
        _with_deadline(connection, timeout),
        known=prepared.known,
        addresses=prepared.addresses,
        strict=prepared.strict,
    )
    if hook is None:
        return _try_dialect(connection)
    test = getattr(hook, "test_connection", None)
    if test is None and connection.conn_type in _TESTS:
        test = partial(_without_error, _TESTS[connection.conn_type], hook)
    if test is None:
        return TestResult(UNSUPPORTED, f"Connections of type {connection.conn_type} have no test.")
    return _measure(test)


def _would_make_file(connection: Connection) -> bool:
    """Whether SQLite would make the file that it is to open, by its hook or as a dialect."""
    dialect = str(connection.conn_type).partition("+")[0]
    if dialect != "sqlite":
        return False
    path = connection.host if connection.conn_type == dialect else sqlalchemy_urls.url(connection).database
    return not Path(path or "").is_file()


def _without_error(work: Callable[..., Any], *arguments: Any) -> tuple[bool, str]:  # noqa: ANN401 - of work
    work(*arguments)
    return True, ""


def _measure(test: Callable[[], tuple[bool, str]]) -> TestResult:
    started = time.monotonic()
    try:
        succeeded, message = test()
    except Exception as error:  # noqa: BLE001 - a hook may raise anything, and it is the outcome
        succeeded, message = False, f"{type(error).__name__}: {error}"
    latency_ms = round((time.monotonic() - started) * 1000)
    return TestResult(SUCCESS, SUCCESSFUL, latency_ms) if succeeded else failure(str(message), latency_ms)


def hook_of(
    connection: Connection,
    *,
    known: Mapping[str, Connection] = MappingProxyType({}),
    addresses: tuple[str, ...] = (),
    strict: bool = False,
) -> Any:  # noqa: ANN401 - any hook
    """The hook of the connection's type, which finds this connection under its name; None without a hook.

    Airflow's own test puts the connection into an environment variable for that. Here other threads may be
    reading the environment at that moment, and a process that is started inherits it.

    Args:
        connection: belongs to no session.
        known: connections that its extra names, which the hook gets under their names.
        addresses: those that an HTTP connection may be made to; empty for any.
        strict: whether the hook gets no other connections, from the database, the environment or a backend.
    """
    hook_class, argument = airflow_compat.connections.hook_class(connection.conn_type)
    if hook_class is None:
        return None
    found = {**known, connection.conn_id: connection}

    def get_connection(cls: type, conn_id: str) -> Connection:
        if conn_id in found:
            return found[conn_id]
        if strict:
            raise AirflowNotFoundException(f"There is no connection {conn_id!r} for this one.")
        return super(own, cls).get_connection(conn_id)

    members: dict[str, Any] = {"get_connection": classmethod(get_connection)}
    if airflow_compat.connections.is_http_hook(hook_class):
        members["get_conn"] = pinned_http.get_conn(hook_class, addresses)
    own: Any = type(hook_class.__name__, (hook_class,), members)
    return own(**{argument: connection.conn_id}, **_ARGUMENTS.get(connection.conn_type, {}))


def _with_deadline(connection: Connection, timeout: float) -> Connection:
    name = _DEADLINES.get(connection.conn_type)
    extra = connection.extra_dejson if name else {}
    if name and isinstance(extra, dict) and name not in extra:
        connection.set_extra(json.dumps({**extra, name: round(timeout) + 1}))
    return connection


def _options(connection: Connection) -> dict[str, Any]:
    """What an engine takes besides the URL; for libpq also what a tenant's connection is held to."""
    kind = connection_types.of(str(connection.conn_type))
    extra = connection.extra_dejson
    if kind is None or kind.dialect != "postgresql" or "hostaddr" not in extra:
        return sqlalchemy_urls.options(connection)
    return {"connect_args": {name: value for name, value in extra.items() if name != "cursor"}}


def _try_dialect(connection: Connection) -> TestResult:
    """The test of a type without a hook, which queries take for the name of a SQLAlchemy dialect."""
    try:
        engine = create_engine(sqlalchemy_urls.url(connection), poolclass=NullPool, **_options(connection))
    except (ArgumentError, NoSuchModuleError):
        return TestResult(UNSUPPORTED, f"There is no hook for connections of type {connection.conn_type}.")

    def select() -> tuple[bool, str]:
        with engine.connect() as opened:
            opened.exec_driver_sql("SELECT 1")
        return True, ""

    try:
        return _measure(select)
    finally:
        engine.dispose()
