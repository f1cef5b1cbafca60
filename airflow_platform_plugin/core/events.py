"""Events: what has happened, stored until every subscriber has processed it.

An event's id follows from its content. So a listener and the sweep that both see a change write one row.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, delete, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import cursors, db, outbox
from airflow_platform_plugin.core.db import UtcDateTime
from airflow_platform_plugin.core.feature import EventType, event_references, features, resolve
from airflow_platform_plugin.core.new_events import MARGIN, NewEvent, retention, to_row

__all__ = ["Event", "NewEvent", "record"]

log = logging.getLogger(__name__)


@cache
def types() -> dict[str, EventType]:
    """Return the types of events of all features, by name."""
    return {each.name: each for feature in features() for each in feature.events}


_BATCH = 500
_EXPIRED_AT_ONCE = 100


class Event(db.Base):
    """Something that has happened. ``fanned_out_at`` is empty until the consumers have got it."""

    __tablename__ = "platform_event"

    id = Column(String(36), primary_key=True)
    type = Column(String(64), nullable=False)
    occurred_at = Column(UtcDateTime, nullable=False)
    data = Column(JSON, nullable=False)
    # The owner at that time. None also for a DAG without a tag of a tenant, or with several: then the tags
    # decide when it is delivered.
    # Not a foreign key, so that writing an event waits for no tenant's row.
    tenant_id = Column(String(63))
    fanned_out_at = Column(UtcDateTime)

    __table_args__ = (
        # Consumers get the rows without fanned_out_at, the oldest first.
        Index(None, "fanned_out_at", "occurred_at"),
        Index(None, "occurred_at"),
    )


def find_absent(connection: Connection, new: Iterable[NewEvent]) -> list[NewEvent]:
    """Return those of the events that are not stored yet, each once."""
    by_id = {event.id: event for event in new}
    ids = list(by_id)
    for start in range(0, len(ids), _BATCH):
        stored = select(Event.id).where(Event.id.in_(ids[start : start + _BATCH]))
        for (known,) in connection.execute(stored):
            del by_id[known]
    return list(by_id.values())


def record(connection: Connection, new: list[NewEvent]) -> int:
    """Store those of the events that are not stored yet, and return how many.

    If all are stored, nothing is executed: on SQLite even an insert that does nothing takes the lock.
    """
    rows = [to_row(event) for event in find_absent(connection, new)]
    db.insert_absent(connection, Event.__table__, rows)
    return len(rows)


# --- which events are stored, and for how long ---

FIRST_START = "first-start"
EXPIRED = "expired-until"


def horizon(session: Session) -> datetime:
    """Return the moment before which nothing is recorded any more.

    It is at least the plugin's first start on this database, and later than every event that was deleted
    since. So a deleted event is never stored again, even after the retention was extended.
    """
    started = cursors.get_moment(session, FIRST_START)
    if started is None:
        started = _first_start(session)
        cursors.set_moment(session, FIRST_START, started)
    moments = [started, db.now() - retention() + MARGIN]
    expired = cursors.get_moment(session, EXPIRED)
    if expired is not None:
        moments.append(expired + MARGIN)
    return max(moments)


def _first_start(session: Session) -> datetime:
    """Return now, or the oldest event's time: earlier versions did not store their first start."""
    oldest: datetime | None = session.scalar(select(func.min(Event.occurred_at)))
    return db.now() if oldest is None else max(oldest, db.now() - retention())


def expire() -> int:
    """Delete a batch of events past the retention that no feature needs any more; return how many."""
    before = db.now() - retention()
    references = event_references()
    with db.transaction() as session:
        old = select(Event.id).where(Event.occurred_at < before, Event.fanned_out_at.is_not(None))
        for reference in references:
            old = old.where(Event.id.not_in(reference.undeletable_ids()))
        ids = list(session.scalars(old.order_by(Event.occurred_at).limit(_EXPIRED_AT_ONCE)))
        if ids:
            cursors.set_moment(session, EXPIRED, before)
            for reference in references:
                reference.delete_rows(session, ids)
            _forget_failures(session, ids)
            session.execute(delete(Event).where(Event.id.in_(ids)))
    return len(ids)


# --- consumers ---

# Stores what a feature will do about new events, in the transaction that marks them.
Consumer = Callable[[Session, Sequence[Event]], None]
_FANNED_OUT = 100
# When a consumer that failed with an event gets it again; after the last attempt the event is set aside.
_RETRIES = outbox.Backoff(7, [minutes * 60 for minutes in (1, 5, 15, 60, 240, 720)])


class FailedConsumption(db.Base):
    """An event that a consumer failed with. It gets the event again, alone, until that is set aside."""

    __tablename__ = "platform_failed_consumption"

    event_id = Column(String(36), ForeignKey("platform_event.id", ondelete="CASCADE"), primary_key=True)
    consumer = Column(String(64), primary_key=True)
    attempts = Column(Integer, nullable=False)
    error = Column(String(500), nullable=False)
    # None once it is set aside: then only ``doctor`` reports it.
    due_at = Column(UtcDateTime, index=True)
    failed_at = Column(UtcDateTime, nullable=False)


@cache
def _consumers() -> dict[str, Consumer]:
    return {
        name: resolve(reference) for feature in features() for name, reference in feature.consumers.items()
    }


def fan_out(consumers: Mapping[str, Consumer] | None = None) -> int:
    """Give a batch of new events to each consumer; return the number of events.

    The failure of a consumer undoes only its work. It then gets the events one by one, so that an event that
    it cannot process does not stop the others. Other consumers are not affected.

    Args:
        consumers: by name; those of all features if not given.
    """
    if consumers is None:
        consumers = _consumers()
    with db.transaction() as session:
        outbox = select(Event).where(Event.fanned_out_at.is_(None)).order_by(Event.occurred_at)
        waiting = list(session.scalars(outbox.limit(_FANNED_OUT).with_for_update(skip_locked=True)))
        if waiting:
            for name, consume in consumers.items():
                _consume(session, name, consume, waiting)
        for event in waiting:
            event.fanned_out_at = db.now()
    _retry_failed(consumers)
    return len(waiting)


def _consume(session: Session, name: str, consume: Consumer, waiting: Sequence[Event]) -> None:
    if _try_consume(session, name, consume, waiting) is None:
        return
    for event in waiting:
        error = _try_consume(session, name, consume, [event])
        if error is not None:
            failed = FailedConsumption(event_id=event.id, consumer=name, attempts=0)
            _postpone(failed, error)
            session.merge(failed)


def _try_consume(session: Session, name: str, consume: Consumer, given: Sequence[Event]) -> Exception | None:
    """Give events to a consumer. If it fails, undo its work and return the error."""
    try:
        with db.savepoint(session):
            consume(session, given)
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise  # the database is away, not the consumer's fault: the whole batch comes again
        log.exception("The consumer %s failed with %s events", name, len(given))
        return error
    return None


def _postpone(failed: FailedConsumption, error: Exception) -> None:
    """Let the consumer get the event again later, or set the event aside."""
    failed.attempts += 1
    failed.error = type(error).__name__[:500]  # messages may repeat secrets
    failed.failed_at = db.now()
    failed.due_at = _RETRIES.next_due(failed.attempts)
    if failed.due_at is None:
        log.error(
            "The consumer %s cannot process the event %s, which is set aside",
            failed.consumer,
            failed.event_id,
        )


def _retry_failed(consumers: Mapping[str, Consumer]) -> None:
    with db.transaction() as session:
        due = select(FailedConsumption).where(FailedConsumption.due_at <= db.now())
        batch = due.order_by(FailedConsumption.due_at).limit(_FANNED_OUT).with_for_update(skip_locked=True)
        for failed in session.scalars(batch).all():
            event, consume = session.get(Event, failed.event_id), consumers.get(str(failed.consumer))
            if event is None or consume is None:  # no such consumer in this version of the plugin
                session.delete(failed)
                continue
            error = _try_consume(session, str(failed.consumer), consume, [event])
            if error is None:
                session.delete(failed)
            else:
                _postpone(failed, error)


def _forget_failures(session: Session, event_ids: list[str]) -> None:
    """Delete the failures of consumers with those events."""
    session.execute(delete(FailedConsumption).where(FailedConsumption.event_id.in_(event_ids)))
