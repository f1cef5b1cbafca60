"""Which hosts a tenant may reach: by ``[platform] internal_hosts``, and what no tenant reaches. Pure.

A host is a name or an address. Names are compared as names here; ``reach`` looks them up when a connection
is used, and asks again about each address.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The server itself, its link, and where clouds hand out credentials. Public registries and the clouds'
# documents name these; a rule that speaks of such a network in particular allows it all the same.
_NEVER = [
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
_NEVER_NAMES = (
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
_TRANSLATED = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_MAPPED = 96  # bits before the address of IPv4
_ISATAP = (0x00005EFE, 0x02005EFE)

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
# What some resolvers read as an address: 2130706433, 0x7f.1, 127.1.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_LONGEST_NAME = 253

NOT_A_HOST = "must be the name or the address of a host"
NEVER = "is the server itself, its link or a cloud's metadata, which no tenant reaches"
EXCEPTED = "is among the hosts that [platform] internal_hosts excepts"
OUTSIDE = "is not among the internal hosts, and the tenant does not have the feature external_connections"
OWN = "is a service of Airflow itself, which no tenant reaches"


@dataclass(frozen=True)
class Rule:
    """One entry of the list: a network or a pattern of names, and perhaps one port alone."""

    network: Network | None
    pattern: str
    port: int | None = None

    def fits(self, host: str, port: int | None) -> bool:
        """Whether it speaks of that host; a rule with a port of that port alone."""
        if self.port is not None and self.port != port:
            return False
        address = parse(host)
        if address is None:
            return self.network is None and fnmatchcase(host, self.pattern)
        return self.network is not None and address in self.network

    @property
    def is_explicit(self) -> bool:
        """Whether it names one host, or lies wholly within a network that tenants never reach."""
        if self.network is None:
            return not any(character in self.pattern for character in "*?[")
        return any(
            self.network.version == never.version and self.network.subnet_of(never)  # type: ignore[arg-type]
            for never in _NEVER
        )


@dataclass(frozen=True)
class Rules:
    """The list ``internal_hosts``."""

    allowed: tuple[Rule, ...]
    excepted: tuple[Rule, ...]

    def allow(self, host: str, port: int | None) -> bool:
        """Whether the host is on the list."""
        return any(rule.fits(host, port) for rule in self.allowed)

    def name(self, host: str, port: int | None) -> bool:
        """Whether a rule speaks of this host in particular, which allows also what is otherwise never."""
        return any(rule.is_explicit and rule.fits(host, port) for rule in self.allowed)

    def name_port(self, host: str, port: int | None) -> bool:
        """Whether a rule speaks of this very port, which allows also a service of Airflow itself."""
        return any(rule.port is not None and rule.fits(host, port) for rule in self.allowed)

    def excepts(self, host: str, port: int | None) -> bool:
        """Whether the list excepts the host, or an address of IPv4 that it carries."""
        address = parse(host)
        forms = [host] if address is None else [str(form) for form in _forms(address)]
        return any(rule.fits(form, port) for rule in self.excepted for form in forms)

    def refusal(self, host: str, port: int | None, *, external: bool) -> str | None:
        """Why a tenant must not reach the host; None where it may.

        Args:
            host: a name or an address, as ``normal`` writes it.
            port: the port, or None where it is not known.
            external: whether the tenant has the feature ``external_connections``.
        """
        if parse(host) is None and not is_name(host):
            return NOT_A_HOST
        if self.excepts(host, port):
            return EXCEPTED
        if is_never(host) and not self.name(host, port):
            return NEVER
        return None if external or self.allow(host, port) else OUTSIDE

    def refusal_of_address(self, address: str, host: str, port: int | None) -> str | None:
        """Why a tenant must not reach an address that a host, which it may name, has at this moment."""
        if self.excepts(normal(address), port):
            return EXCEPTED
        allowed = self.name(host, port) or self.name(normal(address), port)
        return NEVER if is_never(normal(address)) and not allowed else None


@lru_cache(maxsize=8)
def rules(text: str) -> Rules:
    """Read the list: networks, names, patterns of names, separated by commas; ``!`` excepts one."""
    entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
    return Rules(
        allowed=tuple(_rule(entry) for entry in entries if not entry.startswith("!")),
        excepted=tuple(_rule(entry[1:].strip()) for entry in entries if entry.startswith("!")),
    )


def normal(host: str) -> str:
    """A host as rules compare it: lower case, without brackets and a final dot."""
    return host.strip("[]").removesuffix(".").lower()


def parse(host: str) -> Address | None:
    """The address that a text is; one of IPv4 in IPv6 (``::ffff:10.0.0.1``) as that of IPv4."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_name(host: str) -> bool:
    """Whether it is plainly a name, and nothing that a resolver could read as an address."""
    return len(host) <= _LONGEST_NAME and bool(_NAME.fullmatch(host)) and not _NUMERIC.fullmatch(host)


def is_never(host: str) -> bool:
    """Whether it is the server itself, its link, or a cloud's metadata."""
    address = parse(host)
    if address is None:
        return any(fnmatchcase(host, pattern) for pattern in _NEVER_NAMES)
    return any(form in network for form in _forms(address) for network in _NEVER)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, or any of them."""
    address = parse(host)
    return host == "localhost" if address is None else address.is_loopback or address.is_unspecified


def same(one: str, other: str) -> bool:
    """Whether two addresses lead to the same host, also where one is of IPv4 in IPv6."""
    first, second = parse(one), parse(other)
    return first is not None and second is not None and not set(_forms(first)).isdisjoint(_forms(second))


def _forms(address: Address) -> list[Address]:
    """The address, and those of IPv4 that it carries: by 6to4, Teredo, NAT64, ISATAP and older ways."""
    if isinstance(address, IPv4Address):
        return [address]
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    forms: list[Address | None] = [address, address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    carries = address in _TRANSLATED or address in _COMPATIBLE or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    if carries:
        forms.append(low)
    return [form for form in forms if form is not None]


def _rule(entry: str) -> Rule:
    name, port = entry, None
    if found := re.fullmatch(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})", entry):
        name, port = found[1].strip("[]"), int(found[2])
    try:
        network = ip_network(name, strict=False)
        mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
        if mapped is not None and network.prefixlen >= _MAPPED:  # as ``parse`` writes such addresses
            network = ip_network(f"{mapped}/{network.prefixlen - _MAPPED}")
        return Rule(network, name, port)
    except ValueError:
        return Rule(None, name.removesuffix("."), port)
