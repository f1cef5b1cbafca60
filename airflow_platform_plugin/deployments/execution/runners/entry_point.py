"""``python -m … NAME TASK GRACE``: run an installed kit, and end it with everything that it started.

There are two processes: this one, which the runner has started, watches its child, which loads and calls
the kit. The watching process gets SIGTERM from the runner, or from Linux when the task's process has ended.
Then the kit has GRACE seconds to end. Whatever is left after that, or after the kit's own end, is killed. A
process that loses its parent becomes a child of the watching process, so no process escapes by its own group
or session. If the watching process is killed, Linux kills the kit.

On other systems than Linux, this process is the kit.
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

# From Linux's prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_WATCHED = {signal.SIGTERM, signal.SIGCHLD}
_KILLING = 10.0  # seconds in which killed processes end, unless the kernel holds them


def run(name: str) -> NoReturn:
    """Call the kit in this process, and exit with the status that it returns."""
    (kit,) = entry_points(group=GROUP, name=name)
    sys.exit(kit.load()())


def watch(name: str, task: int, grace: float) -> NoReturn:
    """Run the kit in a child process; end everything that it started, and exit with its status.

    Args:
        name: the name of the kit.
        task: the id of the task's process; the kit ends with it.
        grace: seconds between SIGTERM and SIGKILL.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != task:
        sys.exit(128 + signal.SIGTERM)  # the task's process has already ended
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
    """Return the kit's wait status; None if it still runs after the grace period."""
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
            os.killpg(0, signal.SIGTERM)  # the kit is in this group; this process handles signals only here


def _reap(kit: int) -> int | None:
    """Reap all children that have ended; return the kit's wait status if it is one of them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == kit:
                found = ended[1]
    return found


def _kill_all(kit: int) -> int | None:
    """Kill all remaining descendants, by generation; return the kit's wait status if it was among them."""
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
            # pid (name) state parent …; the name may contain any character.
            parent = stat.read_bytes().rpartition(b")")[2].split()[1]
            if int(parent) == own:
                found.append(int(stat.parent.name))
    return found


def _exit_status(status: int) -> int:
    """Return the exit status as a shell does: 128 + signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    if sys.platform == "linux":
        watch(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    run(sys.argv[1])
