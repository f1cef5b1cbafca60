"""Events: what happened, kept until everybody who subscribed was told.

An event's id is derived from what it tells, so that a listener and the sweep which both see a
transition write one row between them.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import JSON, Column, Index, String, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from airflow_platform_plugin import db

# Every type there is, with what it means; docs/events.md repeats them.
TYPES = {
    "dag.running": "A DAG run has started.",
    "dag.success": "A DAG run has ended in success, or was marked so.",
    "dag.failure": "A DAG run has failed, or was marked so.",
    "task.success": "A task instance has ended in success, or was marked so.",
    "task.failure": "A task instance has failed for good, or was marked so.",
    "task.retry": "A try of a task instance has failed, and another will follow.",
    "task.skipped": "A task instance was skipped.",
    "task.upstream_failed": "A task instance will not run because one before it failed.",
    "datakit.rolled_back": "A deployment is at an earlier revision's content again, by hand or by itself.",
}

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "airflow-platform-plugin")
_BATCH = 500


class Event(db.Base):
    """One thing that happened. ``fanned_out_at`` is empty until each subscriber has its delivery."""

    __tablename__ = "platform_event"

    id = Column(String(36), primary_key=True)
    type = Column(String(64), nullable=False)
    occurred_at = Column(UtcDateTime, nullable=False)
    data = Column(JSON, nullable=False)
    fanned_out_at = Column(UtcDateTime)

    __table_args__ = (
        # The outbox is what has no fanned_out_at, oldest first.
        Index(None, "fanned_out_at", "occurred_at"),
        Index(None, "occurred_at"),
    )


@dataclass(frozen=True)
class NewEvent:
    """An event that may not be stored yet.

    Attributes:
        identity: what makes this happening differ from every other; two equal ones are one event.
    """

    type: str
    identity: tuple[str, ...]
    occurred_at: datetime
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """The event's id, the same wherever the happening is seen."""
        return str(uuid.uuid5(_NAMESPACE, "\x1f".join((self.type, *self.identity))))


def record(connection: Connection, new: list[NewEvent]) -> int:
    """Store those events that are not there yet, and return how many these were.

    Nothing is written where all are there: on SQLite even an insert that does nothing takes the lock.
    """
    by_id = {event.id: event for event in new}
    ids = list(by_id)
    for start in range(0, len(ids), _BATCH):
        there = select(Event.id).where(Event.id.in_(ids[start : start + _BATCH]))
        for (known,) in connection.execute(there):
            del by_id[known]
    rows = [
        {"id": id_, "type": event.type, "occurred_at": event.occurred_at, "data": event.data}
        for id_, event in by_id.items()
    ]
    db.insert_absent(connection, Event.__table__, rows)
    return len(rows)


# What a feature does with new events, in the transaction that marks them: writing down what is to be done.
Consumer = Callable[[Session, Sequence[Event]], None]
_FANNED_OUT = 100


def fan_out(consumers: Iterable[Consumer]) -> int:
    """Give a batch of events that nobody has seen yet to each consumer; returns the number of events."""
    with db.transaction() as session:
        outbox = select(Event).where(Event.fanned_out_at.is_(None)).order_by(Event.occurred_at)
        waiting = list(session.scalars(outbox.limit(_FANNED_OUT).with_for_update(skip_locked=True)))
        if waiting:
            for consume in consumers:
                consume(session, waiting)
        for event in waiting:
            event.fanned_out_at = db.now()
    return len(waiting)
