"""The worker: a loop of steps, each idempotent and in transactions of its own.

Any number of workers may run at once. What one step does depends on the tables alone, so a worker that
dies leaves nothing behind that the next round, in whichever worker, does not finish.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable

from airflow_platform_plugin import events, idempotency, settings
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.datakits import auto_rollback, mail, upkeep
from airflow_platform_plugin.runs import sweep
from airflow_platform_plugin.runs.backfill import advance
from airflow_platform_plugin.webhooks import delivery

log = logging.getLogger(__name__)

# Each returns how much it did: a round that did something is followed by another at once.
STEPS: dict[str, Callable[[], int]] = {
    "sweep": sweep.sweep,
    "advance-backfills": advance.advance,
    "fan-out": lambda: events.fan_out([delivery.prepare, mail.prepare, auto_rollback.notice]),
    "deliver": delivery.deliver,
    "send-mail": mail.send,
    "roll-back": auto_rollback.roll_back,
    "keep-deployments": upkeep.keep,
    "expire-events": delivery.expire,
    "expire-idempotency-keys": idempotency.expire,
    "expire-tokens": tokens.expire,
}


# Seconds between rounds that fail, at the most: enough to keep the log readable.
MAX_PAUSE = 10.0


def run_once() -> dict[str, int | None]:
    """Run every step once and return how much each did, or None for one that failed.

    A failure is logged and does not hold up the other steps.
    """
    done: dict[str, int | None] = {}
    for name, step in STEPS.items():
        try:
            done[name] = step()
        except Exception:
            log.exception("The worker's step %s failed and will be tried again", name)
            done[name] = None
    return done


def pause(done: dict[str, int | None], failures: int, interval: float) -> float:
    """Seconds until the next round: none where there may be more to do, more after each failure in a row."""
    if failures:
        return min(MAX_PAUSE, interval * (1 << min(failures, 8)))
    return 0 if any(done.values()) else interval


def run(parent: int | None = None) -> None:
    """Run until a signal, or until ``parent``, the scheduler that started this process, is gone."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    interval = settings.get().worker_interval
    log.info("The platform's worker runs its steps every %s s: %s", interval, ", ".join(STEPS))
    failures = 0
    while not stopping.is_set() and (parent is None or os.getppid() == parent):
        done = run_once()
        failures = failures + 1 if None in done.values() else 0
        stopping.wait(pause(done, failures, interval))
