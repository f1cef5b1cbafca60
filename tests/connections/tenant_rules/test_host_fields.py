"""Hosts that a connection names, in any field."""

from typing import Any

import pytest

from airflow_platform_plugin.connections.inputs import ConnectionFields
from airflow_platform_plugin.connections.settings import ConnectionSettings
from airflow_platform_plugin.connections.tenant_rules import (
    allowed_hosts,
    connection_types,
    host_fields,
)

RULES = allowed_hosts.parse_rules(ConnectionSettings.model_fields["internal_hosts"].default)


def fields(**given: Any) -> ConnectionFields:
    """Return fields of a connection whose type does not matter."""
    return ConnectionFields(connection_type="x", **given)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"schema": "http://example.com/?x="}, ("schema",)),
        ({"login": "me@example.com"}, ("login",)),
        ({"extra": {"hostaddr": "8.8.8.8"}}, ("extra", "hostaddr")),
        ({"extra": {"proxies": {"https": "example.com:3128"}}}, ("extra", "proxies", "https")),
        (
            {"extra": {"nested": [{"endpoint_url": "http://example.com"}]}},
            ("extra", "nested", "0", "endpoint_url"),
        ),
        ({"extra": {"startup_nodes": "a.internal:1,example.com:2"}}, ("extra", "startup_nodes")),
        ({"extra": {"anything": "s3://bucket/key"}}, ("extra", "anything")),
        ({"extra": {"bootstrap.servers": "example.com:9092"}}, ("extra", "bootstrap.servers")),
    ],
)
def test_hosts_are_found_in_all_fields_of_unknown_types(given: dict[str, Any], path: tuple[str, ...]) -> None:
    """Known types do not allow such fields at all."""
    named = host_fields.find_hosts_in_all_fields(fields(host="a.internal", **given))
    outside = [item.path for item in named if RULES.find_refusal(item.host, item.port, external=False)]
    assert outside == [path]


@pytest.mark.parametrize(
    "schema",
    ["x?host=evil.example", "x@evil.example", "a/b", "a\\b", "a=b", "a;b", "a%2Fb", "a:b", "a\nb", "'a'"],
)
def test_a_database_must_be_a_plain_name(schema: str) -> None:
    """Drivers that build a URL or a DSN would read more out of it."""
    for kind in map(connection_types.find_type, ("postgres", "mysql", "redis", "smtp")):
        assert kind is not None
        _, problems = host_fields.find_host_of_type(fields(host="a.internal", schema=schema), kind)
        assert [path for path, _ in problems] == [("schema",)]
        assert host_fields.find_host_of_type(fields(host="a.internal", schema="My db_1.x-y"), kind)[1] == []


@pytest.mark.parametrize(
    "host", ["a.internal,b.internal", "a.internal:5432", "postgres://a.internal", "/var/run"]
)
def test_a_database_has_one_host_and_no_url(host: str) -> None:
    """``libpq`` takes several hosts and directories of sockets; Airflow builds URLs."""
    kind = connection_types.find_type("postgres")
    assert kind is not None
    (named,), _ = host_fields.find_host_of_type(fields(host=host), kind)
    assert RULES.find_refusal(named.host, named.port, external=True) == allowed_hosts.NOT_A_HOST


def test_only_a_limited_number_of_hosts_is_parsed() -> None:
    """Parsing stops after the greatest allowed number of hosts."""
    text = "a://[::1]," * 50_000
    assert len(host_fields.find_hosts_in_all_fields(fields(host=text))) == host_fields.MOST_HOSTS + 1
