"""Dispatcher: the worker's step that attempts deliveries.

Claim (a transaction), POST (no transaction), record (a transaction for each outcome).
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from datetime import timedelta

from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.webhooks import attempts
from airflow_platform_plugin.webhooks.attempts import RECORDING, Attempt, Outcome, Room
from airflow_platform_plugin.webhooks.settings import WebhookSettings
from airflow_platform_plugin.webhooks.transport import Courier

log = logging.getLogger(__name__)

_LAST = 5.0  # seconds that a worker waits for its last attempts when it is stopped


def deliver() -> int:
    """Attempt every delivery that is due, and wait for all; return the number of attempts."""
    with closing(Courier()) as courier:
        dispatcher = Dispatcher(courier)
        started = dispatcher.take()
        while dispatcher.under_way:
            dispatcher.wait(1.0)
            dispatcher.record()
        dispatcher.record()
    return started


def run(stopping: threading.Event, interval: float, beat: Callable[[], None]) -> None:
    """Deliver until stopped. Deliveries go out while others are still under way.

    Args:
        stopping: set to end the loop.
        interval: seconds between two queries for deliveries that are due.
        beat: called after each round.
    """
    with closing(Courier()) as courier:
        dispatcher = Dispatcher(courier)
        while not stopping.is_set():
            done = dispatcher.record() + dispatcher.take()
            beat()
            if dispatcher.under_way:
                dispatcher.wait(interval)
            elif not done:
                stopping.wait(interval)
        dispatcher.wait_for_all(_LAST)  # the rest is attempted again once its lease has ended
        dispatcher.record()


class Dispatcher:
    """The attempts under way. No receiver and no tenant takes all the room for them."""

    def __init__(self, courier: Courier) -> None:
        self.under_way: dict[Future[int], Attempt] = {}
        self._finished: list[Outcome] = []
        self._courier = courier
        self._slow: set[str] = set()

    def take(self) -> int:
        """Claim and start the attempts that are due and have room; return how many."""
        deadline = settings.get(WebhookSettings).webhook_timeout
        room = Room(self.under_way.values(), self._slow)
        if not room.left:
            return 0
        with db.transaction() as session:
            claimed = attempts.claim(session, lease=timedelta(seconds=deadline + RECORDING), room=room)
        for made in claimed:
            if isinstance(made, Outcome):
                self._finished.append(made)
                continue
            try:
                self.under_way[self._courier.send(made.request, deadline=deadline)] = made
            except Exception as error:  # noqa: BLE001 - any error is an outcome of this delivery alone
                self._finished.append(Outcome(made, None, type(error).__name__))
        return len(claimed)

    def wait(self, seconds: float) -> None:
        """Wait until an attempt has ended, at most so many seconds."""
        wait(self.under_way, timeout=seconds, return_when=FIRST_COMPLETED)

    def wait_for_all(self, seconds: float) -> None:
        """Wait until all attempts have ended, at most so many seconds."""
        wait(self.under_way, timeout=seconds)

    def record(self) -> int:
        """Record the outcomes of attempts that have ended, each in its transaction; return how many."""
        self._collect()
        recorded, failed = 0, []
        for outcome in self._finished:
            try:
                with db.transaction() as session:
                    attempts.record(session, outcome)
                recorded += 1
            except Exception:
                log.exception("The outcome of a delivery could not be recorded yet")
                failed.append(outcome)
        # They wait for the database until their lease ends; then another attempt is made.
        self._finished = [outcome for outcome in failed if outcome.attempt.expires > time.monotonic()]
        return recorded

    def _collect(self) -> None:
        moment, hangs = time.monotonic(), False
        for future, attempt in list(self.under_way.items()):
            if future.done():
                self._finished.append(_outcome(future, attempt))
            elif attempt.overdue <= moment:
                hangs = True
                self._finished.append(Outcome(attempt, None, "TimeoutError"))
            else:
                continue
            del self.under_way[future]
        for outcome in self._finished:
            (self._slow.add if outcome.slow else self._slow.discard)(outcome.attempt.webhook_id)
        if hangs:  # the loop itself: the next attempts get a new one
            log.error("Deliveries hang past their deadline; a new loop makes the next ones")
            self._courier.close()


def _outcome(future: "Future[int]", attempt: Attempt) -> Outcome:
    """Return what became of an attempt; an exception is an outcome too."""
    if future.cancelled():
        return Outcome(attempt, None, "TimeoutError")
    error = future.exception()
    # The kind alone: messages of clients and proxies may repeat headers.
    return Outcome(attempt, None, type(error).__name__) if error else Outcome(attempt, future.result(), None)
