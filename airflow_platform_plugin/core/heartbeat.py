"""When each of the worker's steps has come to its end last, for ``doctor`` to judge.

A step that hangs says nothing, so nobody asks it: it leaves its beats in memory, and the worker's main thread
writes them down once a minute. Of several workers the latest counts.
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
    """What has become of each step in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._finished: dict[str, datetime] = {}
        self._failed: dict[str, tuple[datetime, str]] = {}

    def finished(self, name: str) -> None:
        """A step has come to its end."""
        with self._lock:
            self._finished[name] = db.now()
            self._failed.pop(name, None)

    def failed(self, name: str, error: Exception) -> None:
        """A step has failed. Of the error the kind alone is kept: messages may repeat secrets."""
        with self._lock:
            self._failed[name] = (db.now(), type(error).__name__)

    def write_down(self) -> None:
        """Store what is new since the last time."""
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
