"""Which hosts are inside, which no tenant reaches, and where a connection names one."""

from typing import Any

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
RULES = allowed_hosts.parse_rules(DEFAULT)


def fields(**given: Any) -> ConnectionFields:
    """The fields of a connection whose type does not matter."""
    return ConnectionFields(connection_type="x", **given)


def refused(
    host: str, *, external: bool = False, rules: str = DEFAULT, port: int | None = None
) -> str | None:
    """Why the host of an HTTP connection, which may be a URL, is refused; None where it is not."""
    kind = connection_types.find_type("http")
    assert kind is not None
    named, problems = host_fields.find_host_of_type(fields(host=host, port=port), kind)
    reasons = [why for _, why in problems]
    reasons += [
        why
        for item in named
        if (why := allowed_hosts.parse_rules(rules).refusal(item.host, item.port, external=external))
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
def test_the_default_lets_private_networks_and_names_in(host: str) -> None:
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
def test_everything_else_is_outside(host: str) -> None:
    """Whatever a driver could read as another host than we do is, too."""
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
def test_what_is_not_plainly_a_host_is_nobodys(host: str) -> None:
    """Not even where the tenant may reach hosts outside: libraries do not agree on what it is."""
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
def test_the_server_itself_its_link_and_metadata_are_no_tenants(host: str) -> None:
    """Nor are they where a rule for a whole private network, or the feature, would let them in."""
    for rules in (DEFAULT, "*, 0.0.0.0/0, ::/0"):
        for external in (False, True):
            assert allowed_hosts.parse_rules(rules).refusal(addresses.normalize(host), 80, external=external)


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
def test_an_operator_can_allow_them_by_a_rule_of_their_own(rule: str, host: str) -> None:
    assert allowed_hosts.parse_rules(rule).refusal(host, 5432, external=False) is None
    assert allowed_hosts.parse_rules(f"{rule}, !{host}").refusal(host, 5432, external=True)


def test_a_rule_with_a_port_is_for_that_port() -> None:
    rules = allowed_hosts.parse_rules("db.example.com:5432, [::1]:5432, 10.0.0.0/8")
    assert rules.refusal("db.example.com", 5432, external=False) is None
    assert rules.refusal("db.example.com", 5433, external=False) == allowed_hosts.OUTSIDE
    assert rules.refusal("::1", 5433, external=False) == allowed_hosts.FORBIDDEN
    assert rules.allows_with_port("db.example.com", 5432)
    assert not rules.allows_with_port("10.0.0.1", 5432)


def test_an_exception_is_for_every_tenant() -> None:
    """Also for those that may reach hosts outside."""
    rules = allowed_hosts.parse_rules("*.corp.example, !bad.corp.example, !203.0.113.0/24")
    assert rules.refusal("x.corp.example", 80, external=False) is None
    for host in ("bad.corp.example", "203.0.113.9"):
        assert rules.refusal(host, 80, external=True) == allowed_hosts.EXCEPTED


def test_an_operators_list_replaces_the_default() -> None:
    rules = allowed_hosts.parse_rules("warehouse.example.com, 203.0.113.0/24 ,*.corp.example, 10.0.0.0/99")
    allowed = ["warehouse.example.com", "203.0.113.9", "x.corp.example"]
    others = ["10.0.0.1", "db.internal", "example.com"]
    outcome = [rules.refusal(host, None, external=False) for host in [*allowed, *others]]
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
def test_each_address_of_a_name_counts(address: str, host: str, why: str | None) -> None:
    """A pattern of names does not vouch for where they lead; a name that the operator has written does."""
    rules = allowed_hosts.parse_rules(f"{DEFAULT}, localhost, named.example, !203.0.113.0/24")
    assert rules.refusal_of_address(address, host, 80) == why


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
def test_hosts_elsewhere_than_in_host_count_as_well(given: dict[str, Any], path: tuple[str, ...]) -> None:
    """For a type that only the operator knows; one that is known takes no such field."""
    named = host_fields.find_hosts_in_all_fields(fields(host="a.internal", **given))
    outside = [item.path for item in named if RULES.refusal(item.host, item.port, external=False)]
    assert outside == [path]


@pytest.mark.parametrize(
    "schema",
    ["x?host=evil.example", "x@evil.example", "a/b", "a\\b", "a=b", "a;b", "a%2Fb", "a:b", "a\nb", "'a'"],
)
def test_a_database_is_a_name_and_nothing_more(schema: str) -> None:
    """Drivers that put a URL or a DSN together would read more out of it."""
    for kind in map(connection_types.find_type, ("postgres", "mysql", "redis", "smtp")):
        assert kind is not None
        _, problems = host_fields.find_host_of_type(fields(host="a.internal", schema=schema), kind)
        assert [path for path, _ in problems] == [("schema",)]
        assert host_fields.find_host_of_type(fields(host="a.internal", schema="My db_1.x-y"), kind)[1] == []


@pytest.mark.parametrize(
    "host", ["a.internal,b.internal", "a.internal:5432", "postgres://a.internal", "/var/run"]
)
def test_a_database_has_one_host_and_no_url(host: str) -> None:
    """``libpq`` takes several hosts and directories of sockets; Airflow puts URLs together."""
    kind = connection_types.find_type("postgres")
    assert kind is not None
    (named,), _ = host_fields.find_host_of_type(fields(host=host), kind)
    assert RULES.refusal(named.host, named.port, external=True) == allowed_hosts.NOT_A_HOST


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
def test_extra_has_what_the_type_is_known_for_and_nothing_else(
    connection_type: str, extra: dict[str, Any]
) -> None:
    """A field that could name a host, a file, a program or an identity of the server is refused by name."""
    kind = connection_types.find_type(connection_type)
    assert kind is not None
    assert [path for path, _ in kind.find_problems(extra)] == [("extra", next(iter(extra)))]


def test_what_connections_usually_have_is_allowed() -> None:
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


def test_the_types_of_the_default_are_those_that_are_known() -> None:
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
def test_types_of_files_are_known_however_they_are_spelled(spelling: str) -> None:
    assert connection_types.opens_file(spelling)
    assert not connection_types.opens_file("postgres")


def test_a_long_host_takes_no_longer_than_its_length() -> None:
    """Reading is linear: what is beyond the most hosts of a connection is not taken apart."""
    text = "a://[::1]," * 50_000
    assert len(host_fields.find_hosts_in_all_fields(fields(host=text))) == host_fields.MOST_HOSTS + 1
