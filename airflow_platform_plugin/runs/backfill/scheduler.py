"""The worker's step: each backfill that is at work a little further.

Runs are made a few at a time, as many as may be active at once, so neither the scheduler nor this step
knows how long the range is. A run and the backfill's place in the range are written in one transaction,
and the run's id follows from its date, so whoever dies leaves nothing behind that is made twice.
"""

import logging
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun
from airflow_platform_plugin.core import db
from airflow_platform_plugin.runs import actions
from airflow_platform_plugin.runs.backfill import service
from airflow_platform_plugin.runs.backfill.dates import PAGE, Anchor, Window, anchor, page, walk
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun, State

log = logging.getLogger(__name__)

# In one round of one backfill, so that no transaction is long and every backfill has its turn.
_MOST_DATES = 50
_MOST_STARTED = 10
_MOST_PAGES = 5


class Decision(NamedTuple):
    """What there is to do for a backfill.

    Attributes:
        ended: its runs that are no longer active, with their state, or None for a run that is gone.
        dag: its DAG, where runs can be made of it.
        room: how many runs may be started.
        message: why none may, where that is worth telling.
        end: in which state the backfill ends, if it does.
    """

    ended: dict[str, str | None]
    dag: Any = None
    room: int = 0
    message: str | None = None
    end: State | None = None


@cache
def _bag() -> Any:  # noqa: ANN401 - Airflow's DagBag
    return airflow_compat.dags.database_dagbag()


def advance() -> int:
    """One round of each backfill at work, and of each whose last runs have not ended; how much was done."""
    at_work = or_(Backfill.state == State.RUNNING.value, Backfill.running > 0)
    with db.transaction() as session:
        found = select(Backfill.backfill_id).where(at_work).order_by(Backfill.created_at)
        ids = list(session.scalars(found))
    if not ids:
        _bag.cache_clear()
    return sum(_advance_safely(backfill_id) for backfill_id in ids)


def _advance_safely(backfill_id: str) -> int:
    """A round of one backfill. Whatever goes wrong, the others have their turn too."""
    try:
        return _advance(backfill_id)
    except Exception:
        log.exception("Backfill %s could not go on and will be tried again", backfill_id)
        return 0


def _advance(backfill_id: str) -> int:
    try:
        # Looked at without the lock first: a round that finds nothing to do writes nothing.
        with db.transaction() as session:
            backfill = service.get(session, backfill_id)
            if not _has_changes(backfill, assess(session, backfill)):
                return 0
        with db.transaction() as session:
            backfill = service.lock(session, backfill_id)
            return _apply(session, backfill, assess(session, backfill))
    except IntegrityError:
        log.info("A run of backfill %s was made by somebody else at the same moment", backfill_id)
        return 0
    except (DBAPIError, SQLAlchemyTimeout, StaleDataError):
        raise  # the database is away or busy: for the next round, not the end of a backfill
    except Exception as error:
        log.exception("Backfill %s cannot go on", backfill_id)
        with db.transaction() as session:
            _end(service.lock(session, backfill_id), State.FAILED, f"{type(error).__name__}: {error}")
        return 1


def assess(session: Session, backfill: Backfill) -> Decision:
    """What there is to do; reads what is active, whatever the length of range and history."""
    states = _states(session, backfill)
    awaited = set(actions.UNFINISHED)
    if _blocked_by_failure(backfill):
        awaited.add("failed")
    ended = {run_id: state for run_id, state in states.items() if state not in awaited}
    active = len(states) - len(ended)
    if backfill.state != State.RUNNING.value:
        return Decision(ended, message=backfill.message)
    if not backfill.anchors:
        return _last(backfill, ended) if not active else Decision(ended)
    model = _model(session, backfill)
    if model is None:
        return Decision(ended, end=State.FAILED, message="The DAG was deleted.")
    dag = _bag().get_dag(backfill.dag_id, session=session)
    message = _obstacle(session, backfill, model, dag, states)
    if message is not None:
        return Decision(ended, message=message)
    limit = 1 if backfill.in_order else backfill.max_active_runs
    left = model.max_active_runs - _count_active(session, backfill)
    if left <= 0 and not active:
        message = f"The DAG has {model.max_active_runs} active runs, as many as it may."
    return Decision(ended, dag, max(0, min(limit - active, left)), message)


def _last(backfill: Backfill, ended: dict[str, str | None]) -> Decision:
    failed = backfill.failed + sum(state != "success" for state in ended.values())
    if failed:
        return Decision(ended, end=State.FAILED, message=f"Failed runs: {failed}.")
    return Decision(ended, end=State.COMPLETED)


def _has_changes(backfill: Backfill, outlook: Decision) -> bool:
    return bool(outlook.ended or outlook.room or outlook.end) or outlook.message != backfill.message


def _states(session: Session, backfill: Backfill) -> dict[str, str | None]:
    """The states of the backfill's runs that had not ended when last seen; None for one that is gone."""
    if not backfill.running:
        return {}
    known = select(BackfillRun.run_id).where(BackfillRun.backfill_id == backfill.backfill_id)
    run_ids = list(session.scalars(known))
    rows = select(DagRun.run_id, DagRun.state).where(
        DagRun.dag_id == backfill.dag_id, DagRun.run_id.in_(run_ids)
    )
    states = {row.run_id: str(row.state) for row in session.execute(rows)}
    return {run_id: states.get(run_id) for run_id in run_ids}


def _blocked_by_failure(backfill: Backfill) -> bool:
    """Whether a run that has failed keeps those from being made that depend on it; somebody may clear it."""
    ended = backfill.state not in {State.RUNNING.value, State.PAUSED.value}
    return bool(backfill.in_order and backfill.anchors and not ended)


def _model(session: Session, backfill: Backfill) -> Any:  # noqa: ANN401 - a row, or None
    columns = (
        DagModel.is_active,
        DagModel.is_paused,
        DagModel.has_import_errors,
        DagModel.max_active_runs,
        DagModel.next_dagrun,
        DagModel.next_dagrun_data_interval_end,
        DagModel.next_dagrun_create_after,
    )
    return session.execute(select(*columns).where(DagModel.dag_id == backfill.dag_id)).first()


def _obstacle(
    session: Session,
    backfill: Backfill,
    model: Any,  # noqa: ANN401 - a row
    dag: Any,  # noqa: ANN401 - Airflow's DAG
    states: dict[str, str | None],
) -> str | None:
    """Why no run can be made now, in words for whoever asks."""
    if not model.is_active or model.has_import_errors or dag is None:
        return "The DAG's file is gone or cannot be imported."
    if model.is_paused:
        return "The DAG is paused: Airflow starts none of its runs."
    failed = next((run_id for run_id, state in states.items() if state == "failed"), None)
    if failed is not None and backfill.in_order:
        return f"Run '{failed}' has failed, and tasks depend on the past: clear it to go on."
    if _schedule_waits(session, backfill, model):
        return "A run of the DAG's own schedule is due and goes first."
    return None


def _schedule_waits(session: Session, backfill: Backfill, model: Any) -> bool:  # noqa: ANN401 - a row
    """Whether a scheduled run is due that Airflow has put off because the DAG had enough active runs.

    Airflow makes it once the DAG's file was parsed while there was room. A backfill that took each place
    as it fell free would keep it waiting until its own end.
    """
    if model.next_dagrun_create_after is not None or model.next_dagrun_data_interval_end is None:
        return False
    if model.next_dagrun_data_interval_end > db.now():
        return False
    made = select(DagRun.id).where(
        DagRun.dag_id == backfill.dag_id, airflow_compat.runs.logical_date() == model.next_dagrun
    )
    return session.scalar(made) is None


def _count_active(session: Session, backfill: Backfill) -> int:
    active = select(func.count()).where(
        DagRun.dag_id == backfill.dag_id, DagRun.state.in_(sorted(actions.UNFINISHED))
    )
    return int(session.scalar(active) or 0)


def _apply(session: Session, backfill: Backfill, outlook: Decision) -> int:
    if outlook.ended:
        service.forget(session, backfill, list(outlook.ended))
        succeeded = sum(state == "success" for state in outlook.ended.values())
        backfill.success += succeeded
        backfill.failed += len(outlook.ended) - succeeded
    backfill.message = outlook.message
    if outlook.end is not None:
        _end(backfill, outlook.end, outlook.message)
    elif outlook.room:
        return len(outlook.ended) + _start_runs(session, backfill, outlook.dag, outlook.room)
    return len(outlook.ended)


def _start_runs(session: Session, backfill: Backfill, dag: Any, room: int) -> int:  # noqa: ANN401 - Airflow's DAG
    """Start runs of the next dates, so far as there is room; returns how many dates were handled."""
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


def _forwards(backfill: Backfill, timetable: Any, window: Window) -> Iterator[Any]:  # noqa: ANN401 - Airflow's Timetable
    yield from walk(timetable, window, backfill.anchors[-1])


def _backwards(backfill: Backfill, timetable: Any, window: Window) -> Iterator[Any]:  # noqa: ANN401 - the same
    while backfill.anchors:
        for info in reversed(page(timetable, window, backfill.anchors[-1])):
            if backfill.position is None or info.logical_date < backfill.position:
                yield info
        backfill.anchors = backfill.anchors[:-1]


def _measure(backfill: Backfill, timetable: Any, window: Window) -> int:  # noqa: ANN401 - the same
    """Find out where the next pages begin: a timetable cannot tell a date from the one after."""
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


def _start(session: Session, backfill: Backfill, dag: Any, info: Any) -> int:  # noqa: ANN401 - Airflow's DAG and DagRunInfo
    """Make or clear the run of a date, or leave it; how much room that takes."""
    same_date = airflow_compat.runs.logical_date() == info.logical_date
    there = select(DagRun).where(DagRun.dag_id == backfill.dag_id, same_date)
    existing = session.scalar(there)
    run_id = service.run_id(backfill, info.logical_date) if existing is None else existing.run_id
    match service.action(backfill, None if existing is None else str(existing.state)):
        case "create":
            airflow_compat.runs.create_run(
                session,
                dag,
                run_id=run_id,
                logical_date=info.logical_date,
                data_interval=info.data_interval,
                conf=dict(backfill.conf),
                dag_hash=_bag().dags_hash.get(backfill.dag_id),
                # As the scheduler's own: templates and LatestOnlyOperator go by it.
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


def _end(backfill: Backfill, state: State, message: str | None) -> None:
    backfill.state, backfill.ended_at = state.value, db.now()
    backfill.message = None if message is None else message[:1000]
