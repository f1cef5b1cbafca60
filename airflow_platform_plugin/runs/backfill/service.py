"""Backfills: asked for, found, paused, resumed, cancelled. ``advance`` is what carries them out."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import Any

import pendulum
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.core import db, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.runs import actions, dag_lookup
from airflow_platform_plugin.runs.backfill.dates import PAGE, Window, anchor, estimate, walk
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun, State

# Looked at when a backfill is asked for, to refuse what has no dates and to estimate how many it has.
SAMPLE = 100
MOST_RUNS = 100_000
_UNSYNCHRONIZED = {"synchronize_session": False}


def create(
    session: Session,
    bag: Any,  # noqa: ANN401 - Airflow's DagBag
    dag_id: str,
    fields: dict[str, Any],
    *,
    by: str,
) -> Backfill:
    """Ask for runs of a range of dates. With ``dry_run`` nothing is kept, and the answer has no id.

    The answer's ``first_runs`` are the earliest dates, with what is to be done.

    Raises:
        NotFound: there is no such DAG.
        Conflict: the DAG has no schedule to take dates from, or its tasks depend on the past and it is to
            run backwards, or another backfill is at work on some of the dates.
        ValidationFailed: the range has no dates or too many, or the conf does not fit the DAG's params.
    """
    dry_run = fields.pop("dry_run")
    dag = dag_lookup.get_runnable_dag(session, bag, dag_id)
    in_order = _require_fit(dag, backwards=fields["run_backwards"])
    actions.check_conf(dag, fields["conf"], "conf")
    window = _window(dag, fields.pop("start_date"), fields.pop("end_date"))
    found = _sample(dag, window)
    complete = len(found) < SAMPLE
    total = len(found) if complete else estimate(found, window)
    if total > MOST_RUNS:
        raise ValidationFailed.of("end_date", message=f"makes about {total} runs of at most {MOST_RUNS}")
    fields["max_active_runs"] = fields["max_active_runs"] or dag.max_active_runs
    backfill = Backfill(
        **fields,
        dag_id=dag_id,
        start_date=window.start,
        end_date=window.end,
        in_order=in_order,
        state=State.RUNNING.value,
        anchors=_anchors(found) if fields["run_backwards"] else [None],
        total=total,
        total_is_estimate=not complete,
        created_at=window.due,
        created_by=by,
        created=0, cleared=0, skipped=0, running=0, success=0, failed=0,
    )  # fmt: skip
    if not dry_run:
        _require_alone(session, backfill)
        session.add(backfill)
        session.flush()
    backfill.first_runs = _plan(session, backfill, found)
    return backfill


def get(session: Session, backfill_id: str) -> Backfill:
    """The backfill of that id.

    Raises:
        NotFound: there is none.
    """
    backfill: Backfill | None = session.get(Backfill, backfill_id)
    if backfill is None:
        raise NotFound(f"Backfill '{backfill_id}' not found", backfill_id=backfill_id)
    return backfill


def page(  # noqa: PLR0913 - the list's own parameters
    session: Session,
    readable: Collection[str] | None,
    *,
    limit: int,
    offset: int,
    dag_id: str | None = None,
    state: str | None = None,
    order_by: str | None = None,
) -> pagination.Page:
    """Backfills of the ``readable`` DAGs, None for all, the newest first."""
    wanted = select(Backfill).order_by(Backfill.created_at.desc())
    if readable is not None:
        wanted = wanted.where(Backfill.dag_id.in_(readable))
    if dag_id is not None:
        wanted = wanted.where(Backfill.dag_id == dag_id)
    if state is not None:
        wanted = wanted.where(Backfill.state == state)
    return pagination.fetch(session, wanted, pagination.Query(limit=limit, offset=offset, order_by=order_by))


def pause(session: Session, backfill_id: str) -> Backfill:
    """Make no further runs until it is resumed; what is queued or running goes on.

    Raises:
        Conflict: it is not running.
    """
    return _turn(session, backfill_id, {State.RUNNING}, State.PAUSED)


def resume(session: Session, backfill_id: str) -> Backfill:
    """Go on with a paused backfill.

    Raises:
        Conflict: it is not paused.
    """
    return _turn(session, backfill_id, {State.PAUSED}, State.RUNNING)


def cancel(session: Session, backfill_id: str) -> Backfill:
    """Make no further runs, and take back those that have not started; what is running goes on.

    Raises:
        Conflict: it has ended.
    """
    backfill = _turn(session, backfill_id, {State.RUNNING, State.PAUSED}, State.CANCELLED)
    run_ids = list(session.scalars(select(BackfillRun.run_id).where(BackfillRun.backfill_id == backfill_id)))
    if run_ids:
        gone = actions.withdraw(session, str(backfill.dag_id), run_ids, made_by=run_id_prefix(backfill))
        backfill.created -= len(gone)
        forget(session, backfill, gone)
        session.flush()
    return backfill


def forget(session: Session, backfill: Backfill, run_ids: Collection[str]) -> None:
    """Those of a backfill's runs are not active any more."""
    these = (BackfillRun.backfill_id == backfill.backfill_id, BackfillRun.run_id.in_(run_ids))
    session.execute(delete(BackfillRun).where(*these), execution_options=_UNSYNCHRONIZED)
    backfill.running -= len(run_ids)


def lock(session: Session, backfill_id: str) -> Backfill:
    """The backfill as it is now, for this transaction alone: a worker and a request may want it at once.

    An UPDATE rather than FOR UPDATE, which SQLite has not; there it takes the lock on the database.

    Raises:
        NotFound: there is none.
    """
    itself = update(Backfill).where(Backfill.backfill_id == backfill_id).values(backfill_id=backfill_id)
    session.execute(itself, execution_options=_UNSYNCHRONIZED)
    session.expire_all()
    return get(session, backfill_id)


def run_id_prefix(backfill: Backfill) -> str:
    """How the ids of the runs begin that a backfill makes.

    Not with ``backfill__``, which Airflow keeps for runs that no scheduler looks at.
    """
    return f"{backfill.backfill_id}__"


def run_id(backfill: Backfill, logical_date: datetime) -> str:
    """The id of the run that a backfill makes for a date, always the same."""
    return run_id_prefix(backfill) + pendulum.instance(logical_date).in_timezone("UTC").isoformat()


def action(backfill: Backfill, existing_state: str | None) -> str:
    """What to do about a date: ``create`` its run, ``clear`` the one that is there, or ``skip`` it."""
    if existing_state is None:
        return "create"
    again = {"none": (), "failed": ("failed",), "all": ("failed", "success")}[str(backfill.reprocess)]
    return "clear" if existing_state in again else "skip"


def _turn(session: Session, backfill_id: str, before: set[State], after: State) -> Backfill:
    backfill = lock(session, backfill_id)
    if backfill.state not in {state.value for state in before}:
        raise Conflict(
            f"Backfill '{backfill_id}' is {backfill.state}.", backfill_id=backfill_id, state=backfill.state
        )
    backfill.state, backfill.message = after.value, None
    backfill.ended_at = db.now() if after is State.CANCELLED else None
    session.flush()
    return backfill


def _require_fit(dag: Any, *, backwards: bool) -> bool:  # noqa: ANN401 - Airflow's DAG
    """Refuse a DAG that cannot be backfilled so; tell whether its runs must come one after the other."""
    if not dag.timetable.periodic:
        raise Conflict(
            f"DAG '{dag.dag_id}' has no schedule that its dates could follow: {dag.timetable.summary}.",
            dag_id=dag.dag_id,
        )
    dependent = sorted(task.task_id for task in dag.tasks if task.depends_on_past)
    if dependent and backwards:
        raise Conflict(
            f"Tasks of DAG '{dag.dag_id}' depend on the past, so it cannot run backwards: "
            f"{', '.join(dependent)}.",
            dag_id=dag.dag_id,
            tasks=dependent,
        )
    return bool(dependent)


def _window(dag: Any, start: date | datetime, end: date | datetime) -> Window:  # noqa: ANN401 - Airflow's DAG
    now = db.now()
    first, last = _moment(dag, start), _moment(dag, end)
    if last < first:
        raise ValidationFailed.of("end_date", message="must not be before start_date")
    bounds = [last, now] if dag.end_date is None else [last, now, dag.end_date]
    return Window(first, max(first, min(bounds)), due=now)


def _moment(dag: Any, given: date | datetime) -> datetime:  # noqa: ANN401 - Airflow's DAG
    """A moment; what says no time is midnight, and what says no zone is in the DAG's."""
    moment = given if isinstance(given, datetime) else datetime.combine(given, time())
    if moment.tzinfo is None:
        moment = pendulum.instance(moment, tz=dag.timezone)
    return pendulum.instance(moment).in_timezone("UTC")


def _sample(dag: Any, window: Window) -> list[Any]:  # noqa: ANN401 - Airflow's DAG
    try:
        found = list(islice(walk(dag.timetable, window), SAMPLE))
    except Exception as error:
        raise Conflict(
            f"The timetable of DAG '{dag.dag_id}' fails: {type(error).__name__}.", dag_id=dag.dag_id
        ) from error
    if not found:
        raise ValidationFailed.of(
            "start_date", message=f"no run of the schedule {dag.timetable.summary!r} is due up to end_date"
        )
    return found


def _anchors(found: Sequence[Any]) -> list[Any]:
    """Where each page of the sample begins, for going backwards; ``advance`` finds those behind it."""
    return [None] + [anchor(found[index - 1]) for index in range(PAGE, len(found) + 1, PAGE)]


def _require_alone(session: Session, backfill: Backfill) -> None:
    other = session.scalar(
        select(Backfill.backfill_id).where(
            Backfill.dag_id == backfill.dag_id,
            Backfill.state.in_([State.RUNNING.value, State.PAUSED.value]),
            Backfill.start_date <= backfill.end_date,
            Backfill.end_date >= backfill.start_date,
        )
    )
    if other is not None:
        raise Conflict(f"Backfill '{other}' is at work on some of these dates.", backfill_id=other)


def _plan(session: Session, backfill: Backfill, found: Sequence[Any]) -> list[dict[str, Any]]:
    """What is to be done about each of the dates as things are now."""
    days = [info.logical_date for info in found]
    logical_date = airflow_compat.runs.logical_date()
    existing = {
        row.logical_date: row
        for row in session.execute(
            select(logical_date.label("logical_date"), DagRun.run_id, DagRun.state).where(
                DagRun.dag_id == backfill.dag_id, logical_date.in_(days)
            )
        )
    }
    rows = ((info, existing.get(info.logical_date)) for info in found)
    return [
        {
            "logical_date": info.logical_date,
            "data_interval_start": info.data_interval.start,
            "data_interval_end": info.data_interval.end,
            "action": action(backfill, row.state if row else None),
            "dag_run_id": row.run_id if row else None,
        }
        for info, row in rows
    ]
