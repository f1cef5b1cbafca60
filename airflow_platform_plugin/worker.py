"""The worker: lanes of steps, each step idempotent and in its own transactions.

Any number of workers may run at once. What a step does depends only on the tables, so the next round of any
worker finishes what a worker that died has left. A lane is a thread: a step that hangs, because a mail server
or a timetable does, holds up only the steps of its lane.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.feature import Lane, WorkerStep, features, resolve
from airflow_platform_plugin.core.heartbeat import Beats
from airflow_platform_plugin.supervisor import WRONG_DATABASE

log = logging.getLogger(__name__)

# The steps of the core, after those of features in the same lane.
_CORE_STEPS = (
    WorkerStep("fan-out", lane=Lane.EVENTS, run="core.events:fan_out"),
    WorkerStep("expire-events", lane=Lane.EXPIRY, run="core.events:expire"),
    WorkerStep("expire-idempotency-keys", lane=Lane.EXPIRY, run="http.idempotency:expire"),
)


def steps() -> list[WorkerStep]:
    """Return all steps, lane by lane, in the order of ``Lane``."""
    declared = [*(step for feature in features() for step in feature.worker_steps), *_CORE_STEPS]
    return sorted(declared, key=lambda step: list(Lane).index(step.lane))


def lanes(declared: Sequence[WorkerStep]) -> dict[Lane, tuple[str, ...]]:
    """Return the names of the steps of each lane.

    Raises:
        ValueError: a step that loops shares its lane, in which no other step would ever run.
    """
    found = {lane: tuple(step.name for step in declared if step.lane is lane) for lane in Lane}
    for step in declared:
        if step.loop is not None and len(found[step.lane]) > 1:
            raise ValueError(
                f"The step {step.name} loops, so it must be alone in the lane {step.lane.value}."
            )
    return {lane: names for lane, names in found.items() if names}


# Each returns how much it did. After a round that did something, the next one follows at once.
STEPS: dict[str, Callable[[], int]] = {step.name: resolve(step.run) for step in steps()}
LANES = lanes(steps())
# What a lane with one step runs instead of rounds.
_LOOPS: dict[str, Callable[[threading.Event, float, Callable[[], None]], None]] = {
    step.name: resolve(step.loop) for step in steps() if step.loop is not None
}

# The longest pause, in seconds, between rounds that fail: long enough to keep the log readable.
MAX_PAUSE = 10.0
_HEARTBEAT = 60.0  # seconds
_STOPPING = 8.0  # seconds in which lanes may finish their current step


def run_once() -> dict[str, int | None]:
    """Run every step once and return how much each did, or None for one that failed.

    A failure is logged and does not hold up the other steps.
    """
    beats = Beats()
    done = {name: _run_step(name, beats) for name in STEPS}
    _write_down(beats)
    return done


def _run_step(name: str, beats: Beats) -> int | None:
    try:
        amount = STEPS[name]()
    except Exception as error:
        log.exception("The worker's step %s failed and will be tried again", name)
        beats.failed(name, error)
        return None
    beats.finished(name)
    return amount


def _write_down(beats: Beats) -> None:
    try:
        beats.write_down()
    except Exception:
        log.exception("The heartbeats of the worker's steps could not be stored")


def pause(done: dict[str, int | None], failures: int, interval: float) -> float:
    """Return the seconds until the next round: 0 if there may be more to do, longer after each failure."""
    if failures:
        return min(MAX_PAUSE, interval * (1 << min(failures, 8)))
    return 0 if any(done.values()) else interval


def run(parent: int | None = None, database: str | None = None) -> int:
    """Run until a signal comes or the scheduler that started this process ends; return the exit status.

    Args:
        parent: the scheduler's process id.
        database: what ``db.fingerprint`` returns in the scheduler. If it differs here, the worker does
            nothing: without the scheduler's environment it would work on the events of another Airflow.
    """
    if parent is not None and database != db.fingerprint():
        log.error(
            "The platform's worker ends: its database is not the scheduler's. Its configuration differs from "
            "the scheduler's, or was changed since the scheduler started; then restart the scheduler."
        )
        return WRONG_DATABASE
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    interval = settings.get(settings.CoreSettings).worker_interval
    log.info("The platform's worker runs its steps every %s s: %s", interval, ", ".join(STEPS))
    beats = Beats()
    threads = [
        threading.Thread(
            target=_run_lane,
            args=(names, stopping, interval, beats),
            name=f"platform-{lane.value}",
            daemon=True,
        )
        for lane, names in LANES.items()
    ]
    for thread in threads:
        thread.start()
    written = -_HEARTBEAT
    while not stopping.is_set() and (parent is None or os.getppid() == parent):
        stopping.wait(interval)
        if time.monotonic() - written >= _HEARTBEAT:
            _write_down(beats)
            written = time.monotonic()
    stopping.set()
    _write_down(beats)
    deadline = time.monotonic() + _STOPPING
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return 0


def _run_lane(names: tuple[str, ...], stopping: threading.Event, interval: float, beats: Beats) -> None:
    failures = 0
    while not stopping.is_set():
        if names[0] in _LOOPS:
            done = {names[0]: _run_loop(names[0], stopping, interval, beats)}
        else:
            done = {name: _run_step(name, beats) for name in names}
        failures = failures + 1 if None in done.values() else 0
        stopping.wait(pause(done, failures, interval))


def _run_loop(name: str, stopping: threading.Event, interval: float, beats: Beats) -> int | None:
    try:
        _LOOPS[name](stopping, interval, lambda: beats.finished(name))
    except Exception as error:
        log.exception("The worker's step %s failed and will be tried again", name)
        beats.failed(name, error)
        return None
    return 0
