"""The hosts that tenants may name, by ``[platform] internal_hosts``, and those that no tenant may reach.

Pure. A host is a name or an address. Names are compared as names here. When a connection is used,
``destinations`` looks its names up, and asks again about each address.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from airflow_platform_plugin.connections.tenant_rules.addresses import is_name, list_forms, normalize, parse

Network = IPv4Network | IPv6Network

# The server itself, its link, and the addresses at which clouds hand out credentials, from public registries
# and the clouds' documentation. A rule of the operator for exactly such a network allows it.
_FORBIDDEN = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: AWS, Azure, Google, OpenStack, Oracle …
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's host
        "192.0.0.192/32",  # Oracle Classic
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::/32",  # AWS
        "fd20:ce::/32",  # Google
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:42::42/128",  # Scaleway
        "fd00:a9fe:a9fe::/48",  # Akamai
        "64:ff9b:1::/48",  # translates to IPv4 in ways that only the network's operator knows (RFC 8215)
    )
]
_FORBIDDEN_NAMES = (
    "localhost",
    "*.localhost",
    "localhost.localdomain",
    "localhost4*",
    "localhost6*",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
    "*.metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
)
_MAPPED = 96  # bits before the address of IPv4

# Why a host is refused.
NOT_A_HOST = "must be the name or the address of a host"
FORBIDDEN = "is the server itself, its link or a cloud's metadata, which no tenant may reach"
EXCEPTED = "is among the hosts that [platform] internal_hosts excepts"
OUTSIDE = "is not among the internal hosts, and the tenant does not have the feature external_connections"
AIRFLOW_SERVICE = "is a service of Airflow itself, which no tenant may reach"


@dataclass(frozen=True)
class Rule:
    """One entry of the list: a network or a pattern of names, and perhaps a port.

    Attributes:
        network: the network; None if the entry is a pattern of names.
        pattern: a shell pattern of names.
        port: the only port that the rule is about; None for all.
    """

    network: Network | None
    pattern: str
    port: int | None = None

    def matches(self, host: str, port: int | None) -> bool:
        """Return whether the rule is about that host and port."""
        if self.port is not None and self.port != port:
            return False
        address = parse(host)
        if address is None:
            return self.network is None and fnmatchcase(host, self.pattern)
        return self.network is not None and address in self.network

    @property
    def is_explicit(self) -> bool:
        """Return whether the rule names one host, or a network within one that is forbidden to tenants."""
        if self.network is None:
            return not any(character in self.pattern for character in "*?[")
        return any(
            self.network.version == other.version and self.network.subnet_of(other)  # type: ignore[arg-type]
            for other in _FORBIDDEN
        )


@dataclass(frozen=True)
class Rules:
    """The whole list.

    Attributes:
        allowed: entries that allow hosts.
        excepted: entries that begin with ``!``, which refuse hosts to every tenant.
    """

    allowed: tuple[Rule, ...]
    excepted: tuple[Rule, ...]

    def allows(self, host: str, port: int | None) -> bool:
        """Return whether the host is on the list."""
        return any(rule.matches(host, port) for rule in self.allowed)

    def allows_explicitly(self, host: str, port: int | None) -> bool:
        """Return whether a rule names this very host. Such a rule also allows a forbidden host."""
        return any(rule.is_explicit and rule.matches(host, port) for rule in self.allowed)

    def allows_with_port(self, host: str, port: int | None) -> bool:
        """Return whether a rule names this very port. Such a rule also allows a service of Airflow itself."""
        return any(rule.port is not None and rule.matches(host, port) for rule in self.allowed)

    def excepts(self, host: str, port: int | None) -> bool:
        """Return whether the list excepts the host, or an IPv4 address that it carries."""
        address = parse(host)
        forms = [host] if address is None else [str(form) for form in list_forms(address)]
        return any(rule.matches(form, port) for rule in self.excepted for form in forms)

    def find_refusal(self, host: str, port: int | None, *, external: bool) -> str | None:
        """Return why a tenant must not reach the host, or None if it may.

        Args:
            host: a name or an address, as ``normalize`` returns it.
            port: the port, or None if it is unknown.
            external: whether the tenant has the feature ``external_connections``.
        """
        if parse(host) is None and not is_name(host):
            return NOT_A_HOST
        if self.excepts(host, port):
            return EXCEPTED
        if is_forbidden(host) and not self.allows_explicitly(host, port):
            return FORBIDDEN
        return None if external or self.allows(host, port) else OUTSIDE

    def find_refusal_of_address(self, address: str, host: str, port: int | None) -> str | None:
        """Return why a tenant must not reach an address, or None if it may.

        Args:
            address: an address that the host has now.
            host: the host's name, which the tenant may use.
            port: the port, or None if it is unknown.
        """
        address = normalize(address)
        if self.excepts(address, port):
            return EXCEPTED
        allowed = self.allows_explicitly(host, port) or self.allows_explicitly(address, port)
        return FORBIDDEN if is_forbidden(address) and not allowed else None


@lru_cache(maxsize=8)
def parse_rules(text: str) -> Rules:
    """Parse the setting: networks, names and patterns of names, separated by commas; ``!`` excepts one."""
    entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
    return Rules(
        allowed=tuple(_parse_rule(entry) for entry in entries if not entry.startswith("!")),
        excepted=tuple(_parse_rule(entry[1:].strip()) for entry in entries if entry.startswith("!")),
    )


def is_forbidden(host: str) -> bool:
    """Return whether a host is the server itself, its link, or a cloud's metadata."""
    address = parse(host)
    if address is None:
        return any(fnmatchcase(host, pattern) for pattern in _FORBIDDEN_NAMES)
    return any(form in network for form in list_forms(address) for network in _FORBIDDEN)


def _parse_rule(entry: str) -> Rule:
    name, port = entry, None
    if found := re.fullmatch(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})", entry):
        name, port = found[1].strip("[]"), int(found[2])
    try:
        network = ip_network(name, strict=False)
        mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
        if mapped is not None and network.prefixlen >= _MAPPED:  # as ``parse`` returns such addresses
            network = ip_network(f"{mapped}/{network.prefixlen - _MAPPED}")
        return Rule(network, name, port)
    except ValueError:
        return Rule(None, name.removesuffix("."), port)
