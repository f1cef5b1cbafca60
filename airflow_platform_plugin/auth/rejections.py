"""Credentials that were refused, in the webserver's log: which, from where, for what. Never a secret.

A line for each would let a stranger fill the disk: of one credential at one address there is a line a
minute, and of all together a few.
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

EVERY = 60.0  # seconds
MOST = 20  # lines in that time, of each process
_clock = time.monotonic


@dataclass
class _Memory:
    since: float = -EVERY
    told: set[tuple[str, str | None]] = field(default_factory=set)
    untold: int = 0


_memory = _Memory()


def note(text: str) -> None:
    """Write down that this key or token was refused; the log names its public part alone."""
    parsed = key_format.parse(text)
    _note("something that is no key" if parsed is None else f"{parsed.prefix}_{parsed.id}_…")


def note_client(client_id: str) -> None:
    """Write down that an OAuth client of that name has shown a wrong secret, code or token."""
    _note(f"the OAuth client {client_id}" if _CLIENT_ID.fullmatch(client_id) else "an OAuth client")


def _note(shown: str) -> None:
    now = _clock()
    if now >= _memory.since + EVERY:
        if _memory.untold:
            log.warning("Credentials were refused %s more times", _memory.untold)
        _memory.since, _memory.untold = now, 0
        _memory.told.clear()
    what = (shown, request.remote_addr)
    if what in _memory.told or len(_memory.told) >= MOST:
        _memory.untold += 1
        return
    _memory.told.add(what)
    log.warning(
        "Refused %s from %s for %s %r (%s): wrong, revoked, expired, or not for that address or user",
        shown,
        request.remote_addr,
        request.method,
        request.path[:200],
        responses.request_id(),
    )
