"""Whether a connection stays inside: every host that it names fits ``[platform] internal_hosts``. Pure.

Names are compared as names: what DNS says of one when it is used may be another thing than what it says
now. Whatever is not plainly a name or an address is outside.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

# What hooks call a host in extra, in whole or in part.
_WORDS = ("host", "endpoint", "url", "uri", "server", "proxy", "proxies", "broker", "node", "address", "dsn")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
# Connections whose host is a path, and which open what is there.
_FILES = {"duckdb", "fs", "sqlite"}


def is_file(connection_type: str) -> bool:
    """Whether a connection of that type opens files where it is used, instead of talking to a host."""
    return connection_type.partition("+")[0].lower() in _FILES


def outside(fields: dict[str, Any], internal: str) -> list[tuple[str, ...]]:
    """The fields that name a host outside, or ``("host",)`` where none is named at all.

    Args:
        fields: a connection's ``host``, ``schema`` and ``extra``.
        internal: networks, names and patterns of names, separated by commas; one after ``!`` is an exception.
    """
    named = list(_named(fields))
    if not named:
        return [("host",)]
    return list(dict.fromkeys(path for path, host in named if not is_internal(host, internal)))


def is_internal(host: str, internal: str) -> bool:
    """Whether a name or an address is inside."""
    host = host.lower().removesuffix(".")
    rules = [rule.strip().lower() for rule in internal.split(",") if rule.strip()]
    if any(_fits(host, rule[1:]) for rule in rules if rule.startswith("!")):
        return False
    return any(_fits(host, rule) for rule in rules if not rule.startswith("!"))


def _fits(host: str, rule: str) -> bool:
    address = _address(host)
    if address is None:
        return bool(_NAME.fullmatch(host)) and fnmatchcase(host, rule)
    try:
        return address in ip_network(rule, strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _named(fields: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where hosts are named, and how."""
    if host := fields.get("host"):
        yield from ((("host",), name) for name in _hosts(host))
    if _is_uri(schema := fields.get("schema") or ""):
        yield from ((("schema",), name) for name in _hosts(schema))
    yield from _in_extra(fields.get("extra") or {}, ("extra",), told=False)


def _in_extra(value: Any, path: tuple[str, ...], *, told: bool) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401 - any JSON
    """The hosts in extra: below a name that tells so, and in whatever is a URI."""
    match value:
        case dict():
            for name, inner in value.items():
                tells = told or any(word in name.lower() for word in _WORDS)
                yield from _in_extra(inner, (*path, name), told=tells)
        case list():
            for index, inner in enumerate(value):
                yield from _in_extra(inner, (*path, str(index)), told=told)
        case str() if value and (told or _is_uri(value)):
            yield from ((path, name) for name in _hosts(value))


def _is_uri(text: str) -> bool:
    return "//" in text or "@" in text


def _hosts(text: str) -> Iterator[str]:
    """The hosts in a host, a URI or several of them; what cannot be read comes as it is, and fits nothing."""
    if _address(text.strip("[]")) is not None:
        yield text.strip("[]")
        return
    for part in re.split(r"[,;\s]+", text.strip()):
        try:
            # Programs do not agree on what a backslash is.
            split = None if "\\" in part else urlsplit(part if "//" in part else f"//{part}")
        except ValueError:
            split = None
        yield (split and split.hostname) or part
