"""Run one test of a connection with its type's hook, in a thread of its own and within a time limit.

A driver may hang in a call that cannot be interrupted. So each test runs in a daemon thread, and a process
runs only a few tests at a time.
"""

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.airflow_compat.types import Hook
from airflow_platform_plugin.connections import hooks, sqlalchemy_urls
from airflow_platform_plugin.connections.tenant_rules import connection_types
from airflow_platform_plugin.connections.testing.results import (
    FAILED,
    SUCCESS,
    SUCCESSFUL,
    UNSUPPORTED,
    TestResult,
    make_failure,
)
from airflow_platform_plugin.core import wait_slots
from airflow_platform_plugin.core.errors import PlatformError, ServiceUnavailable
from airflow_platform_plugin.core.types import Option

# Tests for hooks without ``test_connection``. A failure is an exception.
_TESTS: dict[str, Callable[[Hook], object]] = {"redis": lambda hook: hook.get_conn().ping()}

AT_ONCE = 4
THREAD = "platform-connection-test"
_slots = threading.BoundedSemaphore(AT_ONCE)

# Fields of extra, in seconds, that make a driver give up soon after the test's time limit.
_DEADLINES = {"postgres": "connect_timeout", "http": "timeout"}


class PreparedConnection(NamedTuple):
    """A connection that is ready to be tested.

    Attributes:
        connection: the connection, which belongs to no session.
        addresses: the addresses to use instead of the host's name; empty to look the name up.
        linked: the connections that its extra names, by name. The hook gets these objects.
        strict: whether the hook gets no other connection than these.
    """

    connection: Connection
    addresses: tuple[str, ...] = ()
    linked: Mapping[str, Connection] = MappingProxyType({})
    strict: bool = False


def run(prepare: Callable[[], PreparedConnection], *, timeout: float) -> TestResult:
    """Test a connection and return the result within ``timeout`` seconds.

    Args:
        prepare: returns the connection to test; called in the test's thread.
        timeout: seconds, including ``prepare``.

    Raises:
        PlatformError: raised by ``prepare``.
        ServiceUnavailable: too many requests wait for tests, or too many tests have not ended.
    """
    with wait_slots.wait_slot(wait_slots.CONNECTIONS) as free:
        if not free:
            raise ServiceUnavailable(
                "Other tests of connections are waiting for their hosts; try again later."
            )
        return _run(prepare, timeout)


def _run(prepare: Callable[[], PreparedConnection], timeout: float) -> TestResult:
    if not _slots.acquire(blocking=False):
        raise ServiceUnavailable("Too many tests of connections have not ended yet; try again later.")
    results: queue.SimpleQueue[TestResult | PlatformError] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(_test(prepare(), timeout))
        except PlatformError as error:
            results.put(error)
        except BaseException as error:  # noqa: BLE001 - a hook may raise anything, which is the result
            results.put(make_failure(f"{type(error).__name__}: {error}"))
        finally:
            _slots.release()

    try:
        threading.Thread(target=work, name=THREAD, daemon=True).start()
    except RuntimeError:
        _slots.release()
        raise
    try:
        result = results.get(timeout=timeout)
    except queue.Empty:
        return TestResult(FAILED, f"The test timed out after {timeout:g} seconds.", round(timeout * 1000))
    if isinstance(result, PlatformError):
        raise result
    return result


def _test(prepared: PreparedConnection, timeout: float) -> TestResult:
    connection = prepared.connection
    if _would_create_file(connection):
        return make_failure("no such file")
    hook = hooks.make_hook(
        _with_deadline(connection, timeout),
        linked=prepared.linked,
        addresses=prepared.addresses,
        strict=prepared.strict,
    )
    if hook is None:
        return _test_dialect(connection)
    test = getattr(hook, "test_connection", None)
    if test is None and connection.conn_type in _TESTS:
        test = partial(_succeed, _TESTS[connection.conn_type], hook)
    if test is None:
        return TestResult(UNSUPPORTED, f"Connections of type {connection.conn_type} have no test.")
    return _measure(test)


def _would_create_file(connection: Connection) -> bool:
    """Return whether SQLite would create the file that it should open, by its hook or as a dialect."""
    dialect = str(connection.conn_type).partition("+")[0]
    if dialect != "sqlite":
        return False
    path = (
        connection.host if connection.conn_type == dialect else sqlalchemy_urls.make_url(connection).database
    )
    return not Path(path or "").is_file()


def _succeed(test: Callable[[Hook], object], hook: Hook) -> tuple[bool, str]:
    test(hook)
    return True, ""


def _measure(test: Callable[[], tuple[bool, str]]) -> TestResult:
    started = time.monotonic()
    try:
        succeeded, message = test()
    except Exception as error:  # noqa: BLE001 - a hook may raise anything, which is the result
        succeeded, message = False, f"{type(error).__name__}: {error}"
    latency_ms = round((time.monotonic() - started) * 1000)
    return (
        TestResult(SUCCESS, SUCCESSFUL, latency_ms) if succeeded else make_failure(str(message), latency_ms)
    )


def _with_deadline(connection: Connection, timeout: float) -> Connection:
    name = _DEADLINES.get(connection.conn_type)
    extra = connection.extra_dejson if name else {}
    if name and isinstance(extra, dict) and name not in extra:
        connection.set_extra(json.dumps({**extra, name: round(timeout) + 1}))
    return connection


def _options(connection: Connection) -> dict[str, Option]:
    """Return arguments of an engine; for libpq they include the pinned addresses and the guards."""
    kind = connection_types.find_type(str(connection.conn_type))
    extra = connection.extra_dejson
    if kind is None or kind.dialect != "postgresql" or "hostaddr" not in extra:
        return sqlalchemy_urls.make_engine_options(connection)
    return {"connect_args": {name: value for name, value in extra.items() if name != "cursor"}}


def _test_dialect(connection: Connection) -> TestResult:
    """Test a connection whose type has no hook, and is the name of a SQLAlchemy dialect."""
    try:
        engine = create_engine(
            sqlalchemy_urls.make_url(connection), poolclass=NullPool, **_options(connection)
        )
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
