"""The runner ``process``: a kit that is installed beside Airflow, run in a process of its own.

An image's name is looked up among the installed entry points of the group ``airflow_platform.datakits``.
So what can run is what the operator has installed: no command and no path comes from an API caller. The
process has the task's environment and rights, and the resources that the host gives it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowFailException

from airflow_platform_plugin.airflow_compat import SubprocessHook
from airflow_platform_plugin.datakits.manifest import image_name
from airflow_platform_plugin.datakits.runners import GROUP
from airflow_platform_plugin.datakits.runners.contract import (
    GRACE,
    LONGEST_RESULT,
    RESULT_FILE,
    Ended,
    Job,
    last_line,
)
from airflow_platform_plugin.datakits.runners.runner import Runner


def find(image: str) -> EntryPoint | None:
    """The installed kit that an image's name stands for."""
    found = entry_points(group=GROUP, name=image_name(image))
    return next(iter(found), None)


class ProcessRunner(Runner):
    """Runs a kit as a child of the task's process."""

    def __init__(self) -> None:
        self._hook = SubprocessHook()

    def run(self, job: Job, context: Any) -> Ended:  # noqa: ANN401, ARG002 - the runners' interface
        """Run the kit to its end.

        Raises:
            AirflowFailException: no such kit is installed.
        """
        image = job.spec.manifest.image
        kit = find(image)
        if kit is None:
            raise AirflowFailException(
                f"No kit '{image_name(image)}' is installed here (no such entry point in the group {GROUP})."
            )
        program = "airflow_platform_plugin.datakits.runners.entry_point"
        command = [sys.executable, "-m", program, kit.name, str(os.getpid())]
        with tempfile.TemporaryDirectory(prefix="datakit") as folder:
            file = Path(folder, "result.json")
            variables = os.environ | job.environment | job.private | {RESULT_FILE: str(file)}
            done = self._hook.run_command(command, env=variables)
            # A signal's number below zero, as a shell and the other runners have it.
            status = done.exit_code if done.exit_code >= 0 else 128 - done.exit_code
            return Ended(status, result=_read(file), note=last_line(done.output))

    def kill(self) -> None:
        """End the process group: the kit may have started others."""
        process = self._hook.sub_process
        if process is None or process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read(file: Path) -> str:
    with suppress(FileNotFoundError), file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(LONGEST_RESULT + 1)
    return ""


RUNNER = ProcessRunner
