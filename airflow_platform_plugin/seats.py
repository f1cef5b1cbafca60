"""Seats for requests that wait for something, so that a web worker is left for all others.

Airflow's web workers are synchronous, and there are four by default. So there are three seats on a host,
and each kind of waiting takes one of two: neither kind can keep the other from waiting at all.
"""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from airflow.settings import AIRFLOW_HOME

log = logging.getLogger(__name__)

DEPLOYMENTS = (0, 1)
CONNECTIONS = (2, 1)


@contextmanager
def seat(numbers: tuple[int, ...]) -> Iterator[bool]:
    """Whether this request may wait: one of those seats is free, and is taken for as long as this lasts.

    A seat is a lock on a file, which goes with its process, however that ends. Where no file can be written
    nobody is counted, and everybody may.
    """
    folder = Path(AIRFLOW_HOME, "platform")
    with ExitStack() as stack:
        for number in numbers:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(Path(folder, f"waiting-{number}.lock").open("w"))
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
