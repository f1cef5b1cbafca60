"""Where a tenant's connection leads when it is used."""

import json
import socket
from typing import Any

import pytest

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.records import DetachedConnection
from airflow_platform_plugin.connections.tenant_rules import addresses, destinations, reachability
from airflow_platform_plugin.core.errors import (
    ServiceUnavailable,
    ValidationFailed,
)


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, ...]]:
    """Replace DNS by a table of names and addresses: a test cannot set names in a real DNS."""
    answers: dict[str, tuple[str, ...]] = {}

    def look_up(host: str) -> tuple[str, ...]:
        return answers.get(host) or ((host,) if host[:1].isdigit() or ":" in host else ())

    monkeypatch.setattr(addresses, "look_up", look_up)
    return answers


def lives_on(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    """Set the URLs of Airflow's own database and broker."""
    monkeypatch.setattr(airflow_compat.connections, "airflow_service_urls", lambda: urls)


def test_airflows_database_on_localhost_is_refused_at_every_address_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, session: Any, tenant_caller: Any, resolved: dict[str, tuple[str, ...]]
) -> None:
    """A service on ``localhost`` can also be reached at the machine's other addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("This machine has no address of its own.")
    tenant_caller("a", external_connections=True)
    lives_on(monkeypatch, "postgresql://airflow@localhost/airflow")
    resolved["localhost"] = ("127.0.0.1",)
    resolved["innocent.example"] = (address,)
    for host in (address, "innocent.example"):
        row = Connection(conn_id="x", conn_type="postgres", host=host)
        with pytest.raises(ValidationFailed, match="Airflow itself"):
            reachability.require_reachable(DetachedConnection(row, "a"))
        row.port = 5433
        assert reachability.require_reachable(DetachedConnection(row, "a")).addresses == (address,)


@pytest.mark.parametrize(
    "found",
    [
        ("127.0.0.1",),
        ("::1",),
        ("169.254.169.254",),
        ("fd00:ec2::254",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("10.0.0.1", "127.0.0.1"),
        ("203.0.113.9", "10.0.0.99"),
    ],
)
def test_every_address_of_a_name_is_checked_at_each_use(
    session: Any,
    tenant_caller: Any,
    resolved: dict[str, tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    found: tuple[str, ...],
) -> None:
    """A tenant may control the DNS zone of a name, and change it after the connection was stored."""
    lives_on(monkeypatch, "postgresql://airflow@meta.internal/airflow")
    tenant_caller("a", external_connections=True)
    resolved["mine.example"], resolved["meta.internal"] = found, ("10.0.0.99",)
    for connection_type in ("postgres", "http", "mysql"):
        row = Connection(conn_id="x", conn_type=connection_type, host="mine.example", port=5432)
        with pytest.raises(ValidationFailed) as error:
            reachability.require_reachable(DetachedConnection(row, "a"))
        assert error.value.details["errors"][0]["pointer"] == "/host"
        assert not any(address in str(error.value) for address in found)


def test_connections_are_pinned_to_the_checked_addresses(
    session: Any, tenant_caller: Any, resolved: dict[str, tuple[str, ...]]
) -> None:
    """A name that changes a moment later leads nowhere else."""
    tenant_caller("a")
    resolved["db.internal"] = ("10.0.0.1", "10.0.0.2")
    row = Connection(conn_id="x", conn_type="postgres", host="db.internal", extra='{"sslmode": "require"}')
    reached = reachability.require_reachable(DetachedConnection(row, "a"))
    assert reached.addresses == ("10.0.0.1", "10.0.0.2")
    copy = destinations.pin_to_addresses(row, reached)
    assert copy.host == "db.internal,db.internal"
    assert copy.extra_dejson == {
        "sslmode": "require",
        "hostaddr": "10.0.0.1,10.0.0.2",
        "passfile": "/dev/null/none",
        "sslcert": "/dev/null/none",
        "gssencmode": "disable",
        "password": "",
    }
    assert row.host == "db.internal"
    assert json.loads(row.extra) == {"sslmode": "require"}
    resolved["one.internal"] = ("10.0.0.3",)
    for connection_type, extra, host in (
        ("redis", {}, "10.0.0.3"),
        ("redis", {"ssl": True}, "one.internal"),
        ("mysql", {}, "10.0.0.3"),
        ("mysql", {"ssl_verify_identity": True}, "one.internal"),
        ("imap", {}, "one.internal"),
        ("imap", {"use_ssl": False}, "10.0.0.3"),
        ("smtp", {"disable_ssl": True}, "one.internal"),
        ("smtp", {"disable_ssl": True, "disable_tls": True}, "10.0.0.3"),
        ("http", {}, "one.internal"),
    ):
        row = Connection(conn_id="x", conn_type=connection_type, host="one.internal", extra=json.dumps(extra))
        destination = reachability.require_reachable(DetachedConnection(row, "a"))
        assert destinations.pin_to_addresses(row, destination).host == host


def test_a_name_without_an_address_is_refused_at_use(
    session: Any, tenant_caller: Any, resolved: dict[str, tuple[str, ...]]
) -> None:
    """A driver could find an address a moment later; without a lookup the fields decide."""
    tenant_caller("a")
    row = Connection(conn_id="x", conn_type="postgres", host="gone.internal")
    with pytest.raises(ServiceUnavailable):
        reachability.require_reachable(DetachedConnection(row, "a"))
    assert reachability.require_reachable(DetachedConnection(row, "a"), look_up=False).addresses == ()
