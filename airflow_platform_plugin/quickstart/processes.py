"""Airflow's processes, which the quickstart starts and stops."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_STOP_TIMEOUT = 20.0  # seconds


class StepFailed(Exception):
    """A step failed; the message says what failed and where to look."""


class Processes:
    """Runs commands in one environment, each with its own log file.

    Each process leads a session, so that ``stop`` finds what it started: gunicorn's workers, tasks.
    """

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self.environment = environment
        self.logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{name}.log"

    def run(self, name: str, *command: str, answers: str = "") -> str:
        """Run a command to its end and return its standard output.

        Args:
            name: the name of its log file.
            command: the program and its arguments.
            answers: its standard input, including passwords that it asks for.

        Raises:
            StepFailed: the exit status is not 0.
        """
        with self.log(name).open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own commands
                command,
                env=self.environment,
                input=answers.encode(),
                stdout=subprocess.PIPE,
                stderr=log,
                check=False,
                # Without a terminal the command reads passwords from standard input.
                start_new_session=bool(answers),
            )
        if done.returncode != 0:
            output = done.stdout.decode(errors="replace").strip()
            raise StepFailed(
                f"{Path(command[0]).name} {' '.join(command[1:3])} ended with status {done.returncode}. "
                f"{output[-500:]}\nIts log: {self.log(name)}"
            )
        return done.stdout.decode()

    def start(self, name: str, *command: str) -> None:
        """Start a command in the background."""
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own commands
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def check(self) -> None:
        """Check that all started processes still run.

        Raises:
            StepFailed: one has exited.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise StepFailed(
                    f"The {name} ended with status {process.returncode}. Its log: {self.log(name)}"
                )

    def stop(self) -> None:
        """Stop all processes with SIGTERM, then kill what is left of their children."""
        left = _started_by({process.pid for process in self._running.values()})
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
        for other in left:
            with suppress(psutil.NoSuchProcess):
                other.kill()
        self._running.clear()


def _started_by(leaders: set[int]) -> list[psutil.Process]:
    """Return the children of the sessions' leaders, and orphans in their sessions."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            parents = {parent.pid for parent in process.parents()}
            if process.pid not in leaders and (leaders & parents or os.getsid(process.pid) in leaders):
                found.append(process)
    return found


def environment(home: Path, dags: Path) -> dict[str, str]:
    """Return Airflow's settings for the quickstart. The platform needs none."""
    return os.environ | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_PLATFORM_DEMO_WAREHOUSE": str(home / "warehouse.duckdb"),
        # The executor for SQLite starts `airflow` from the path.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONWARNINGS": "ignore",
    }


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
