"""The runner ``process``: runs a kit that is installed next to Airflow in its own process.

The name of the image is looked up among the installed entry points of the group
``airflow_platform.datakits``. So only kits that the operator has installed can run: no command and no path
comes from an API caller. The process has the task's environment and rights, and the resources of the host.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import IO

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowFailException
from airflow_platform_plugin.airflow_compat.types import TaskContext
from airflow_platform_plugin.datakits.image_reference import image_name
from airflow_platform_plugin.deployments.execution.contract import (
    GRACE,
    LONGEST_RESULT,
    RESULT_FILE,
    Job,
    KitExit,
    describe_last_line,
)
from airflow_platform_plugin.deployments.execution.runners import GROUP
from airflow_platform_plugin.deployments.execution.runners.base import Runner

# Below Airflow's own logger of tasks.
log = logging.getLogger("airflow.task.datakit")

_LONGEST_LINE = 64 * 1024  # characters that the log shows of one line
# Bytes that are read of one line: a secret that begins in the shown part ends within them.
_LONGEST_READ = 2 * _LONGEST_LINE
_KILLING = 15  # seconds in which the process that watches the kit kills everything and ends


def find(image: str) -> EntryPoint | None:
    """Return the installed kit with the name of an image."""
    found = entry_points(group=GROUP, name=image_name(image))
    return next(iter(found), None)


class ProcessRunner(Runner):
    """Runs a kit below a child of the task's process. The child ends everything that the kit starts."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, job: Job, context: TaskContext) -> KitExit:  # noqa: ARG002 - the runners' interface
        """Run the kit to its end.

        Raises:
            AirflowFailException: no such kit is installed.
        """
        image = job.spec.manifest.image
        kit = find(image)
        if kit is None:
            raise AirflowFailException(describe_missing_kit(image))
        program = "airflow_platform_plugin.deployments.execution.runners.entry_point"
        command = [sys.executable, "-m", program, kit.name, str(os.getpid()), str(GRACE)]
        with tempfile.TemporaryDirectory(prefix="datakit") as folder:
            file = Path(folder, "result.json")
            work = Path(folder, "work")
            work.mkdir()
            variables = os.environ | job.environment | job.private | {RESULT_FILE: str(file)}
            process = self._process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=work,
                env=variables,
                start_new_session=True,
            )
            try:
                last = _log(process.stdout)
                process.wait()
            finally:
                self.kill()  # if a timeout of the task ended the wait
            # A signal is a negative number here; a shell and the other runners report 128 + signal.
            status = process.returncode if process.returncode >= 0 else 128 - process.returncode
            return KitExit(status, result=_read(file), note=describe_last_line(last))

    def kill(self) -> None:
        """End the kit and everything that it started, by the process that watches it."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE + _KILLING)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def describe_missing_kit(image: str) -> str:
    """Return the message for a kit that is not installed."""
    return f"No kit '{image_name(image)}' is installed here (no such entry point in the group {GROUP})."


def _log(stream: IO[bytes] | None) -> str:
    """Log each line as it comes, cut if it is long; return the last line."""
    line = ""
    while stream is not None and (raw := stream.readline(_LONGEST_READ)):
        line = raw.decode(errors="backslashreplace").rstrip()
        if len(raw) == _LONGEST_READ and not raw.endswith(b"\n"):
            while (rest := stream.readline(_LONGEST_READ)) and not rest.endswith(b"\n"):
                pass
        if len(line) > _LONGEST_LINE:
            # Mask secrets before cutting: the masker does not recognize half a secret.
            line = f"{airflow_compat.masking.redact(line)[:_LONGEST_LINE]} … (the line is longer)"
        log.info("%s", line)
    return line


def _read(file: Path) -> str:
    with suppress(FileNotFoundError), file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(LONGEST_RESULT + 1)
    return ""


RUNNER = ProcessRunner
