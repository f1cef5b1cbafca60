"""Seats for requests that wait for something, so that a web worker is left for all others.

Airflow's web workers are synchronous, and there are four by default. So a host has one seat less than it has
workers (and one where there is one worker). Each kind of waiting takes one of a few of them, in an order and
a number that leave no kind without a seat because of one other kind. More than four workers bring seats for
queries.
"""

import fcntl
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from airflow_platform_plugin.airflow_compat import config

log = logging.getLogger(__name__)

DEPLOYMENTS = (0, 1)
CONNECTIONS = (2, 1)
_NAMED = 3  # seats that these two kinds take


@contextmanager
def wait_slot(numbers: Iterable[int]) -> Iterator[bool]:
    """Whether this request may wait: one of those seats is free, and is taken for as long as this lasts.

    A seat is a lock on a file, which goes with its process, however that ends. Where no file can be written
    nobody is counted, and everybody may.
    """
    with _one_of(f"waiting-{number % _count()}.lock" for number in numbers) as taken:
        yield taken


@contextmanager
def query() -> Iterator[bool]:
    """The same for an analytics query: any seat, but never the last one of the host."""
    most = max(1, _count() - 1)
    numbers = (1, 0, *range(_NAMED, _count()), 2)
    with _one_of(f"query-{number}.lock" for number in range(most)) as allowed, ExitStack() as stack:
        yield allowed and stack.enter_context(wait_slot(numbers))


def _count() -> int:
    return max(1, config.webserver_workers() - 1)


@contextmanager
def _one_of(names: Iterable[str]) -> Iterator[bool]:
    """Whether one of those locks is free; it is held for as long as this lasts."""
    folder = config.airflow_home() / "platform"
    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(Path(folder, name).open("w"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:
                log.exception("Who waits cannot be counted")
            break
        else:
            yield False
            return
        yield True
