"""The process that runs one query on DuckDB or SQLite.

Such a database runs in the process that uses it. This process has a memory limit, cannot write files, does
not see Airflow's environment, and is killed when its time is up. None of that is possible for a thread of a
web worker.

The request is one line of JSON on stdin, which stays open while the parent waits. The response is lines of
JSON on stdout: ``["columns", [[name, type], …]]``, then ``["row", [cell, …]]`` for each row, and last
``["end"]`` or ``["error", kind, text]``. A cell is ``[value]``, or ``["d", text]`` for a decimal number.

To start fast, this module imports only the standard library, ``values`` and the database.
"""

import contextlib
import json
import os
import re
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.analytics import values

if TYPE_CHECKING:
    import duckdb

_LOCK_RETRY = 0.1  # seconds
_LARGEST_FILE = 65_536  # SQLite's index of a write-ahead log has 32 KiB
_BATCH = 64
_MEBIBYTE = 2**20
# What the interpreter and a database use before they have read anything.
_BASE_MEMORY = 192 * _MEBIBYTE

# Actions that a query may use in SQLite; SQLite itself refuses all others.
_SQLITE_ACTIONS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_SQLITE_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "sqlite_dbpage"}
# SQLite creates their tables when they are first used; to the authorizer that is a CREATE TABLE.
_SQLITE_TABLE_FUNCTIONS = ("json_each", "json_tree")
# Python cannot represent all values of these types; their text is exact.
_DUCKDB_TEXTS = re.compile(r"DATE|TIME.*[^\]]|INTERVAL")


class _Failure(Exception):
    """Why there is no result; ``kind`` is the name of the engine's exception."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def main() -> None:
    """Run the request on stdin."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _restrict(request)
    run(request)


def run(request: Mapping[str, Any]) -> None:
    """Run a request and write the response."""
    execute = {"duckdb": _duckdb, "sqlite": _sqlite}[request["engine"]]
    try:
        for row in execute(request):
            _write("row", [_cell(value) for value in row])
        _write("end")
    except _Failure as failure:
        _write("error", failure.kind, str(failure))
    except MemoryError as error:
        _write("error", "TooLarge", str(error))


def _end_with_parent() -> None:
    """End as soon as the parent has closed stdin or has died."""
    sys.stdin.read()
    os._exit(1)


def _restrict(request: Mapping[str, Any]) -> None:
    memory = request["memory"] + _BASE_MEMORY
    seconds = int(request["seconds"] * 8) + 10  # of all cores
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(5)  # a query is less urgent than everything else on the webserver


def _write(*line: values.Json) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    if line[0] != "row":
        sys.stdout.flush()


def _cell(value: values.Value) -> list[Any]:
    made = values.plain(value)
    return ["d", str(made)] if isinstance(made, Decimal) else [made]


def _columns(columns: Sequence[tuple[str, str | None]]) -> None:
    _write("columns", columns)


# --- SQLite ---


def _sqlite(request: Mapping[str, Any]) -> Iterator[Sequence[values.Value]]:
    try:
        connection = sqlite3.connect(
            f"{Path(request['path']).absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=request["seconds"],
            isolation_level=None,
        )
        # SQLite opens a file when it first reads it, and only then finds that it is not a database.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA trusted_schema = OFF")
        for function in _SQLITE_TABLE_FUNCTIONS:
            with contextlib.suppress(sqlite3.OperationalError):  # this SQLite has none
                connection.execute(f"SELECT 1 FROM {function}('[]')")  # noqa: S608 - names of ours
    except sqlite3.Error as error:
        raise _Failure("Unreachable", str(error)) from error
    connection.text_factory = lambda data: data.decode(errors="replace")
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, request["bytes"])
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorize)
    try:
        # execute() accepts one statement; Python 3.10 raises sqlite3.Warning for a second one.
        cursor = connection.execute(request["sql"], request["values"])
        if cursor.description is None:
            raise _Failure("Refused", "it returns no rows")
        _columns([(column[0], None) for column in cursor.description])
        yield from cursor
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _Failure("Refused", str(error)) from error


def _authorize(action: int, _first: str | None, second: str | None, *_: object) -> int:
    allowed = action in _SQLITE_ACTIONS
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _SQLITE_FUNCTIONS:
        allowed = False
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


# --- DuckDB ---


def _duckdb(request: Mapping[str, Any]) -> Iterator[Sequence[values.Value]]:
    import duckdb

    connection = _open_duckdb(request)
    try:
        sql, given = request["sql"], request["values"]
        _only(connection, sql)
        columns = _describe(connection, sql, given)
        texts = {index for index, (_, kind) in enumerate(columns) if _DUCKDB_TEXTS.fullmatch(kind)}
        cursor = connection.execute(_only(connection, _with_texts(sql, len(columns), texts)), given)
        _columns(columns or [(column[0], str(column[1])) for column in cursor.description or ()])
        while rows := cursor.fetchmany(_BATCH):
            for row in rows:
                yield _with_moments(row, texts) if texts else row
    except duckdb.OutOfMemoryException as error:
        raise _Failure("TooLarge", str(error)) from error
    except duckdb.Error as error:
        raise _Failure("Refused", str(error)) from error


def _open_duckdb(request: Mapping[str, Any]) -> "duckdb.DuckDBPyConnection":
    import duckdb

    config = {**request["config"], "memory_limit": f"{request['memory'] // _MEBIBYTE}MiB"}
    deadline = time.monotonic() + request["seconds"]
    while True:
        try:
            return duckdb.connect(request["path"], read_only=True, config=config)
        except duckdb.Error as error:
            # DuckDB lets one process write or several read: a kit that is writing will end soon.
            if "lock" not in str(error).lower() or time.monotonic() + _LOCK_RETRY > deadline:
                raise _Failure("Unreachable", str(error)) from error
            time.sleep(_LOCK_RETRY)


def _only(connection: "duckdb.DuckDBPyConnection", sql: str) -> "duckdb.Statement":
    """Return the one SELECT in a text, by DuckDB's own parser; ``execute`` of a text would run several."""
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise _Failure("Refused", "it is not one query")
    return statements[0]


def _describe(
    connection: "duckdb.DuckDBPyConnection", sql: str, given: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return names and types of a query's columns without running it; empty if DuckDB cannot describe it."""
    import duckdb

    try:
        described = connection.execute(_description_query(connection, sql), given).fetchall()
    except duckdb.Error:
        return []
    return [(str(name), str(kind)) for name, kind, *_ in described]


def _description_query(connection: "duckdb.DuckDBPyConnection", sql: str) -> "duckdb.Statement":
    described = f"SELECT column_name, column_type FROM (DESCRIBE {sql}\n)"  # noqa: S608 - see _with_texts
    return _only(connection, described)


def _with_texts(sql: str, count: int, texts: Collection[int]) -> str:
    """Return the query with those of its columns cast to text.

    It is built only after DuckDB has found that the query alone is one statement, and DuckDB parses it again.
    """
    if not texts:
        return sql
    names = [f"c{index}" for index in range(count)]
    selected = [f"CAST({name} AS VARCHAR)" if index in texts else name for index, name in enumerate(names)]
    return f"SELECT {', '.join(selected)} FROM (\n{sql}\n) AS q({', '.join(names)})"  # noqa: S608 - see above


def _with_moments(row: Sequence[values.Value], texts: Collection[int]) -> list[values.Value]:
    return [
        values.moment(value) if index in texts and isinstance(value, str) else value
        for index, value in enumerate(row)
    ]
