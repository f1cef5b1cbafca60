"""Addresses and names of hosts: normalize, parse, compare and look them up."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_TRANSLATED = ip_network("64:ff9b::/96")  # NAT64 (RFC 6052)
_COMPATIBLE = ip_network("::/96")  # IPv4-compatible (RFC 4291)
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
# What some resolvers read as an address: 2130706433, 0x7f.1, 127.1.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_LONGEST_NAME = 253
_CONNECT_SECONDS = 10


def normalize(host: str) -> str:
    """Return a host as the rules compare it: lower case, without brackets and a final dot."""
    return host.strip("[]").removesuffix(".").lower()


def parse(host: str) -> Address | None:
    """Return the address that a text is, or None; ``::ffff:10.0.0.1`` becomes an IPv4 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_name(host: str) -> bool:
    """Return whether a text is clearly a host's name, and no resolver could read it as an address."""
    return len(host) <= _LONGEST_NAME and bool(_NAME.fullmatch(host)) and not _NUMERIC.fullmatch(host)


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is a loopback one, or stands for all addresses of this machine."""
    address = parse(host)
    return host == "localhost" if address is None else address.is_loopback or address.is_unspecified


def is_same_host(one: str, other: str) -> bool:
    """Return whether two addresses lead to the same host, even if one is IPv4 in IPv6."""
    first, second = parse(one), parse(other)
    return (
        first is not None and second is not None and not set(list_forms(first)).isdisjoint(list_forms(second))
    )


def list_forms(address: Address) -> list[Address]:
    """Return an address and the IPv4 addresses that it carries: by 6to4, Teredo, NAT64, ISATAP and others."""
    if isinstance(address, IPv4Address):
        return [address]
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    forms: list[Address | None] = [address, address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    carries = address in _TRANSLATED or address in _COMPATIBLE or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    if carries:
        forms.append(low)
    return [form for form in forms if form is not None]


def is_address_of_this_machine(host: str) -> bool:
    """Return whether a text is an address of this machine: a socket can be bound to no other."""
    address = parse(host)
    if address is None:
        return False
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def look_up(host: str) -> tuple[str, ...]:
    """Return the addresses that a host has now; empty if its name is unknown."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def find_open_address(
    addresses: tuple[str, ...], port: int, timeout: float | tuple[float | None, ...] | None = None
) -> str:
    """Return the first of the addresses that accepts a connection, or the first one if none does.

    Args:
        addresses: at least one.
        port: the port.
        timeout: seconds, or a pair whose first is the time to connect, as requests takes it.
    """
    seconds = timeout[0] if isinstance(timeout, tuple) else timeout
    for address in addresses if len(addresses) > 1 else ():
        try:
            with socket.create_connection((address, port), timeout=seconds or _CONNECT_SECONDS):
                return address
        except OSError:
            continue
    return addresses[0]
