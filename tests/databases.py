"""Databases that queries are tried on, with the tables of the corpora."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

# What the corpora query; {json}, {tags} and {some_tags} differ between databases.
TABLES = [
    "CREATE TABLE customers (id INTEGER, name VARCHAR(20), country VARCHAR(2), created DATE, vip BOOLEAN)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, amount DECIMAL(10, 2), "  # noqa: ISC004 - one text
    "qty INTEGER, status VARCHAR(10), ordered_at TIMESTAMP)",
    "CREATE INDEX ix_status ON orders (status)",
    "CREATE TABLE events (id INTEGER, payload {json}, tags {tags})",
    "CREATE TABLE victim (id INTEGER, x INTEGER)",
    "INSERT INTO victim VALUES (1, 1)",
]


def _rows() -> Iterator[str]:
    for i in range(1, 21):
        country = "DE" if i % 2 else "FR"
        yield f"INSERT INTO customers VALUES ({i}, 'c{i}', '{country}', '2024-01-{i:02}', {i % 3 == 0})"  # noqa: S608 - a test's own SQL
    for i in range(1, 51):
        status, moment = ("paid", "open", "void")[i % 3], f"2024-0{i % 9 + 1}-11 12:00:{i:02}"
        yield f"INSERT INTO orders VALUES ({i}, {i % 20 + 1}, {i * 7.25}, {i % 9}, '{status}', '{moment}')"  # noqa: S608 - a test's own SQL
    for i in range(1, 6):
        payload = json.dumps({"k": f"v{i}", "n": [1, 2, i]})
        yield f"INSERT INTO events VALUES ({i}, '{payload}', {{some_tags}})"  # noqa: S608 - a test's own SQL


@dataclass
class Database:
    """One of the real databases.

    Attributes:
        dialect: sqlglot's name of its SQL.
        fields: the connection's, as Airflow's ``Connection`` takes them.
        run: executes statements by the plain driver, as the administrator; returns the last one's rows.
        tables: names the tables that are there.
    """

    dialect: str
    fields: dict[str, Any]
    run: Callable[..., list[tuple[Any, ...]]]
    tables: Callable[[], set[str]]

    @property
    def connection(self) -> Any:
        """A connection of Airflow's, which is stored nowhere."""
        from airflow.models.connection import Connection

        return Connection(conn_id=f"real_{self.dialect}", **self.fields)


def fill(database: Database) -> Database:
    types = {
        "postgres": {"json": "JSONB", "tags": "TEXT[]", "some_tags": "ARRAY['a', 'b']"},
        "duckdb": {"json": "JSON", "tags": "VARCHAR[]", "some_tags": "['a', 'b']"},
    }.get(database.dialect, {"json": "TEXT", "tags": "TEXT", "some_tags": "'a,b'"})
    statements = [*TABLES, *_rows()]
    for name, kind in types.items():
        statements = [statement.replace(f"{{{name}}}", kind) for statement in statements]
    database.run(*statements)
    return database
