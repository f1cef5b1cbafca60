"""``python -m … NAME TASK GRACE``: run an installed kit, and end it with all that it has started.

There are two processes. This one, which the runner has started, watches; the kit is its child, loaded and
called there. This one gets SIGTERM from the runner, or from Linux when the task's process is gone, which then
could not do it itself. Then the kit has so many seconds to end, and what is left after that, or after the
kit's own end, is killed. A process that loses its parent becomes a child of this one, so nothing escapes by
a group or a session of its own. If this process itself is killed, Linux kills the kit.

Elsewhere than on Linux there is the kit alone.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import NoReturn

from airflow_platform_plugin.deployments.execution.runners import GROUP

# Of Linux's prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_WATCHED = {signal.SIGTERM, signal.SIGCHLD}
_KILLING = 10.0  # seconds in which what was killed is gone, unless the kernel itself holds it


def run(name: str) -> NoReturn:
    """Be the kit; what it returns is the exit status."""
    (kit,) = entry_points(group=GROUP, name=name)
    sys.exit(kit.load()())


def watch(name: str, task: int, grace: float) -> NoReturn:
    """Run the kit in a child and end with its exit status, and with everything that it has started.

    Args:
        name: the kit's.
        task: the process with which all ends.
        grace: seconds between SIGTERM and SIGKILL.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != task:
        sys.exit(128 + signal.SIGTERM)  # it was faster
    own = os.getpid()
    kit = os.fork()
    if kit == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != own:
            os._exit(128 + signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        run(name)
    status = _wait(kit, grace)
    left = _kill_all(kit)
    status = left if status is None else status
    sys.exit(128 + signal.SIGKILL if status is None else _exit_status(status))


def _wait(kit: int, grace: float) -> int | None:
    """How the kit has ended; None where it has not, though it was asked to so long ago."""
    asked: float | None = None
    while True:
        left = 3600.0 if asked is None else asked + grace - time.monotonic()
        if left <= 0:
            return None
        got = signal.sigtimedwait(_WATCHED, left)
        if (status := _reap(kit)) is not None:
            return status
        if got is not None and got.si_signo == signal.SIGTERM and asked is None:
            asked = time.monotonic()
            os.killpg(
                0, signal.SIGTERM
            )  # the group is the kit's, and this process waits for signals only here


def _reap(kit: int) -> int | None:
    """Take leave of all children that have ended; the kit's status, if it is one of them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == kit:
                found = ended[1]
    return found


def _kill_all(kit: int) -> int | None:
    """Kill whatever is left, generation by generation; the kit's status, if it was one of these."""
    status, deadline = None, time.monotonic() + _KILLING
    while (children := _children()) and time.monotonic() < deadline:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)
        status = status if (ended := _reap(kit)) is None else ended
    return status


def _children() -> list[int]:
    own, found = os.getpid(), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # pid (name) state parent …; the name may hold anything.
            parent = stat.read_bytes().rpartition(b")")[2].split()[1]
            if int(parent) == own:
                found.append(int(stat.parent.name))
    return found


def _exit_status(status: int) -> int:
    """As a shell has it: a signal's number above 128."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    if sys.platform == "linux":
        watch(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    run(sys.argv[1])
