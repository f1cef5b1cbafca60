"""Which hosts are inside."""

import pytest

from airflow_platform_plugin import settings
from airflow_platform_plugin.connections import hosts

INTERNAL = settings.Settings.model_fields["internal_hosts"].default


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "db.internal",
        "db.internal.",
        "db.internal:5432",
        "a.b.svc.cluster.local",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "::1",
        "[::1]:5432",
        "fd00::1",
        "::ffff:10.0.0.1",
        "http://user:password@10.0.0.1:80/x?y#z",
        "a.internal,b.internal",
        "a.internal:9092, b.internal:9092",
    ],
)
def test_the_default_lets_private_networks_and_names_in(host: str) -> None:
    assert hosts.outside({"host": host}, INTERNAL) == []


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "2001:db8::1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - only looked at
        "metadata.google.internal",
        "METADATA.google.internal.",
        "2130706433",
        "0x7f.0.0.1",
        "127.1",
        "internal",
        "example.com/x.internal",
        "example.com#.internal",
        "example.com?.internal",
        "a.internal@example.com",
        "a.internal:80@example.com",
        "example.com\\.internal",
        "example.com\\@a.internal",
        "example%2ecom.internal",
        "a.internal//example.com",
        "//example.com//a.internal",
        "http:/example.com/.internal",
        "jdbc:oracle:thin:@example.com:1521:x",
        "a.internal,example.com",
        "a.internal example.com",
        "example.com\n.internal",
        "http://[::1",
        "/var/run/postgresql",
        " ",
    ],
)
def test_everything_else_is_outside(host: str) -> None:
    """Whatever a driver could read as another host than we do is, too."""
    assert hosts.outside({"host": host}, INTERNAL) == [("host",)]


def test_no_host_at_all_is_outside() -> None:
    """Such connections lead to a service's own public address."""
    assert hosts.outside({"host": None, "schema": "", "extra": {"region": "eu"}}, INTERNAL) == [("host",)]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schema": "http://example.com/?x="}, ("schema",)),
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
def test_hosts_elsewhere_than_in_host_count_as_well(fields: dict[str, object], path: tuple[str, ...]) -> None:
    assert hosts.outside({"host": "a.internal", **fields}, INTERNAL) == [path]


def test_an_operators_list_replaces_the_default() -> None:
    rules = "warehouse.example.com, 203.0.113.0/24 ,*.corp.example, !bad.corp.example, 10.0.0.0/99"
    allowed = ["warehouse.example.com", "203.0.113.9", "x.corp.example"]
    refused = ["bad.corp.example", "10.0.0.1", "db.internal", "example.com"]
    assert [hosts.is_internal(host, rules) for host in [*allowed, *refused]] == [True] * 3 + [False] * 4
