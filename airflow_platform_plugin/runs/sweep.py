"""The sweep: events for changes that no listener saw, such as marks in the UI, skips and crashes.

It creates the same events as the listeners, with the same ids, so finding one twice changes nothing. Its cost
depends on active and new runs, never on the history: runs are found by their state (which Airflow indexes),
by their key, or among the newest ids, and at most ``_MOST`` of a kind at once.

A change before ``events.horizon`` is history and creates no event: it is older than the plugin or the
retention. If the sweep itself sees a run begin or end, that happens now, whatever the run's dates say.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagRun, Log, TaskInstance
from airflow_platform_plugin.airflow_compat.types import DagRunRow, Model
from airflow_platform_plugin.core import dag_ownership, db, events, new_events
from airflow_platform_plugin.core.cursors import Cursor
from airflow_platform_plugin.core.events import NewEvent
from airflow_platform_plugin.runs.models import ObservedRun
from airflow_platform_plugin.runs.run_events import (
    conf_as_json,
    dag_run_event,
    task_instance_event,
    unreadable_conf,
)

log = logging.getLogger(__name__)

# Ids are given out before they are committed, so a lower one may appear after a higher one: each round
# looks this far back.
OVERLAP = 100
_UNFINISHED = ("queued", "running")
_BATCH = 500
_MOST = 1000


def sweep() -> int:
    """Run one round; return the number of events that it stored."""
    with db.transaction() as session:
        return sweep_in(session)


def sweep_in(session: Session) -> int:
    """Run one round in the caller's transaction."""
    horizon = events.horizon(session)
    is_first = session.get(Cursor, "dag_run") is None
    begun, ended = _begun(session), _ended(session)
    runs = {run.id: run for run in _runs(session, DagRun.state == "running")}
    for some in (_by_id(session, ended), _new(session), _named_in_audit_log(session)):
        runs |= {run.id: run for run in some}

    # The first round does not know which runs were unfinished before.
    witnessed = ended if is_first else ended | begun
    found = _run_events(session, runs.values(), witnessed, horizon)
    found += [event for event in _task_events(session, runs.values()) if event.occurred_at >= horizon]
    added = _record(session, _with_tenants(session, events.find_absent(session.connection(), found)))

    for start in range(0, len(ended), _BATCH):
        part = sorted(ended)[start : start + _BATCH]
        session.execute(delete(ObservedRun).where(ObservedRun.dag_run_id.in_(part)))
    rows = [{"dag_run_id": id_} for id_ in sorted(begun)]
    db.insert_absent(session.connection(), ObservedRun.__table__, rows)
    return added


# --- which runs ---


def _begun(session: Session) -> set[int]:
    """Return the ids of unfinished runs not observed yet. Only ids, because thousands may be queued."""
    observed = select(ObservedRun.dag_run_id).where(ObservedRun.dag_run_id == DagRun.id)
    begun = select(DagRun.id).where(DagRun.state.in_(_UNFINISHED), ~observed.exists())
    return set(session.scalars(begun.order_by(DagRun.id).limit(_MOST)))


def _ended(session: Session) -> set[int]:
    """Return the ids of observed runs that are not unfinished any more; also of deleted ones."""
    gone = or_(DagRun.id.is_(None), DagRun.state.not_in(_UNFINISHED), DagRun.state.is_(None))
    ended = select(ObservedRun.dag_run_id).outerjoin(DagRun, DagRun.id == ObservedRun.dag_run_id).where(gone)
    return set(session.scalars(ended.order_by(ObservedRun.dag_run_id).limit(_MOST)))


def _runs(session: Session, condition: ColumnElement[bool]) -> list[DagRunRow]:
    # Columns, not objects: Airflow's mappings would also load the tasks, the notes and more. Not the conf,
    # which Airflow pickles: if one cannot be read, none of the rows could be.
    columns = airflow_compat.runs.run_columns()
    return list(session.execute(select(*columns).where(condition).order_by(DagRun.id)))


def _by_id(session: Session, ids: set[int]) -> Iterator[DagRunRow]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _BATCH):
        yield from _runs(session, DagRun.id.in_(ordered[start : start + _BATCH]))


def _new(session: Session) -> list[DagRunRow]:
    """Return the runs since the last round. One may have begun and ended in between."""
    last, until = _advance(session, "dag_run", DagRun.id)
    return _runs(session, and_(DagRun.id > last - OVERLAP, DagRun.id <= until))


def _named_in_audit_log(session: Session) -> list[DagRunRow]:
    """Return the runs in new rows of the audit log: a finished run may have got another mark."""
    last, until = _advance(session, "log", Log.id)
    rows = session.execute(
        select(Log.dag_id, Log.run_id, Log.extra).where(
            Log.id > last - OVERLAP, Log.id <= until, Log.dag_id.is_not(None)
        )
    )
    keys = {(row.dag_id, run_id) for row in rows if (run_id := row.run_id or _run_id(row.extra))}
    return [run for condition in _named(DagRun, keys) for run in _runs(session, condition)]


def _named(model: Model, keys: set[tuple[str, str]]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions that select the runs with those keys; several, because SQLite limits an expression."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), _BATCH):
        yield or_(
            *(
                and_(model.dag_id == dag_id, model.run_id == run_id)
                for dag_id, run_id in ordered[start : start + _BATCH]
            )
        )


def _run_id(extra: str | None) -> str | None:
    """Return the run id in an audit row's JSON, under the names that the UI and the REST API use."""
    try:
        document = json.loads(extra or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = document.get("dag_run_id") or document.get("run_id")
    return found if isinstance(found, str) else None


def _advance(session: Session, name: str, column: ColumnElement[int]) -> tuple[int, int]:
    """Return the position before this round, and the id up to which it reads: not too many rows at once.

    A new cursor starts ahead by the overlap, so that history from before the plugin creates no events.
    """
    highest = int(session.scalar(select(func.max(column))) or 0)
    cursor = session.get(Cursor, name)
    if cursor is None:
        session.add(Cursor(name=name, position=highest + OVERLAP))
        return highest + OVERLAP, highest + OVERLAP
    before = until = int(cursor.position)
    # Back only if ids have started again: SQLite reuses the highest ones after their rows were deleted.
    if highest > before or highest < before - OVERLAP:
        until = highest
        if highest > before + _MOST:
            beyond = select(column).where(column > before).order_by(column).offset(_MOST - 1).limit(1)
            until = int(session.scalar(beyond) or highest)
        cursor.position = until
    return before, max(before, until)


# --- their events ---


def _run_events(
    session: Session, runs: Iterable[DagRunRow], witnessed: set[int], horizon: datetime
) -> list[NewEvent]:
    """Return the events of the runs' states that are not stored yet and not history."""
    ids: dict[str, int] = {}
    found = []
    for run in runs:
        event = dag_run_event(run, {})
        if event is not None and run.id in witnessed:
            event = new_events.redate_expired(event)
        if event is not None and event.occurred_at >= horizon:
            ids[event.id] = run.id
            found.append(event)
    return [
        replace(event, data=_with_conf(session, event.data, ids[event.id]))
        for event in events.find_absent(session.connection(), found)
    ]


def _with_conf(session: Session, data: dict[str, Any], dag_run_id: int) -> dict[str, Any]:
    """Return the event's data with the run's conf, which is read alone: anything may be pickled in it."""
    try:
        conf = session.scalar(select(DagRun.conf).where(DagRun.id == dag_run_id))
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - unpickling runs the code of arbitrary classes
        return data | unreadable_conf(type(error).__name__)
    return data | conf_as_json(conf or {})


def _task_events(session: Session, runs: Iterable[DagRunRow]) -> list[NewEvent]:
    """Return the events of the runs' task instances that have changed since shortly before the last round."""
    since = _since(session)
    columns = (
        TaskInstance.dag_id,
        TaskInstance.run_id,
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.try_number,
        TaskInstance.max_tries,
        TaskInstance.start_date,
        TaskInstance.end_date,
        TaskInstance.operator,
    )
    changed = select(*columns).where(TaskInstance.end_date.is_not(None), TaskInstance.updated_at >= since)
    found = []
    for condition in _named(TaskInstance, {(run.dag_id, run.run_id) for run in runs}):
        rows = session.execute(changed.where(condition))
        found += [event for task in rows if (event := task_instance_event(task))]
    return found


def _with_tenants(session: Session, found: list[NewEvent]) -> list[NewEvent]:
    """Return the events with the tenants of their DAGs."""
    owners = dag_ownership.owners(session, {event.data["dag_id"] for event in found})
    return [replace(event, tenant_id=owners.get(event.data["dag_id"])) for event in found]


def _record(session: Session, found: list[NewEvent]) -> int:
    """Store the events. If the database refuses one, store the others, and that one without its conf."""
    if not found:
        return 0
    try:
        with db.savepoint(session):
            return events.record(session.connection(), found)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
    added = 0
    for event in found:
        without_conf = replace(event, data=event.data | unreadable_conf("the database refuses it"))
        for tried in (event, without_conf):
            try:
                with db.savepoint(session):
                    added += events.record(session.connection(), [tried])
                break
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise
                log.warning("The event %s cannot be stored: %s", event.id, type(error.orig).__name__)
    return added


def _since(session: Session) -> datetime:
    """Return a minute before the last round, or before this one if it is the first."""
    minute = int(time.time()) // 60 * 60
    cursor = session.get(Cursor, "task_instance")
    before = minute if cursor is None else int(cursor.position)
    if cursor is None:
        session.add(Cursor(name="task_instance", position=minute))
    elif before != minute:  # once a minute, so that a quiet round writes nothing
        cursor.position = minute
    return datetime.fromtimestamp(before - 60, tz=timezone.utc)
