"""The types of connections that tenants may have, and what each takes besides its host.

An allow-list: a type, or a field of extra, that is not here could read a file of the server, run a program
there, borrow an identity of the server's, or lead somewhere else than its host says. The operator can add
types with ``[platform] tenant_connection_types``; an administrator can approve a single connection.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

Path = tuple[str, ...]
Problem = tuple[Path, str]
# What is wrong with the value of a field of extra; None where nothing is.
Check = Callable[[Any], str | None]

# Types that open what is at a path instead of asking a host.
_FILES = {"access", "duckdb", "file", "fs", "sqlite"}
_LONGEST_VALUE = 10_000
_MOST_HEADERS = 50

# Words in the name of a field of extra that a driver may take for a file, a program or another identity.
_RISKY = (
    "arg", "assume", "binary", "cert", "class", "cmd", "command", "config", "credential", "dir", "driver",
    "dsn", "env", "exec", "file", "iam", "init", "jar", "keytab", "lib", "local", "module", "option", "pass_",
    "path", "pem", "pgpass", "plugin", "principal", "profile", "role", "script", "service", "sock", "store",
    "wallet",
)  # fmt: skip

_MAY_NAME_OWN = (
    "may name a file, a program or an identity of the server; an administrator can make a connection with it"
)

# What a request needs for itself, or a proxy in between takes for another target.
_HEADERS = {
    "connection", "content-length", "expect", "forwarded", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "via",
}  # fmt: skip
_HEADER_STARTS = ("proxy", "x-forwarded", "x-original", "x-rewrite", "x-http-method", "x-real-ip", "x-host")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


def _scalar(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return f"must have at most {_LONGEST_VALUE} characters"
    return None if isinstance(value, str | int | float | None) else "must be a text, a number or a boolean"


def _one_of(*known: object) -> Check:
    def check(value: Any) -> str | None:  # noqa: ANN401 - any JSON
        return None if value in known else f"must be one of {', '.join(map(str, known))}"

    return check


_flag = _one_of(*(True, False), None)


def _number(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    try:
        return None if 0 <= float(value) <= 86_400 else "must be from 0 to 86400"  # noqa: PLR2004 - a day
    except (TypeError, ValueError):
        return "must be a number"


def _header(name: str, value: Any) -> str | None:  # noqa: ANN401 - any JSON
    plain = name.lower().replace("_", "-")  # many servers take one for the other
    if not _TOKEN.fullmatch(name):
        return "is not the name of a header"
    if plain in _HEADERS or plain.startswith(_HEADER_STARTS):
        return "is not a header that a tenant's connection may set"
    if isinstance(value, str) and any(character in value for character in "\r\n"):
        return "must be a single line"
    return _scalar(value)


def _headers(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict) or len(value) > _MOST_HEADERS:
        return f"must be an object with at most {_MOST_HEADERS} headers"
    wrong = [f"{name}: {why}" for name, inner in value.items() if (why := _header(name, inner))]
    return wrong[0] if wrong else None


@dataclass(frozen=True)
class Kind:
    """One type.

    Attributes:
        port: the port that its driver takes where none is given.
        dialect: SQLAlchemy's name for it, where it is a database.
        extras: the fields of extra, and what may be in each.
        schemas: what ``schema`` may be, where that is no database's name.
        is_http: whether ``host`` may be a URL, and other fields of extra are headers.
        guards: fields of extra that a tenant's connection is used with, whatever it has.
        checks_name: whether, with that extra, the driver holds the host's name against its certificate, so
            that it needs the name, and another server with another certificate is no use.
    """

    port: int | None
    dialect: str | None = None
    extras: dict[str, Check] = field(default_factory=dict)
    schemas: frozenset[str] | None = None
    is_http: bool = False
    guards: dict[str, Any] = field(default_factory=dict)
    checks_name: Callable[[dict[str, Any]], bool] = lambda _: False

    def problems(self, extra: dict[str, Any]) -> Iterator[Problem]:
        """What of extra a tenant's connection of this type may not have."""
        for name, value in extra.items():
            if check := self.extras.get(name):
                why = check(value)
            elif self.is_http:
                why = _header(name, value)
            else:
                known = ", ".join(sorted(self.extras)) or "none"
                why = f"is not a field that a tenant's connection of this type may have; those are: {known}"
            if why:
                yield ("extra", name), why


_POSTGRES = Kind(
    port=5432,
    dialect="postgresql",
    extras={
        "sslmode": _scalar,
        "sslrootcert": _one_of("system"),
        "sslnegotiation": _scalar,
        "sslsni": _scalar,
        "ssl_min_protocol_version": _scalar,
        "ssl_max_protocol_version": _scalar,
        "channel_binding": _scalar,
        "gssencmode": _one_of("disable"),
        "connect_timeout": _number,
        "application_name": _scalar,
        "client_encoding": _scalar,
        "cursor": _scalar,
        "keepalives": _number,
        "keepalives_idle": _number,
        "keepalives_interval": _number,
        "keepalives_count": _number,
        "tcp_user_timeout": _scalar,
        "target_session_attrs": _scalar,
    },
    # libpq would take passwords, certificates and tickets of the server's user. Nothing is below a file.
    guards={"passfile": "/dev/null/none", "sslcert": "/dev/null/none", "gssencmode": "disable"},
)
_MYSQL = Kind(
    port=3306,
    dialect="mysql",
    extras={
        "charset": _scalar,
        "client": _one_of("mysqlclient", "mysql-connector-python"),
        "connect_timeout": _number,
        "cursor": _scalar,
        "ssl_mode": _scalar,
        "ssl_disabled": _flag,
        "ssl_verify_cert": _flag,
        "ssl_verify_identity": _flag,
    },
    checks_name=lambda extra: bool(
        extra.get("ssl_verify_identity") or str(extra.get("ssl_mode")).upper() == "VERIFY_IDENTITY"
    ),
)
_TIMEOUTS = {"connect_timeout": _number, "send_receive_timeout": _number}
_KINDS = {
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "postgresql+psycopg": _POSTGRES,
    "postgresql+psycopg2": _POSTGRES,
    "postgresql+asyncpg": _POSTGRES,
    "mysql": _MYSQL,
    "mysql+pymysql": _MYSQL,
    "mysql+mysqldb": _MYSQL,
    "mysql+mysqlconnector": _MYSQL,
    "mariadb": _MYSQL,
    "mariadb+pymysql": _MYSQL,
    "clickhouse": Kind(
        port=8123, dialect="clickhouse", extras={"secure": _flag, "verify": _flag, **_TIMEOUTS}
    ),
    "redis": Kind(
        port=6379,
        extras={
            "db": _number,
            "ssl": _flag,
            "ssl_check_hostname": _flag,
            "ssl_cert_reqs": _one_of("none", "optional", "required", None),
        },
        checks_name=lambda extra: bool(extra.get("ssl")) and extra.get("ssl_check_hostname") is not False,
    ),
    "http": Kind(
        port=None,
        schemas=frozenset({"http", "https"}),
        is_http=True,
        extras={
            "allow_redirects": _flag,
            "check_response": _flag,
            "headers": _headers,
            "max_redirects": _number,
            "stream": _flag,
            "timeout": _number,
            "trust_env": _one_of(*(False,)),
            "verify": _flag,
            "verify_ssl": _flag,
            **dict.fromkeys(("cert", "proxies", "proxy", "srv_lookup"), _one_of(None)),
        },
    ),
    "imap": Kind(
        port=993,
        extras={"use_ssl": _flag, "ssl_context": _one_of("default", "none")},
        checks_name=lambda extra: extra.get("use_ssl", True) and extra.get("ssl_context") != "none",
    ),
    "smtp": Kind(
        port=465,
        extras={
            "access_token": _scalar,
            "auth_type": _one_of("basic", "oauth2"),
            "disable_ssl": _flag,
            "disable_tls": _flag,
            "from_email": _scalar,
            "retry_limit": _number,
            "ssl_context": _one_of("default", "none"),
            "timeout": _number,
        },
        checks_name=lambda extra: (
            extra.get("ssl_context") != "none" and not (extra.get("disable_ssl") and extra.get("disable_tls"))
        ),
    ),
}
TYPES = tuple(_KINDS)

_HARMLESS = {
    "accept", "accept_encoding", "accept_language", "application_name", "charset", "check_response",
    "client_encoding", "connect_timeout", "content_type", "cursor", "db", "from_email", "keepalives",
    "keepalives_count", "keepalives_idle", "keepalives_interval", "max_redirects", "retry_limit",
    "send_receive_timeout", "sslmode", "stream", "tcp_user_timeout", "timeout", "user_agent",
}  # fmt: skip


def of(connection_type: str) -> Kind | None:
    """What is known of a type, written exactly as here; None for one that only the operator knows."""
    return _KINDS.get(connection_type)


def listed(connection_type: str, allowed: str) -> bool:
    """Whether the operator's list has the type, written exactly as there.

    A spelling is not interpreted: drivers and SQLAlchemy do not agree on what ``sqlite.pysqlite``, ``SQLite``
    and ``sqlite+pysqlite`` are.
    """
    return connection_type in {entry.strip() for entry in allowed.split(",")}


def dialect_of(connection_type: str) -> str | None:
    """SQLAlchemy's name of the dialect that a type is taken for; None where it is no dialect's name."""
    try:
        return str(make_url(f"{connection_type}://").get_dialect().name)
    except (ArgumentError, NoSuchModuleError, ImportError):
        return None


def is_file(connection_type: str) -> bool:
    """Whether a connection of that type opens what is at a path, however it is spelled."""
    return re.split(r"[.+]", connection_type.strip().lower())[0] in _FILES


def of_others(extra: dict[str, Any]) -> Iterator[Problem]:
    """What of extra no tenant's connection of a type may have that only the operator knows, at any depth."""
    yield from _risky(extra, ("extra",))


def is_harmless(name: str) -> bool:
    """Whether a field of extra can be changed without a thought about where the secrets then go."""
    return name.lower().replace("-", "_") in _HARMLESS


def _risky(value: Any, path: Path) -> Iterator[Problem]:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            for name, inner in value.items():
                plain = name.lower().replace("-", "_")
                if any(word in plain for word in _RISKY):
                    yield (*path, name), _MAY_NAME_OWN
                else:
                    yield from _risky(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from _risky(inner, (*path, str(index)))
