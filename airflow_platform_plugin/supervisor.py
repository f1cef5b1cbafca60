"""The worker as a child process of the scheduler: started, restarted when it dies, stopped with it."""

import logging
import os
import subprocess
import sys
import threading

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import Component
from airflow_platform_plugin.core import db, settings

log = logging.getLogger(__name__)

RESTART_DELAY = 5.0  # seconds; a worker that cannot start must not keep the machine busy
STOP_TIMEOUT = 10.0
WRONG_DATABASE = 3  # the exit status of a worker whose database is not this process's

_supervisor: "Supervisor | None" = None


class Supervisor(threading.Thread):
    """Keeps one worker process alive until ``stop`` is called."""

    def __init__(self) -> None:
        super().__init__(name="airflow-platform-supervisor", daemon=True)
        self.owner = os.getpid()  # executors fork: a child's copy of this object is not the supervisor
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            sys.executable, "-m", "airflow_platform_plugin", "worker",
            "--parent", str(self.owner), "--database", db.fingerprint(),
        ]  # fmt: skip
        # Given to the child by value. The C library's own copy, which a child gets otherwise, may be
        # overwritten at that moment: executors call setproctitle.
        self._environment = dict(os.environ)

    def run(self) -> None:
        """Start the worker again each time that it ends."""
        while not self._stopping.is_set():
            try:
                self._process = subprocess.Popen(self._command, env=self._environment)  # noqa: S603 - our own module
                code = self._process.wait()
            except OSError:
                log.exception("The platform's worker could not be started")
            else:
                if not self._stopping.is_set():
                    _report(code)
            self._stopping.wait(RESTART_DELAY)

    def stop(self) -> None:
        """End the worker and this thread."""
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()


def _report(code: int) -> None:
    if code == WRONG_DATABASE:
        log.error(
            "The platform's worker has refused to work on a database that is not this scheduler's, and is "
            "started again; its own message is above"
        )
    else:
        log.warning("The platform's worker ended with status %s and is started again", code)


def on_starting(component: Component) -> None:
    """When this is the scheduler, bring the tables up to date and start the worker.

    Airflow announces a Job before saying which: the runner sets ``job_type`` right afterwards. That is
    the moment to wait for; every other Job, such as a task's, costs no more than this.
    """
    try:
        if not isinstance(component, airflow_compat.models.Job):
            return
        from sqlalchemy import event

        event.listen(airflow_compat.models.Job.job_type, "set", _job_type_set)
    except Exception:
        log.exception("The platform could not look at the starting component")


def _job_type_set(_job: object, value: object, *_: object) -> None:
    if value == "SchedulerJob":
        _start()


def _start() -> None:
    global _supervisor  # noqa: PLW0603 - one per process, like the scheduler itself
    try:
        if _supervisor is not None and _supervisor.owner == os.getpid():
            return
        config = settings.get(settings.CoreSettings)
        if config.auto_migrate:
            db.upgrade()
        if config.worker:
            _supervisor = Supervisor()
            _supervisor.start()
    except Exception:
        log.exception("The platform's worker was not started; Airflow itself is unharmed")


def before_stopping(component: Component) -> None:
    """When this is the scheduler that started the worker, stop it."""
    global _supervisor  # noqa: PLW0603 - the same
    try:
        if _supervisor is None or _supervisor.owner != os.getpid():
            return
        if getattr(component, "job_type", None) == "SchedulerJob":
            _supervisor.stop()
            _supervisor = None
    except Exception:
        log.exception("The platform's worker was not stopped; it ends by itself once its parent is gone")
