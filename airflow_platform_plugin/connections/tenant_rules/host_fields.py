"""Find the hosts that a connection names, in any of its fields. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_platform_plugin.connections.inputs import ConnectionFields, FieldPath
from airflow_platform_plugin.connections.tenant_rules import addresses
from airflow_platform_plugin.connections.tenant_rules.connection_types import ConnectionType, Problem
from airflow_platform_plugin.core.types import Json

# What hooks call a host in extra, or a part of that name.
_WORDS = (
    "host", "endpoint", "url", "uri", "server", "proxy", "proxies", "broker", "node", "address", "account",
    "seed", "peer", "bootstrap", "cluster", "gateway", "tunnel", "remote", "ip",
)  # fmt: skip
# A database's name. Drivers that build a URL would read other characters as another part of the URL.
_DATABASE = re.compile(r"[\w$.# -]{1,128}")
# A site's URL: no spaces, backslashes or characters beyond ASCII, which libraries read differently.
_SITE = re.compile(r"(?:https?://)?[A-Za-z0-9._~:@%!$&'()*+,;=/?\[\]-]+")
_PORTS = {"http": 80, "https": 443}
_HOST_NEEDED: Problem = (("host",), "is needed: a tenant's connection must say where it leads")

MOST_HOSTS = 20


@dataclass(frozen=True)
class NamedHost:
    """A host that a connection names.

    Attributes:
        path: the field: ``("extra", "endpoint_url")``.
        host: the name or address as ``addresses.normalize`` returns it, or the text that could not be read.
        port: the port; None if it is unknown.
    """

    path: FieldPath
    host: str
    port: int | None


def find_host_of_type(
    fields: ConnectionFields, connection_type: ConnectionType
) -> tuple[list[NamedHost], list[Problem]]:
    """Find the host of a connection of a known type, which names one host only.

    Returns:
        The host, once for each port that it may be asked at; and the problems of the fields.
    """
    problems: list[Problem] = []
    schemas = connection_type.schemas
    if schemas is not None:
        if fields.schema and fields.schema not in schemas:
            problems.append((("schema",), f"must be one of {', '.join(sorted(schemas))}"))
    elif fields.schema and not _DATABASE.fullmatch(fields.schema):
        problems.append(
            (("schema",), "must be the name of a database: letters, digits, spaces and _ $ . # -")
        )
    if not fields.host:
        return [], [*problems, _HOST_NEEDED]
    if connection_type.is_http:
        return _http_hosts(fields, fields.host), problems
    host = NamedHost(("host",), addresses.normalize(fields.host), fields.port or connection_type.port)
    return [host], problems


def find_hosts_in_all_fields(fields: ConnectionFields) -> list[NamedHost]:
    """Find the hosts of a connection of an unknown type, in each field that could name one."""
    found = list(_parse_hosts(("host",), fields.host or "", fields.port))
    for name, text in (("schema", fields.schema), ("login", fields.login)):
        if text and _is_uri(text):
            found += _parse_hosts((name,), text, fields.port)
    found += _find_in_extra(fields.extra or {}, ("extra",), fields.port, is_host=False)
    return found


def find_count_problems(named: list[NamedHost]) -> list[Problem]:
    """Return the problems of a connection of an unknown type that names no host, or too many."""
    problems = [] if named else [_HOST_NEEDED]
    if len(named) > MOST_HOSTS:
        problems.append((("extra",), f"must name at most {MOST_HOSTS} hosts"))
    return problems


def may_name_host(name: str, value: str) -> bool:
    """Return whether a field of extra could name a host, judging by its name or its value."""
    return _is_host_name(name) or _is_uri(value)


def _http_hosts(fields: ConnectionFields, host: str) -> list[NamedHost]:
    """Return the host of a connection over HTTP: ``host`` may be a URL, and ``port`` is appended to it."""
    try:
        if not _SITE.fullmatch(host):
            raise ValueError(host)  # noqa: TRY301 - the same answer as for a text that urlsplit refuses
        split = urlsplit(host if "://" in host else f"{fields.schema or 'http'}://{host}")
        ports = {split.port, fields.port} - {None} or {_PORTS.get(split.scheme)}
    except ValueError:
        return [NamedHost(("host",), host, None)]
    name = addresses.normalize(split.hostname or "")
    return [NamedHost(("host",), name, port) for port in sorted(ports, key=str)]


def _find_in_extra(value: Json, path: FieldPath, port: int | None, *, is_host: bool) -> Iterator[NamedHost]:
    """Find hosts in extra: values below a name for a host, and all URIs."""
    match value:
        case dict():
            for name, inner in value.items():
                named = is_host or _is_host_name(name)
                yield from _find_in_extra(inner, (*path, name), port, is_host=named)
        case list():
            for index, inner in enumerate(value):
                yield from _find_in_extra(inner, (*path, str(index)), port, is_host=is_host)
        case str() if value and (is_host or _is_uri(value)):
            yield from _parse_hosts(path, value, port)


def _is_host_name(name: str) -> bool:
    return any(word in name.lower() for word in _WORDS)


def _is_uri(text: str) -> bool:
    return "//" in text or "@" in text


def _parse_hosts(path: FieldPath, text: str, port: int | None) -> Iterator[NamedHost]:
    """Parse a host, a URI or several of them. A part that cannot be parsed is returned as it is."""
    text = text.strip()
    if not text:
        return
    if addresses.parse(text.strip("[]")) is not None:
        yield NamedHost(path, addresses.normalize(text), port)
        return
    for part in re.split(r"[,;\s]+", text, maxsplit=MOST_HOSTS):
        try:
            # Programs read backslashes differently.
            split = None if "\\" in part else urlsplit(part if "//" in part else f"//{part}")
            host, own = (split.hostname, split.port) if split else (None, None)
        except ValueError:
            host, own = None, None
        yield NamedHost(path, addresses.normalize(host) if host else part, own or port)
