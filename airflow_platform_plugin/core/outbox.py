"""Outbox: rows that wait to be sent, each sent by one worker at a time.

Its table has the columns ``attempts`` (how many attempts were begun) and ``due_at`` (when the next attempt is
due; None after the last). A worker sends in three steps:

claim     a transaction: take rows that are due, and move ``due_at`` to the end of a lease
send      no transaction
record    a transaction: the row is done, due again, or given up

A worker that dies in between leaves the row to the next worker, once the lease has ended.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, inspect, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin.airflow_compat.types import Model
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.types import Row, SqlValue


class Backoff(NamedTuple):
    """When a failed attempt is made again.

    Attributes:
        max_attempts: how many attempts there are in all.
        seconds: the seconds before each further attempt; the last one repeats.
    """

    max_attempts: int
    seconds: Sequence[int]

    def seconds_after(self, attempt: int) -> int:
        """Return the seconds between an attempt, 1 for the first, and the next one."""
        return self.seconds[min(attempt, len(self.seconds)) - 1]

    def next_due(self, attempt: int) -> datetime | None:
        """Return when the attempt after a failed one is due; None after the last."""
        if attempt >= self.max_attempts:
            return None
        return db.now() + timedelta(seconds=self.seconds_after(attempt))


class Claim(NamedTuple):
    """A row that this worker may send until its lease ends.

    Attributes:
        row: the row as it was before the claim.
        attempt: the number of the attempt, 1 for the first.
    """

    row: Row
    attempt: int


def claim(
    session: Session, outbox: Model, *where: ColumnElement[bool], most: int, lease: timedelta
) -> list[Claim]:
    """Take the rows that have been due the longest, for this worker alone until the lease ends.

    Args:
        session: a transaction that is committed before the rows are sent.
        outbox: the outbox's model.
        where: which rows; all that are due if not given.
        most: how many rows to take; another worker may be faster with some of them.
        lease: how long sending and recording may take.
    """
    moment, key = db.now(), _key(outbox)
    due = (
        select(outbox)
        .where(outbox.due_at <= moment, *where)
        .order_by(outbox.due_at, key)
        .limit(most)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return [
        Claim(row, row.attempts + 1)
        for row in session.scalars(due).all()
        if _take(session, outbox, row, moment + lease)
    ]


def _take(session: Session, outbox: Model, row: Row, until: datetime) -> bool:
    """Claim a row; return False if another worker was faster, because SQLite has no row locks."""
    same = (_key(outbox) == getattr(row, _key(outbox).key), outbox.due_at == row.due_at)
    taken = update(outbox).where(*same).values(due_at=until, attempts=outbox.attempts + 1)
    return db.execute_bulk(session, taken) == 1


def finish(
    session: Session, outbox: Model, key: str, *where: ColumnElement[bool], **values: SqlValue
) -> bool:
    """Record a success; return whether there is such a row.

    A success counts even if the lease has ended and another worker has begun an attempt.

    Args:
        session: its own transaction.
        outbox: the outbox's model.
        key: the row's primary key.
        where: which rows a success may still change, such as those without an earlier success.
        values: further columns to set.
    """
    done = update(outbox).where(_key(outbox) == key, *where).values(due_at=None, **values)
    return db.execute_bulk(session, done) == 1


def remove(session: Session, outbox: Model, key: str) -> None:
    """Delete a row that is done or given up, from an outbox that keeps no history."""
    db.execute_bulk(session, delete(outbox).where(_key(outbox) == key))


def postpone(
    session: Session, outbox: Model, key: str, attempt: int, due_at: datetime | None, **values: SqlValue
) -> bool:
    """Record a failed attempt; return False if the row is done, or another worker has begun the next attempt.

    Args:
        session: a transaction of its own.
        outbox: the outbox's model.
        key: the row's primary key.
        attempt: the number of the attempt that has failed.
        due_at: when the next attempt is due; None to give the row up.
        values: further columns to set.
    """
    own = (_key(outbox) == key, outbox.attempts == attempt, outbox.due_at.is_not(None))
    return db.execute_bulk(session, update(outbox).where(*own).values(due_at=due_at, **values)) == 1


def _key(outbox: Model) -> Model:
    (column,) = inspect(outbox).primary_key
    return getattr(outbox, column.key)
