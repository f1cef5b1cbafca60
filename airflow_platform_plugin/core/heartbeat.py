"""Heartbeats: when each of the worker's steps has last finished, for ``doctor``.

Steps leave their beats in memory, and the worker's main thread stores them once a minute. So a step that
hangs does not stop the beats of the others. Of several workers, the latest beat counts.
"""

import threading
from datetime import datetime

from sqlalchemy import Column, String, select

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime


class Step(db.Base):
    """One of the worker's steps. ``error`` is its last failure, if nothing has succeeded since."""

    __tablename__ = "platform_step"

    name = Column(String(64), primary_key=True)
    finished_at = Column(UtcDateTime)
    failed_at = Column(UtcDateTime)
    error = Column(String(500))


class Beats:
    """The last outcome of each step in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._finished: dict[str, datetime] = {}
        self._failed: dict[str, tuple[datetime, str]] = {}

    def finished(self, name: str) -> None:
        """Note that a step has finished."""
        with self._lock:
            self._finished[name] = db.now()
            self._failed.pop(name, None)

    def failed(self, name: str, error: Exception) -> None:
        """Note that a step has failed. Only the kind of error is kept: messages may repeat secrets."""
        with self._lock:
            self._failed[name] = (db.now(), type(error).__name__)

    def write_down(self) -> None:
        """Store the beats since the last call."""
        with self._lock:
            finished, failed = self._finished, self._failed
            self._finished, self._failed = {}, {}
        if not finished and not failed:
            return
        with db.transaction() as session:
            names = sorted({*finished, *failed})
            db.insert_absent(session.connection(), Step.__table__, [{"name": name} for name in names])
            for step in session.scalars(select(Step).where(Step.name.in_(names)).order_by(Step.name)):
                name = str(step.name)
                if name in finished:
                    step.finished_at = max(finished[name], step.finished_at or finished[name])
                    step.error = None
                if name in failed:
                    step.failed_at, step.error = failed[name]
