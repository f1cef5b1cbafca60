"""ClickHouse: one POST to its HTTP interface with ``readonly=1``.

The server accepts one statement in a request. With that setting it accepts no statement that writes, no SET,
and no table function that reads files or other hosts. GET is always read-only, and refuses the setting.
"""

import json
import math
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx

from airflow_platform_plugin.analytics.engines.base import (
    Engine,
    Expired,
    Limits,
    Refused,
    Source,
    Style,
    TooLarge,
    Unreachable,
    Unsupported,
    bind,
)
from airflow_platform_plugin.analytics.inputs import Parameters, Scalar
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.analytics.values import Column, Json, Value

_KILL_TIMEOUT = 2.0  # seconds
_HTTP_PORT, _HTTPS_PORT = 8123, 8443
_TIMEOUT_EXCEEDED = "Code: 159"
_EXCEPTION = re.compile(r"(, e\.displayText\(\) =)? DB::Exception(?=:)|, e\.what\(\) = DB::Exception")
_NOT_FINITE = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class ClickHouse(Engine):
    """A query on ClickHouse."""

    dialect = "clickhouse"

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self._query_id = f"platform-{uuid.uuid4().hex}"
        self._client: httpx.Client | None = None
        self._response: Mapping[str, Any] = {}
        self._running = False

    def open(self) -> None:
        """Prepare the client, which connects with its request."""
        if not self.connection.host:
            raise Unsupported("it needs the name or the address of a host")
        self._client = self._new_client(self.limits.seconds + 2)

    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Send the query and read the whole response: the server ends it at the limits."""
        bound = bind(statement, parameters, Style(lambda name: f"{{{name}}}", _double_braces, arrays=True))
        sql = bound.sql
        if bound.values:
            sql = sql.format_map({name: _literal(value) for name, value in bound.values.items()})
        self._running = True
        try:
            data = self._post(f"{sql}\nFORMAT JSONCompact")
        except httpx.ConnectError as error:
            raise Unreachable(str(error)) from error
        except httpx.TimeoutException as error:
            raise Expired(str(error)) from error
        except httpx.HTTPError as error:
            raise Unreachable(str(error)) from error
        try:
            self._response = json.loads(data, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise Refused("the server's response is incomplete") from error
        return [Column(column["name"], column["type"]) for column in self._response["meta"]]

    def rows(self) -> Iterator[Sequence[Value]]:
        """Yield the rows."""
        types = [str(column["type"]) for column in self._response["meta"]]
        for row in self._response["data"]:
            yield [_value(value, kind) for value, kind in zip(row, types, strict=True)]

    def cancel(self) -> None:
        """Stop the query at the database."""
        if not self._running:
            return
        with suppress(httpx.HTTPError), self._new_client(_KILL_TIMEOUT) as client:
            client.post("/", content=f"KILL QUERY WHERE query_id = '{self._query_id}' ASYNC")

    def close(self) -> None:
        """Disconnect."""
        self.cancel()
        if self._client is not None:
            self._client.close()

    def _new_client(self, timeout: float) -> httpx.Client:
        connection, extra = self.connection, self.connection.extra_dejson
        if not isinstance(extra, dict):
            extra = {}
        secure = bool(extra.get("secure")) or connection.port == _HTTPS_PORT
        host = str(connection.host)
        host = f"[{host}]" if ":" in host else host
        port = connection.port or (_HTTPS_PORT if secure else _HTTP_PORT)
        try:
            return httpx.Client(
                base_url=f"{'https' if secure else 'http'}://{host}:{port}",
                headers={
                    "X-ClickHouse-User": connection.login or "default",
                    "X-ClickHouse-Key": connection.password or "",
                },
                timeout=timeout,
                trust_env=False,  # the operator's proxy and .netrc are not the connection's
            )
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise Unsupported("its host is not valid") from error

    def _post(self, sql: str) -> bytes:
        settings: dict[str, str | int] = {
            "readonly": 1,
            "query_id": self._query_id,
            "max_execution_time": math.ceil(self.limits.seconds),
            "max_result_rows": self.limits.rows,
            "result_overflow_mode": "break",
            "max_block_size": min(self.limits.rows, 65_536),
            "output_format_json_quote_64bit_integers": 0,
            "output_format_json_quote_denormals": 1,
        }
        if self.connection.schema:
            settings["database"] = self.connection.schema
        longest = 2 * self.limits.bytes + 1_000_000
        data = bytearray()
        if self._client is None:
            raise RuntimeError("The engine is not open.")
        with self._client.stream("POST", "/", params=settings, content=sql.encode()) as response:
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > longest:
                    raise TooLarge("The result is too long; select less.")
            self._running = False
            if response.status_code != HTTPStatus.OK:
                text = data[:2000].decode(errors="replace")
                raise Expired(text) if _TIMEOUT_EXCEEDED in text else Refused(_EXCEPTION.sub("", text))
        return bytes(data)


def _double_braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _literal(value: Scalar | list[Scalar]) -> str:
    """Return a value as a literal of ClickHouse; a backslash is always an escape in its strings."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(int(value))
        case int() | float():
            return repr(value)
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case _:
            return "[" + ", ".join(_literal(item) for item in value) + "]"


def _value(value: Json, kind: str) -> Value:
    match value:
        case Decimal() if "Decimal" not in kind:
            return float(value)
        case str() if "Float" in kind:
            return _NOT_FINITE.get(value, value)
        case list():
            return [_value(item, kind) for item in value]
        case dict():
            return {name: _value(item, kind) for name, item in value.items()}
    return value
