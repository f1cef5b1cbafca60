"""What a caller gets to know of an error: what is wrong with the query, and nothing about the server."""

import logging
import re
from collections.abc import Sequence

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics.engines import base
from airflow_platform_plugin.analytics.engines.base import Engine, Limits
from airflow_platform_plugin.connections import masking
from airflow_platform_plugin.connections.testing import results
from airflow_platform_plugin.core.errors import PlatformError, ServiceUnavailable, TimedOut, ValidationFailed

log = logging.getLogger(__name__)

_MAX_MESSAGE = 400  # characters
_MIN_SECRET = 4  # characters; a shorter secret is in ordinary words
# What a database's message may say about its server.
_PATH = re.compile(r"(?<![\w.])(?:/[\w.@+~-]+){2,}/?|\b[A-Za-z]:\\[^\s'\"]+")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9A-Fa-f:]{3,}\](?::\d+)?")
_URI = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s'\"]+")


def public_error(error: Exception, engine: Engine) -> Exception:  # noqa: PLR0911 - a line for each kind
    """Return the error for the caller when a query has raised one; the log gets the details."""
    match error:
        case PlatformError():
            return error
        case base.Unsupported():
            return unsupported(engine.connection, error)
        case base.Unreachable():
            log.warning(
                "Connection %r cannot be reached: %s", engine.connection.conn_id, _redacted(error, engine)
            )
            kind = results.classify(str(error))
            why = "" if kind == results.UNKNOWN else f" {kind}"
            return ServiceUnavailable(f"The database of this connection cannot be reached.{why}")
        case base.Expired():
            return timed_out(engine.limits)
        case base.TooLarge() | MemoryError():
            return too_large()
        case base.Refused():
            return ValidationFailed.of(
                "query", message=f"the database refused it: {_redacted(error, engine)}"
            )
    return error


def timed_out(limits: Limits) -> TimedOut:
    """Return the error for a query whose time is up."""
    return TimedOut(f"The query was stopped after {limits.seconds:g} seconds.")


def too_large() -> ValidationFailed:
    """Return the error for a query that needs too much memory."""
    return ValidationFailed.of(
        "query", message="needs more memory than a query may have; select less, or aggregate in smaller parts"
    )


def unsupported(connection: Connection, error: Exception) -> ValidationFailed:
    """Return the error for a connection that cannot be queried."""
    return ValidationFailed.of(
        "database", message=f"the connection '{connection.conn_id}' cannot be queried: {error}"
    )


def _redacted(error: Exception, engine: Engine) -> str:
    """Return a database's message without hosts, paths and secrets."""
    text = " ".join(str(error).split())
    for secret in _secrets_of(engine.connection):
        text = text.replace(secret, "…")
    for pattern in (_URI, _PATH, _ADDRESS):
        text = pattern.sub("…", text)
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"


def _secrets_of(connection: Connection) -> Sequence[str]:
    """Return the texts of a connection that no message may repeat, the longest first."""
    extra = connection.extra_dejson
    secrets = masking.find_hidden_texts(extra, masking.mask_extra(extra)) if isinstance(extra, dict) else ()
    hidden = [connection.password, connection.host, *secrets]
    return sorted({text for text in hidden if text and len(text) >= _MIN_SECRET}, key=len, reverse=True)
