"""Backfills, and their runs that have not ended."""

from enum import Enum
from typing import Any

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import StringID, UtcDateTime


class State(str, Enum):
    """The states of a backfill; the last three are final."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Backfill(db.Base):
    """A range of a DAG's dates, the position in it, and the results so far."""

    __tablename__ = "platform_backfill"

    backfill_id = Column(String(24), primary_key=True, default=lambda: db.new_id("bf"))
    dag_id = Column(StringID(), nullable=False)
    start_date = Column(UtcDateTime, nullable=False)
    end_date = Column(UtcDateTime, nullable=False)
    conf = Column(JSON, nullable=False)
    max_active_runs = Column(Integer, nullable=False)
    reprocess = Column(String(10), nullable=False)
    run_backwards = Column(Boolean, nullable=False)
    # The DAG's tasks depend on their past: one run at a time, and the next once it has succeeded.
    in_order = Column(Boolean, nullable=False)
    state = Column(String(10), nullable=False)
    # Why nothing happens, or why it has failed.
    message = Column(String(1000))
    # Where to go on: data intervals after which the next dates begin, [start, end] each, or null at the start
    # of the range. Forwards there is one; backwards they are some dates apart, and the last is used first.
    # Empty once no date is left.
    anchors = Column(JSON, nullable=False)
    # The logical date that was handled last.
    position = Column(UtcDateTime)
    total = Column(Integer, nullable=False)
    total_is_estimate = Column(Boolean, nullable=False)
    created = Column(Integer, nullable=False, default=0)
    cleared = Column(Integer, nullable=False, default=0)
    skipped = Column(Integer, nullable=False, default=0)
    running = Column(Integer, nullable=False, default=0)
    success = Column(Integer, nullable=False, default=0)
    failed = Column(Integer, nullable=False, default=0)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)
    ended_at = Column(UtcDateTime)

    # The worker reads active backfills, however many have ended.
    __table_args__ = (Index(None, "state"), Index(None, "running"), Index(None, "dag_id", "created_at"))

    @property
    def progress(self) -> dict[str, Any]:
        """Return what became of the dates."""
        handled = self.created + self.cleared + self.skipped
        names = (
            "total",
            "total_is_estimate",
            "created",
            "cleared",
            "skipped",
            "running",
            "success",
            "failed",
        )
        return {name: getattr(self, name) for name in names} | {"remaining": max(0, self.total - handled)}


class BackfillRun(db.Base):
    """A run that a backfill has created or cleared, and that had not ended when last seen."""

    __tablename__ = "platform_backfill_run"

    backfill_id = Column(
        String(24), ForeignKey("platform_backfill.backfill_id", ondelete="CASCADE"), primary_key=True
    )
    run_id = Column(StringID(), primary_key=True)
