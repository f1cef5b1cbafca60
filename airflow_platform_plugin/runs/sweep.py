"""The sweep: events for transitions that no listener saw, such as marks in the UI, skips and crashes.

It makes the same events as the listeners, with the same ids, so finding one twice changes nothing. Its
cost is that of what is unfinished or new, never that of the history: runs are looked up by their state
(which Airflow indexes), by their key, or among the newest ids.
"""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import db, events
from airflow_platform_plugin.airflow_compat import DagRun, Log, TaskInstance
from airflow_platform_plugin.runs.models import Cursor, ObservedRun
from airflow_platform_plugin.runs.observe import dag_run_event, task_instance_event

# Ids are given out before they are committed, so a lower one may appear after a higher one: each round
# looks this far back.
OVERLAP = 100
_UNFINISHED = ("queued", "running")
_BATCH = 500


def sweep() -> int:
    """One round; returns how many events it added."""
    with db.transaction() as session:
        return sweep_in(session)


def sweep_in(session: Session) -> int:
    """One round in the caller's transaction."""
    observed = set(session.scalars(select(ObservedRun.dag_run_id)))
    unfinished = _runs(session, DagRun.state.in_(_UNFINISHED))
    ended = observed - {run.id for run in unfinished}
    touched = unfinished + _by_id(session, ended) + _new(session) + _named_in_audit_log(session)

    found = [event for run in touched if (event := dag_run_event(run))]
    found += _task_events(session, touched)
    added = events.record(session.connection(), found)

    if ended:
        session.execute(delete(ObservedRun).where(ObservedRun.dag_run_id.in_(ended)))
    rows = [{"dag_run_id": run.id} for run in unfinished if run.id not in observed]
    db.insert_absent(session.connection(), ObservedRun.__table__, rows)
    return added


def _runs(session: Session, condition: Any) -> list[Any]:  # noqa: ANN401 - an SQL expression
    # Columns, not objects: Airflow's mappings would load the tasks, the notes and more beside them.
    columns = (
        DagRun.id,
        DagRun.dag_id,
        DagRun.run_id,
        DagRun.state,
        DagRun.execution_date,
        DagRun.start_date,
        DagRun.end_date,
        DagRun.conf,
        DagRun.external_trigger,
    )
    return list(session.execute(select(*columns).where(condition)))


def _by_id(session: Session, ids: set[int]) -> list[Any]:
    return _runs(session, DagRun.id.in_(ids)) if ids else []


def _new(session: Session) -> list[Any]:
    """Runs since the last round: one may have begun and ended in between."""
    last = _advance(session, "dag_run", DagRun.id)
    return _runs(session, DagRun.id > last - OVERLAP)


def _named_in_audit_log(session: Session) -> list[Any]:
    """Runs that a person or program touched: a finished one may have been marked otherwise."""
    last = _advance(session, "log", Log.id)
    rows = session.execute(
        select(Log.dag_id, Log.run_id, Log.extra).where(Log.id > last - OVERLAP, Log.dag_id.is_not(None))
    )
    keys = {(row.dag_id, run_id) for row in rows if (run_id := row.run_id or _run_id(row.extra))}
    return [run for condition in _named(DagRun, keys) for run in _runs(session, condition)]


def _named(model: Any, keys: set[tuple[str, str]]) -> Iterator[Any]:  # noqa: ANN401 - a model with dag_id and run_id
    """Conditions that those runs alone fulfil; several, for SQLite reads none of a thousand parts."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), _BATCH):
        yield or_(
            *(
                and_(model.dag_id == dag_id, model.run_id == run_id)
                for dag_id, run_id in ordered[start : start + _BATCH]
            )
        )


def _run_id(extra: str | None) -> str | None:
    """The run that an audit row's JSON names, under the names that the UI and the REST API use."""
    try:
        document = json.loads(extra or "")
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    found = document.get("dag_run_id") or document.get("run_id")
    return found if isinstance(found, str) else None


def _advance(session: Session, name: str, column: Any) -> int:  # noqa: ANN401 - a column
    """The position before this round, moved on to the table's highest id.

    A new cursor starts ahead by the overlap, so that history from before the plugin is not told.
    """
    highest = int(session.scalar(select(func.max(column))) or 0)
    cursor = session.get(Cursor, name)
    if cursor is None:
        session.add(Cursor(name=name, position=highest + OVERLAP))
        return highest + OVERLAP
    before = int(cursor.position)
    # Back only where ids began anew: SQLite gives the highest ones again once their rows are deleted.
    if highest > before or highest < before - OVERLAP:
        cursor.position = highest
    return before


def _task_events(session: Session, runs: Iterable[Any]) -> list[events.NewEvent]:
    """Events of the runs' task instances that changed lately."""
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


def _since(session: Session) -> datetime:
    """A minute before the last round, or before this one where there was none."""
    minute = int(time.time()) // 60 * 60
    cursor = session.get(Cursor, "task_instance")
    before = minute if cursor is None else int(cursor.position)
    if cursor is None:
        session.add(Cursor(name="task_instance", position=minute))
    elif before != minute:  # once a minute, so that a quiet round writes nothing
        cursor.position = minute
    return datetime.fromtimestamp(before - 60, tz=timezone.utc)
