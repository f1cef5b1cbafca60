"""Credentials that were refused, in the webserver's log: which, from where, for what. Never a secret.

A line for each would let a stranger fill the disk: of one credential at one address there is a line a
minute, and of all together a few.
"""

import logging
import time
from dataclasses import dataclass, field

from flask import request

from airflow_platform_plugin import http
from airflow_platform_plugin.auth import keys

log = logging.getLogger(__name__)

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
    """Write down that this was refused in this request; the log names its public part alone."""
    parsed = keys.parse(text)
    shown = "something that is no key" if parsed is None else f"{parsed.prefix}_{parsed.id}_…"
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
        "Refused %s from %s for %s %r (%s): unknown, revoked, expired, or not for that address or user",
        shown,
        request.remote_addr,
        request.method,
        request.path[:200],
        http.request_id(),
    )
