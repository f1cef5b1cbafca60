"""Every place in which a connection names a host, and what is wrong with the way it does. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_platform_plugin.connections import internal_hosts
from airflow_platform_plugin.connections.connection_types import Kind, Path, Problem

# What hooks call a host in extra, in whole or in part.
_WORDS = (
    "host", "endpoint", "url", "uri", "server", "proxy", "proxies", "broker", "node", "address", "account",
    "seed", "peer", "bootstrap", "cluster", "gateway", "tunnel", "remote", "ip",
)  # fmt: skip
# A database's name; drivers that put a URL together would read more than that out of anything else.
_DATABASE = re.compile(r"[\w$.# -]{1,128}")
# A URL of a site: no spaces, no backslashes, nothing beyond ASCII, which libraries read differently.
_SITE = re.compile(r"(?:https?://)?[A-Za-z0-9._~:@%!$&'()*+,;=/?\[\]-]+")
_PORTS = {"http": 80, "https": 443}

MOST = 20


@dataclass(frozen=True)
class Named:
    """A host, and where it is named.

    Attributes:
        path: the field: ``("extra", "endpoint_url")``.
        host: the name or address as ``addresses.normal`` has it, or the text that could not be read.
        port: the port; None where it is not known.
    """

    path: Path
    host: str
    port: int | None


def in_known(fields: dict[str, Any], kind: Kind) -> tuple[list[Named], list[Problem]]:
    """The one host of a connection whose type is known, and what no such connection may be like."""
    problems: list[Problem] = []
    schema, host = fields.get("schema"), fields.get("host") or ""
    if kind.schemas is not None:
        if schema and schema not in kind.schemas:
            problems.append((("schema",), f"must be one of {', '.join(sorted(kind.schemas))}"))
    elif schema and not _DATABASE.fullmatch(schema):
        problems.append(
            (("schema",), "must be the name of a database: letters, digits, spaces and _ $ . # -")
        )
    if not host:
        problems.append((("host",), "is needed: a tenant's connection must say where it leads"))
        return [], problems
    named = _site(fields, host) if kind.is_http else [_only(host, fields.get("port") or kind.port)]
    return named, problems


def in_others(fields: dict[str, Any]) -> list[Named]:
    """The hosts of a connection of a type that only the operator knows: in each field that could name one."""
    port = fields.get("port")
    found = list(_read(("host",), fields.get("host") or "", port))
    for name in ("schema", "login"):
        if _is_uri(text := fields.get(name) or ""):
            found += _read((name,), text, port)
    found += _in_extra(fields.get("extra") or {}, ("extra",), port, told=False)
    return found


def may_name_host(name: str, value: str) -> bool:
    """Whether a field of extra could name a host, by its own name or by what is in it."""
    return any(word in name.lower() for word in _WORDS) or _is_uri(value)


def _only(host: str, port: int | None) -> Named:
    return Named(("host",), internal_hosts.normal(host), port)


def _site(fields: dict[str, Any], host: str) -> list[Named]:
    """The host of a connection over HTTP, whose host may be a URL and whose port then comes behind it."""
    url = host if "://" in host else f"{fields.get('schema') or 'http'}://{host}"
    try:
        if not _SITE.fullmatch(host):
            raise ValueError(host)  # noqa: TRY301 - read no further
        split = urlsplit(url)
        ports = {split.port, fields.get("port")} - {None} or {_PORTS.get(split.scheme)}
    except ValueError:
        return [Named(("host",), host, None)]
    name = internal_hosts.normal(split.hostname or "")
    return [Named(("host",), name, port) for port in sorted(ports, key=str)]


def _in_extra(value: Any, path: Path, port: int | None, *, told: bool) -> Iterator[Named]:  # noqa: ANN401 - any JSON
    """The hosts in extra: below a name that says so, and in whatever is a URI."""
    match value:
        case dict():
            for name, inner in value.items():
                tells = told or any(word in name.lower() for word in _WORDS)
                yield from _in_extra(inner, (*path, name), port, told=tells)
        case list():
            for index, inner in enumerate(value):
                yield from _in_extra(inner, (*path, str(index)), port, told=told)
        case str() if value and (told or _is_uri(value)):
            yield from _read(path, value, port)


def _is_uri(text: str) -> bool:
    return "//" in text or "@" in text


def _read(path: Path, text: str, port: int | None) -> Iterator[Named]:
    """The hosts in a host, a URI or several of them; what cannot be read comes as it is, and is no host."""
    text = text.strip()
    if not text:
        return
    if internal_hosts.parse(text.strip("[]")) is not None:
        yield Named(path, internal_hosts.normal(text), port)
        return
    for part in re.split(r"[,;\s]+", text, maxsplit=MOST):
        try:
            # Programs do not agree on what a backslash is.
            split = None if "\\" in part else urlsplit(part if "//" in part else f"//{part}")
            host, own = (split.hostname, split.port) if split else (None, None)
        except ValueError:
            host, own = None, None
        yield Named(path, internal_hosts.normal(host) if host else part, own or port)
