"""Log refused credentials: which one, from which address, for which request. Never a secret.

A line for each request would let a stranger fill the disk. So there is one line a minute for a credential at
an address, and at most ``MOST`` lines in all.
"""

import logging
import re
import time
from dataclasses import dataclass, field

from flask import request

from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.http import responses

log = logging.getLogger(__name__)

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")

EVERY = 60.0  # seconds of a period
MOST = 20  # lines in a period, of each process
_clock = time.monotonic


@dataclass
class _Period:
    """The current minute of the log.

    Attributes:
        since: when it began.
        logged: the credentials and addresses that have a line.
        skipped: how many refusals have no line.
    """

    since: float = -EVERY
    logged: set[tuple[str, str | None]] = field(default_factory=set)
    skipped: int = 0


_period = _Period()


def log_key(text: str) -> None:
    """Log that a key or token was refused; the line has only its public part."""
    parsed = key_format.parse(text)
    _log("something that is no key" if parsed is None else f"{parsed.prefix}_{parsed.id}_…")


def log_client(client_id: str) -> None:
    """Log that an OAuth client sent a wrong secret, code or token."""
    _log(f"the OAuth client {client_id}" if _CLIENT_ID.fullmatch(client_id) else "an OAuth client")


def _log(credential: str) -> None:
    now = _clock()
    if now >= _period.since + EVERY:
        if _period.skipped:
            log.warning("Credentials were refused %s more times", _period.skipped)
        _period.since, _period.skipped = now, 0
        _period.logged.clear()
    entry = (credential, request.remote_addr)
    if entry in _period.logged or len(_period.logged) >= MOST:
        _period.skipped += 1
        return
    _period.logged.add(entry)
    log.warning(
        "Refused %s from %s for %s %r (%s): wrong, revoked, expired, or not for that address or user",
        credential,
        request.remote_addr,
        request.method,
        request.path[:200],
        responses.request_id(),
    )
