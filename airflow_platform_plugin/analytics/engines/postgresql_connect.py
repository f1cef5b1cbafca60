"""The arguments to connect to PostgreSQL: all that libpq would else read from files and the environment."""

import math
import os
import re
import shlex
from typing import Any

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics.engines.base import Limits, Unsupported

_SAFE_TLS = {"sslmode", "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding"}
# These are files of this server; `sslrootcert=system` is not a file.
_FILES_OF_TLS = {"sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"}
_PLAIN = {
    "application_name",
    "hostaddr",
    "target_session_attrs",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
}
# Other ways to log in, which Airflow's hook supports: a login with name and password would only fail.
_LOGINS = ("iam", "azure_conn_id", "redshift")
# Settings in `options` that change how a query is understood, not what it may do.
_OPTIONS = {"search_path", "timezone", "role"}
_LIBPQ_16 = 160000


def arguments(connection: Connection, limits: Limits, *, trusted: bool, libpq: int) -> dict[str, Any]:
    """Return the arguments of ``psycopg.connect`` for a connection.

    Args:
        connection: the connection.
        limits: what the query may use.
        trusted: whether the operator has created or approved the connection.
        libpq: libpq's version, such as 160000.

    Raises:
        Unsupported: the connection has options that queries do not support, or that a tenant may not use.
    """
    extra = connection.extra_dejson
    if not isinstance(extra, dict):
        extra = {}
    _require_supported(extra)
    allowed = _SAFE_TLS | _PLAIN | (_FILES_OF_TLS if trusted else set())
    given = {name: extra[name] for name in allowed if isinstance(extra.get(name), (str, int))}
    if extra.get("sslrootcert") == "system":
        given["sslrootcert"] = "system"
    host = str(connection.host or "")
    if not trusted:
        given |= _without_server_identity(host, libpq)
    milliseconds = math.ceil(limits.seconds * 1000)
    settings = {
        **_settings(extra.get("options")),
        "default_transaction_read_only": "on",
        # The guard reads strings with these settings.
        "standard_conforming_strings": "on",
        "backslash_quote": "safe_encoding",
        # Our own limits end a query earlier; these are for when this process has died.
        "statement_timeout": str(milliseconds + 1000),
        "lock_timeout": str(milliseconds),
        "idle_in_transaction_session_timeout": str(milliseconds + 5000),
        "datestyle": "ISO",
        "intervalstyle": "iso_8601",
    }
    return {
        **given,
        "host": host or None,
        "port": connection.port,
        "user": connection.login or None,
        # An empty password, so that libpq does not read one from the environment or a file.
        "password": connection.password or "",
        "passfile": f"{os.devnull}/none",
        "dbname": connection.schema or "postgres",
        "client_encoding": "utf8",
        "connect_timeout": max(2, math.ceil(limits.seconds)),  # libpq accepts no less than two
        "options": " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items()),
    }


def _require_supported(extra: dict[str, Any]) -> None:
    for name in _LOGINS:
        if extra.get(name):
            raise Unsupported(f"it logs in with extra.{name}, which queries do not support")


def _without_server_identity(host: str, libpq: int) -> dict[str, str]:
    """Limit a tenant's connection to a host of the network, and to its own login and password.

    A path is a socket of this server, where the webserver's own user may be trusted. Certificates and tickets
    in that user's home belong to the operator.
    """
    hosts = [part.strip() for part in host.split(",")]
    if not all(hosts) or any(part.startswith(("/", "@")) for part in hosts):
        raise Unsupported("it needs the name or the address of a host")
    identity = {"gssencmode": "disable"}
    if libpq >= _LIBPQ_16:
        identity |= {"sslcertmode": "disable", "require_auth": "!gss,!sspi"}
    return identity


def _settings(options: object) -> dict[str, str]:
    """Return the settings in a connection's ``options``.

    Raises:
        Unsupported: queries do not support one of them.
    """
    if not options:
        return {}
    settings = {}
    try:
        words = " ".join(shlex.split(str(options)))
    except ValueError:
        words = str(options)
    for word in re.sub(r"(^|\s)-c\s*", "\n", words).split("\n"):
        if not word.strip():
            continue
        name, _, value = word.strip().partition("=")
        if name.strip().lower() not in _OPTIONS:
            raise Unsupported(f"queries support only {', '.join(sorted(_OPTIONS))} in extra.options")
        settings[name.strip().lower()] = value.strip()
    return settings


def _escaped(value: str) -> str:
    """Return a setting's value for ``options``, in which an unescaped space ends it."""
    return re.sub(r"([\\\s])", r"\\\1", value)
