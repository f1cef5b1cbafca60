"""``python -m … NAME``: load an installed kit and call it, in the process that the runner started."""

import ctypes
import os
import signal
import sys
from importlib.metadata import entry_points

from airflow_platform_plugin.datakits.runners import GROUP

_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def _end_with(parent: int) -> None:
    """Be asked to end when the task's process is killed, which then could not do so itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)  # it was faster


if __name__ == "__main__":
    _end_with(int(sys.argv[2]))
    (kit,) = entry_points(group=GROUP, name=sys.argv[1])
    sys.exit(kit.load()())
