"""Hosts that tenants may name, and hosts that no tenant may reach."""

import pytest

from airflow_platform_plugin.connections.inputs import ConnectionFields
from airflow_platform_plugin.connections.settings import ConnectionSettings
from airflow_platform_plugin.connections.tenant_rules import (
    addresses,
    allowed_hosts,
    connection_types,
    host_fields,
)

DEFAULT = ConnectionSettings.model_fields["internal_hosts"].default


def refused(
    host: str, *, external: bool = False, rules: str = DEFAULT, port: int | None = None
) -> str | None:
    """Return why the host of an HTTP connection, which may be a URL, is refused; None if it is allowed."""
    kind = connection_types.find_type("http")
    assert kind is not None
    fields = ConnectionFields(connection_type="http", host=host, port=port)
    named, problems = host_fields.find_host_of_type(fields, kind)
    reasons = [why for _, why in problems]
    reasons += [
        why
        for item in named
        if (why := allowed_hosts.parse_rules(rules).find_refusal(item.host, item.port, external=external))
    ]
    return reasons[0] if reasons else None


@pytest.mark.parametrize(
    "host",
    [
        "db.internal",
        "db.internal.",
        "DB.Internal",
        "db.internal:5432",
        "a.b.svc.cluster.local",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "[fd00::1]:5432",
        "[::ffff:10.0.0.1]",
        "http://user:password@10.0.0.1:80/x?y",
    ],
)
def test_the_default_allows_private_networks_and_internal_names(host: str) -> None:
    """Spelling, ports and URLs make no difference."""
    assert refused(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "8.8.8.8",
        "[::ffff:8.8.8.8]",
        "[2001:db8::1]",
        "internal",
        "example.com/x.internal",
        "example.com?.internal",
        "a.internal@example.com",
        "a.internal:80@example.com",
        "//example.com//a.internal",
        "http:/example.com/.internal",
        "jdbc:oracle:thin:@example.com:1521:x",
    ],
)
def test_other_hosts_are_outside(host: str) -> None:
    """That includes texts that a driver could read as another host than the platform does."""
    assert refused(host) is not None


@pytest.mark.parametrize(
    "host",
    [
        "example.com#.internal",
        "example.com\\.internal",
        "example.com\\@a.internal",
        "example.com\n.internal",
        "a.internal example.com",
        "http://[::1",
        "/var/run/postgresql",
        " ",
        "",
        "2130706433",
        "0x7f.0.0.1",
        "127.1",
        "0177.0.0.1",
        "1.2.3.4.5",
        "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",  # localhost in full-width letters
        "\u24d4xample.com",
        "a.internal,example.com",
        "file:///etc/passwd",
        "a" * 300 + ".internal",
    ],
)
def test_ambiguous_hosts_are_refused_to_every_tenant(host: str) -> None:
    """Libraries read them differently, so the feature external_connections does not help."""
    assert refused(host, external=True) is not None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "localhost.localdomain",
        "ip6-localhost",
        "127.0.0.1",
        "127.255.0.9",
        "0.0.0.0",  # noqa: S104 - only looked at
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:7f00:1::",
        "fe80::1",
        "fe80::1%eth0",
        "fe80::5efe:7f00:1",
        "2001:db8::5efe:169.254.169.254",
        "fd00:ec2::254",
        "FD00:0EC2:0:0:0:0:0:254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "ff02::1",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata.goog",
        "instance-data.ec2.internal",
    ],
)
def test_the_server_its_link_and_cloud_metadata_are_forbidden(host: str) -> None:
    """A rule for a whole private network or the feature does not allow them."""
    for rules in (DEFAULT, "*, 0.0.0.0/0, ::/0"):
        for external in (False, True):
            assert allowed_hosts.parse_rules(rules).find_refusal(
                addresses.normalize(host), 80, external=external
            )


@pytest.mark.parametrize(
    ("rule", "host"),
    [
        ("localhost", "localhost"),
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("::1", "::1"),
        ("::1/128", "::1"),
        ("169.254.1.1", "169.254.1.1"),
        ("localhost:5432", "localhost"),
        ("[::1]:5432", "::1"),
    ],
)
def test_an_operator_can_allow_forbidden_hosts_by_an_explicit_rule(rule: str, host: str) -> None:
    """A rule that excepts the host still refuses it."""
    assert allowed_hosts.parse_rules(rule).find_refusal(host, 5432, external=False) is None
    assert allowed_hosts.parse_rules(f"{rule}, !{host}").find_refusal(host, 5432, external=True)


def test_a_rule_with_a_port_is_for_that_port_only() -> None:
    """Other ports of the host are not allowed by it."""
    rules = allowed_hosts.parse_rules("db.example.com:5432, [::1]:5432, 10.0.0.0/8")
    assert rules.find_refusal("db.example.com", 5432, external=False) is None
    assert rules.find_refusal("db.example.com", 5433, external=False) == allowed_hosts.OUTSIDE
    assert rules.find_refusal("::1", 5433, external=False) == allowed_hosts.FORBIDDEN
    assert rules.allows_with_port("db.example.com", 5432)
    assert not rules.allows_with_port("10.0.0.1", 5432)


def test_exceptions_apply_to_every_tenant() -> None:
    """They apply also with the feature external_connections."""
    rules = allowed_hosts.parse_rules("*.corp.example, !bad.corp.example, !203.0.113.0/24")
    assert rules.find_refusal("x.corp.example", 80, external=False) is None
    for host in ("bad.corp.example", "203.0.113.9"):
        assert rules.find_refusal(host, 80, external=True) == allowed_hosts.EXCEPTED


def test_an_operators_list_replaces_the_default() -> None:
    """Private networks are then outside; an entry that is not a network is a name."""
    rules = allowed_hosts.parse_rules("warehouse.example.com, 203.0.113.0/24 ,*.corp.example, 10.0.0.0/99")
    allowed = ["warehouse.example.com", "203.0.113.9", "x.corp.example"]
    others = ["10.0.0.1", "db.internal", "example.com"]
    outcome = [rules.find_refusal(host, None, external=False) for host in [*allowed, *others]]
    assert outcome == [None] * 3 + [allowed_hosts.OUTSIDE] * 3


@pytest.mark.parametrize(
    ("address", "host", "why"),
    [
        ("127.0.0.1", "db.internal", allowed_hosts.FORBIDDEN),
        ("::1", "db.internal", allowed_hosts.FORBIDDEN),
        ("fd00:ec2::254", "db.internal", allowed_hosts.FORBIDDEN),
        ("203.0.113.9", "db.internal", allowed_hosts.EXCEPTED),
        ("127.0.0.1", "localhost", None),
        ("127.0.0.1", "named.example", None),
        ("10.0.0.1", "db.internal", None),
    ],
)
def test_each_address_of_a_name_is_checked(address: str, host: str, why: str | None) -> None:
    """A pattern of names does not allow forbidden addresses; a name that the operator wrote in full does."""
    rules = allowed_hosts.parse_rules(f"{DEFAULT}, localhost, named.example, !203.0.113.0/24")
    assert rules.find_refusal_of_address(address, host, 80) == why
