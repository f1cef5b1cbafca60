"""Starts a backfill's next runs, a few in each round."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.airflow_compat.types import Dag, PlannedRun, Timetable
from airflow_platform_plugin.runs import actions
from airflow_platform_plugin.runs.backfill import transitions
from airflow_platform_plugin.runs.backfill.dates import PAGE, Anchor, Window, anchor, page, walk
from airflow_platform_plugin.runs.backfill.decisions import dag_bag
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun

# In one round of one backfill, so that no transaction is long and every backfill has its turn.
_MOST_DATES = 50
_MOST_STARTED = 10
_MOST_PAGES = 5


def start_runs(session: Session, backfill: Backfill, dag: Dag, room: int) -> int:
    """Start runs of the next dates, at most ``room``; return how many dates were handled."""
    window = Window(backfill.start_date, backfill.end_date, due=backfill.created_at)
    if backfill.run_backwards and backfill.total_is_estimate:
        return _measure(backfill, dag.timetable, window)
    room, handled = min(room, _MOST_STARTED), 0
    dates = (_backwards if backfill.run_backwards else _forwards)(backfill, dag.timetable, window)
    while room > 0 and handled < _MOST_DATES:
        info = next(dates, None)
        if info is None:
            backfill.anchors, backfill.total_is_estimate = [], False
            backfill.total = backfill.created + backfill.cleared + backfill.skipped
            return handled + 1
        room -= _start(session, backfill, dag, info)
        backfill.position = info.logical_date
        if not backfill.run_backwards:
            backfill.anchors = [anchor(info)]
        handled += 1
    return handled


def _forwards(backfill: Backfill, timetable: Timetable, window: Window) -> Iterator[PlannedRun]:
    yield from walk(timetable, window, backfill.anchors[-1])


def _backwards(backfill: Backfill, timetable: Timetable, window: Window) -> Iterator[PlannedRun]:
    while backfill.anchors:
        for info in reversed(page(timetable, window, backfill.anchors[-1])):
            if backfill.position is None or info.logical_date < backfill.position:
                yield info
        backfill.anchors = backfill.anchors[:-1]


def _measure(backfill: Backfill, timetable: Timetable, window: Window) -> int:
    """Find where the next pages begin. A timetable computes a date only from the one before."""
    anchors: list[Anchor] = list(backfill.anchors)
    for _ in range(_MOST_PAGES):
        found = page(timetable, window, anchors[-1])
        if len(found) < PAGE:
            backfill.total = (len(anchors) - 1) * PAGE + len(found)
            backfill.total_is_estimate = False
            break
        anchors.append(anchor(found[-1]))
    backfill.anchors = anchors
    return 1


def _start(session: Session, backfill: Backfill, dag: Dag, info: PlannedRun) -> int:
    """Create, clear or leave the run of a date; return how much room that takes."""
    same_date = airflow_compat.runs.logical_date() == info.logical_date
    existing = session.scalar(select(DagRun).where(DagRun.dag_id == backfill.dag_id, same_date))
    run_id = transitions.run_id(backfill, info.logical_date) if existing is None else existing.run_id
    match transitions.action(backfill, None if existing is None else str(existing.state)):
        case "create":
            airflow_compat.runs.create_run(
                session,
                dag,
                run_id=run_id,
                logical_date=info.logical_date,
                data_interval=info.data_interval,
                conf=dict(backfill.conf),
                dag_hash=dag_bag().dags_hash.get(backfill.dag_id),
                # As the scheduler does: templates and LatestOnlyOperator depend on it.
                triggered=False,
            )
            backfill.created += 1
        case "clear" if actions.clear(session, dag, existing):
            if backfill.conf:
                existing.conf = dict(backfill.conf)
            backfill.cleared += 1
        case _:
            backfill.skipped += 1
            return 0
    session.add(BackfillRun(backfill_id=backfill.backfill_id, run_id=run_id))
    backfill.running += 1
    return 1
