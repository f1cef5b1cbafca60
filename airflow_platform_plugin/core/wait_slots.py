"""Wait slots: a limit on requests that wait for something, so that a web worker is left for the others.

It is a bulkhead across the processes of a host. Airflow's web workers are synchronous, and there are four
by default. A host has one slot less than workers, but at least one. Each kind of waiting may use only some of
the slots, so that no kind can take all slots of another kind. With more than four workers, queries have
more slots.
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
_NAMED = 3  # slots of these two kinds


@contextmanager
def wait_slot(numbers: Iterable[int]) -> Iterator[bool]:
    """Yield whether this request may wait: one of those slots is free, and taken until the end of the block.

    A slot is a lock on a file, which ends with its process in any case. If no file can be written, requests
    are not counted and all may wait.
    """
    with _one_of(f"waiting-{number % _count()}.lock" for number in numbers) as taken:
        yield taken


@contextmanager
def query() -> Iterator[bool]:
    """Yield whether an analytics query may wait: any slot, but never the last one of the host."""
    most = max(1, _count() - 1)
    numbers = (1, 0, *range(_NAMED, _count()), 2)
    with _one_of(f"query-{number}.lock" for number in range(most)) as allowed, ExitStack() as stack:
        yield allowed and stack.enter_context(wait_slot(numbers))


def _count() -> int:
    return max(1, config.webserver_workers() - 1)


@contextmanager
def _one_of(names: Iterable[str]) -> Iterator[bool]:
    """Yield whether one of those locks is free; it is held until the end of the block."""
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
                log.exception("Waiting requests cannot be counted")
            break
        else:
            yield False
            return
        yield True
