"""Types that tenants may have, and what extra each may have."""

from typing import Any

import pytest

from airflow_platform_plugin.connections.settings import ConnectionSettings
from airflow_platform_plugin.connections.tenant_rules import (
    connection_types,
)


@pytest.mark.parametrize(
    ("connection_type", "extra"),
    [
        ("postgres", {"hostaddr": "10.0.0.1"}),
        ("postgres", {"service": "x"}),
        ("postgres", {"options": "-c x=y"}),
        ("postgres", {"passfile": "/x"}),
        ("postgres", {"sslkey": "/x"}),
        ("postgres", {"sslrootcert": "/x"}),
        ("postgres", {"iam": True}),
        ("postgres", {"aws_conn_id": "x"}),
        ("postgres", {"sqlalchemy_query": {"host": "x"}}),
        ("postgres", {"sqlalchemy_scheme": "postgresql+x"}),
        ("postgres", {"dsn": "host=x"}),
        ("postgres", {"host": "x"}),
        ("postgres", {"Host": "x"}),
        ("postgres", {"application_name": {"host": "x"}}),
        ("mysql", {"unix_socket": "/x"}),
        ("mysql", {"local_infile": 1}),
        ("mysql", {"allow_local_infile": True}),
        ("mysql", {"ssl": {"ca": "/x"}}),
        ("mysql", {"ssl_ca": "/x"}),
        ("mysql", {"read_default_file": "/x"}),
        ("mysql", {"init_command": "x"}),
        ("mysql", {"client": "os"}),
        ("redis", {"startup_nodes": "x:1"}),
        ("redis", {"cluster": True}),
        ("redis", {"ssl_ca_certs": "/x"}),
        ("http", {"proxies": {"http": "x"}}),
        ("http", {"proxy": "x"}),
        ("http", {"cert": "/x"}),
        ("http", {"verify": "/x"}),
        ("http", {"trust_env": True}),
        ("http", {"srv_lookup": True}),
        ("http", {"Host": "x"}),
        ("http", {"x-forwarded-host": "x"}),
        ("http", {"X_Forwarded_Host": "x"}),
        ("http", {"Content-Length": "1"}),
        ("http", {"Transfer-Encoding": "chunked"}),
        ("http", {"X-A": "a\r\nHost: x"}),
        ("http", {"headers": {"host": "x"}}),
        ("http", {"a b": "x"}),
        ("smtp", {"subject_template": "/x"}),
        ("smtp", {"tenant_id": "x"}),
        ("imap", {"ssl_context": "x"}),
        ("clickhouse", {"url": "x"}),
    ],
)
def test_extra_may_have_known_fields_only(connection_type: str, extra: dict[str, Any]) -> None:
    """Fields that could name a host, a file, a program or an identity of the server are refused by name."""
    kind = connection_types.find_type(connection_type)
    assert kind is not None
    assert [path for path, _ in kind.find_problems(extra)] == [("extra", next(iter(extra)))]


def test_usual_fields_of_extra_are_allowed() -> None:
    """Common options of each type have no problem."""
    usual: dict[str, dict[str, Any]] = {
        "postgres": {"sslmode": "require", "connect_timeout": 10, "sslrootcert": "system"},
        "mysql": {"charset": "utf8mb4", "client": "mysql-connector-python", "ssl_mode": "REQUIRED"},
        "redis": {"db": 0, "ssl": True},
        "http": {"Authorization": "Bearer x", "X-API-Key": "k", "timeout": 5, "verify": True},
        "smtp": {"from_email": "a@example.com", "disable_ssl": True},
        "imap": {"use_ssl": False},
    }
    for connection_type, extra in usual.items():
        kind = connection_types.find_type(connection_type)
        assert kind is not None
        assert list(kind.find_problems(extra)) == []


def test_the_default_setting_lists_all_known_types() -> None:
    """The setting and the module agree."""
    default = ConnectionSettings.model_fields["tenant_connection_types"].default
    assert [entry.strip() for entry in default.split(",")] == list(connection_types.TYPES)


@pytest.mark.parametrize(
    "spelling",
    [
        "sqlite",
        "SQLite",
        "sqlite+pysqlite",
        "sqlite.pysqlite",
        " sqlite",
        "duckdb",
        "duckdb+duckdb_engine",
        "fs",
        "file",
    ],
)
def test_types_that_open_files_are_found_in_any_spelling(spelling: str) -> None:
    """Drivers read several spellings alike."""
    assert connection_types.opens_file(spelling)
    assert not connection_types.opens_file("postgres")
