"""The types of connections that tenants may have, and the fields of extra that each type may have.

This is an allow-list. A type or a field of extra that is not on it could read a file of the server, run a
program there, use an identity of the server, or lead to another host than ``host``. The operator can add
types with ``[platform] tenant_connection_types``. A platform admin can approve a single connection.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from airflow_platform_plugin.connections.inputs import Extra, FieldPath
from airflow_platform_plugin.core.types import Json

Problem = tuple[FieldPath, str]
# Returns what is wrong with the value of a field of extra, or None.
Check = Callable[[Json], str | None]

# Types that open a file or a folder instead of connecting to a host.
_FILES = {"access", "duckdb", "file", "fs", "sqlite"}
_LONGEST_VALUE = 10_000
_MOST_HEADERS = 50
_DAY = 86_400  # seconds

# Parts of names of fields of extra that may stand for a file, a program or an identity in some driver.
_RISKY = (
    "arg", "assume", "binary", "cert", "class", "cmd", "command", "config", "credential", "dir", "driver",
    "dsn", "env", "exec", "file", "iam", "init", "jar", "keytab", "lib", "local", "module", "option", "pass_",
    "path", "pem", "pgpass", "plugin", "principal", "profile", "role", "script", "service", "sock", "store",
    "wallet",
)  # fmt: skip

_IS_RISKY = "may name a file, a program or an identity of the server; a platform admin can approve it"

# Headers that a request needs for itself, or by which a proxy chooses another target.
_HEADERS = {
    "connection", "content-length", "expect", "forwarded", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "via",
}  # fmt: skip
_HEADER_STARTS = ("proxy", "x-forwarded", "x-original", "x-rewrite", "x-http-method", "x-real-ip", "x-host")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


def _scalar(value: Json) -> str | None:
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return f"must have at most {_LONGEST_VALUE} characters"
    return None if isinstance(value, str | int | float | None) else "must be a text, a number or a boolean"


def _one_of(*known: object) -> Check:
    def check(value: Json) -> str | None:
        return None if value in known else f"must be one of {', '.join(map(str, known))}"

    return check


_flag = _one_of(*(True, False), None)


def _number(value: Json) -> str | None:
    try:
        return None if 0 <= float(value) <= _DAY else f"must be from 0 to {_DAY}"
    except (TypeError, ValueError):
        return "must be a number"


def _header(name: str, value: Json) -> str | None:
    plain = name.lower().replace("_", "-")  # many servers treat both alike
    if not _TOKEN.fullmatch(name):
        return "is not the name of a header"
    if plain in _HEADERS or plain.startswith(_HEADER_STARTS):
        return "is not a header that a tenant's connection may set"
    if isinstance(value, str) and any(character in value for character in "\r\n"):
        return "must be a single line"
    return _scalar(value)


def _headers(value: Json) -> str | None:
    if not isinstance(value, dict) or len(value) > _MOST_HEADERS:
        return f"must be an object with at most {_MOST_HEADERS} headers"
    wrong = [f"{name}: {why}" for name, inner in value.items() if (why := _header(name, inner))]
    return wrong[0] if wrong else None


@dataclass(frozen=True)
class ConnectionType:
    """A type of connections that tenants may have.

    Attributes:
        port: the driver's default port.
        dialect: SQLAlchemy's name of the database; None if it is not one.
        extras: the allowed fields of extra, with a check of each one's value.
        schemas: the allowed values of ``schema``; None if ``schema`` is the name of a database.
        is_http: whether ``host`` may be a URL, and all other fields of extra are headers.
        guards: fields of extra that a tenant's connection is always used with.
        checks_name: returns, for an extra, whether the driver compares the host's name with the server's
            certificate. It then needs the name, and another server at the address cannot pretend to be it.
    """

    port: int | None
    dialect: str | None = None
    extras: dict[str, Check] = field(default_factory=dict)
    schemas: frozenset[str] | None = None
    is_http: bool = False
    guards: Extra = field(default_factory=dict)
    checks_name: Callable[[Extra], bool] = lambda _: False

    def find_problems(self, extra: Extra) -> Iterator[Problem]:
        """Find the fields of extra that a tenant's connection of this type may not have."""
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


_POSTGRES = ConnectionType(
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
    # Else libpq uses passwords, certificates and tickets of the server's user. A device has no files.
    guards={"passfile": "/dev/null/none", "sslcert": "/dev/null/none", "gssencmode": "disable"},
)
_MYSQL = ConnectionType(
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
_TYPES = {
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
    "clickhouse": ConnectionType(
        port=8123, dialect="clickhouse", extras={"secure": _flag, "verify": _flag, **_TIMEOUTS}
    ),
    "redis": ConnectionType(
        port=6379,
        extras={
            "db": _number,
            "ssl": _flag,
            "ssl_check_hostname": _flag,
            "ssl_cert_reqs": _one_of("none", "optional", "required", None),
        },
        checks_name=lambda extra: bool(extra.get("ssl")) and extra.get("ssl_check_hostname") is not False,
    ),
    "http": ConnectionType(
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
    "imap": ConnectionType(
        port=993,
        extras={"use_ssl": _flag, "ssl_context": _one_of("default", "none")},
        checks_name=lambda extra: extra.get("use_ssl", True) and extra.get("ssl_context") != "none",
    ),
    "smtp": ConnectionType(
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
TYPES = tuple(_TYPES)

_HARMLESS = {
    "accept", "accept_encoding", "accept_language", "application_name", "charset", "check_response",
    "client_encoding", "connect_timeout", "content_type", "cursor", "db", "from_email", "keepalives",
    "keepalives_count", "keepalives_idle", "keepalives_interval", "max_redirects", "retry_limit",
    "send_receive_timeout", "sslmode", "stream", "tcp_user_timeout", "timeout", "user_agent",
}  # fmt: skip


def find_type(connection_type: str) -> ConnectionType | None:
    """Return a type by its exact name, or None if only the operator's list may have it."""
    return _TYPES.get(connection_type)


def is_listed(connection_type: str, allowed: str) -> bool:
    """Return whether the operator's list has the type, in exactly the same spelling.

    Other spellings do not match, because drivers and SQLAlchemy read ``sqlite.pysqlite``, ``SQLite`` and
    ``sqlite+pysqlite`` differently.
    """
    return connection_type in {entry.strip() for entry in allowed.split(",")}


def find_dialect(connection_type: str) -> str | None:
    """Return the name of the SQLAlchemy dialect that a type stands for, or None."""
    try:
        return str(make_url(f"{connection_type}://").get_dialect().name)
    except (ArgumentError, NoSuchModuleError, ImportError):
        return None


def opens_file(connection_type: str) -> bool:
    """Return whether a connection of that type opens a file or a folder, in any spelling of the type."""
    return re.split(r"[.+]", connection_type.strip().lower())[0] in _FILES


def find_risky_extra(extra: Extra) -> Iterator[Problem]:
    """Find fields of extra, at any depth, that no tenant's connection of an unknown type may have."""
    yield from _find_risky(extra, ("extra",))


def is_harmless(name: str) -> bool:
    """Return whether a change of that field of extra cannot change where the secrets are sent."""
    return name.lower().replace("-", "_") in _HARMLESS


def _find_risky(value: Json, path: FieldPath) -> Iterator[Problem]:
    match value:
        case dict():
            for name, inner in value.items():
                plain = name.lower().replace("-", "_")
                if any(word in plain for word in _RISKY):
                    yield (*path, name), _IS_RISKY
                else:
                    yield from _find_risky(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from _find_risky(inner, (*path, str(index)))
