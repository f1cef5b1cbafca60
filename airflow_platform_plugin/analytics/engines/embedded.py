"""DuckDB and SQLite: databases in files of this server. Each query runs in its own ``embedded_process``."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from airflow_platform_plugin.analytics.engines import base
from airflow_platform_plugin.analytics.engines.base import (
    Engine,
    EngineError,
    Limits,
    Refused,
    RowTooLong,
    Source,
    Style,
    Unreachable,
    Unsupported,
    bind,
)
from airflow_platform_plugin.analytics.inputs import Parameters
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.analytics.values import Column, Value
from airflow_platform_plugin.connections import sqlalchemy_urls
from airflow_platform_plugin.connections.tenant_rules import airflow_services

# With the parent's import path: the child does not see its environment or working folder.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from airflow_platform_plugin.analytics import embedded_process; embedded_process.main()"
)
# Variables that the interpreter may need; any other may be a secret.
_ENVIRONMENT = ("LD_LIBRARY_PATH", "PATH", "TZ")
# A row's line is never longer than this for each byte of the row in a response.
_LONGEST_LINE = 2


class Embedded(Engine):
    """A query on a database in a file."""

    name: ClassVar[str]

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self._process: subprocess.Popen[str] | None = None
        self._path = str(self.connection.host or self.connection.schema or "")

    def open(self) -> None:
        """Start the process; it opens the database with the query."""
        if not Path(self._path).is_file():
            raise Unreachable(f"no such file: {self._path}")
        if not self.trusted and airflow_services.is_database_file(self._path):
            raise Unsupported("it is Airflow's own database")
        path = [entry for entry in sys.path if entry]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, and a path
            [sys.executable, "-I", "-X", "utf8", "-c", _START, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            encoding="utf-8",
            start_new_session=True,  # a signal to the webserver's group does not reach it
        )

    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Start the query and return its columns."""
        bound = self._bound(statement, parameters)
        request = {
            "engine": self.name,
            "path": self._path,
            "sql": bound.sql,
            "values": bound.values,
            "seconds": self.limits.seconds,
            "memory": self.limits.memory,
            "bytes": self.limits.bytes,
            "config": sqlalchemy_urls.DUCKDB_CONFIG,
        }
        with suppress(BrokenPipeError):  # its last line says why
            self._running.stdin.write(json.dumps(request) + "\n")  # type: ignore[union-attr]  # a pipe
            self._running.stdin.flush()  # type: ignore[union-attr]
        (columns,) = self._read("columns") or ([],)
        return [Column(*column) for column in columns]

    def rows(self) -> Iterator[Sequence[Value]]:
        """Yield the rows."""
        while (line := self._read("row")) is not None:
            yield [Decimal(cell[1]) if len(cell) > 1 else cell[0] for cell in line[0]]

    def cancel(self) -> None:
        """Kill the process that runs the query."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with suppress(BrokenPipeError):
                self._running.stdin.close()  # type: ignore[union-attr]
            self._running.stdout.close()  # type: ignore[union-attr]

    @property
    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("The engine is not open.")
        return self._process

    def _read(self, wanted: str) -> list[Any] | None:
        """Return the next line of that kind; None at the end."""
        longest = _LONGEST_LINE * self.limits.bytes + 1_000_000
        line = self._running.stdout.readline(longest)  # type: ignore[union-attr]
        if not line.endswith("\n"):
            if len(line) == longest:
                raise RowTooLong
            raise Refused("the database has ended; the query may need more memory than it may use")
        kind, *content = json.loads(line)
        if kind == "error":
            error: type[EngineError] = getattr(base, content[0])
            raise error(content[1])
        return content if kind == wanted else None

    def _bound(self, statement: Statement, parameters: Parameters) -> base.Bound:
        raise NotImplementedError


class DuckDB(Embedded):
    """A query on DuckDB."""

    dialect = "duckdb"
    name = "duckdb"

    def _bound(self, statement: Statement, parameters: Parameters) -> base.Bound:
        return bind(statement, parameters, Style(lambda name: f"${name}", arrays=True))


class SQLite(Embedded):
    """A query on SQLite."""

    dialect = "sqlite"
    name = "sqlite"

    def _bound(self, statement: Statement, parameters: Parameters) -> base.Bound:
        return bind(statement, parameters, Style(lambda name: f":{name}"))
