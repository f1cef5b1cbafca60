"""Backfills: create, get, list, pause, resume and cancel. The worker's step ``scheduler`` carries them out.

Who may do something with a DAG's runs, by Airflow's own permissions, may do it with the DAG's backfills.
"""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.runs import actions, dag_lookup
from airflow_platform_plugin.runs.backfill import planning, transitions
from airflow_platform_plugin.runs.backfill.dates import estimate
from airflow_platform_plugin.runs.backfill.inputs import BackfillFilter, NewBackfill
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun, State

READ, WRITE = "dag_runs:read", "dag_runs:write"
MOST_RUNS = 100_000


def create(session: Session, dag_id: str, data: NewBackfill, *, by: Principal) -> Backfill:
    """Create runs of a DAG for a range of dates; the worker starts them.

    Returns:
        The backfill, whose ``first_runs`` are the earliest dates with what will be done. A dry run has no id.

    Raises:
        NotFound: the caller knows no such DAG.
        PermissionDenied: the caller may not create runs of it.
        Conflict: the DAG has no schedule to take dates from; its tasks depend on the past, and it is to run
            backwards; or another active backfill has some of the dates.
        ValidationFailed: the range has no dates or too many, or the conf does not fit the DAG's params.
    """
    by.require_dag(dag_id, "POST", "RUN")
    dag = dag_lookup.get_runnable_dag(session, airflow_compat.dags.webserver_dagbag(), dag_id)
    in_order = planning.require_order(dag, backwards=data.run_backwards)
    actions.check_conf(dag, data.conf, "conf")
    window = planning.window(dag, data.start_date, data.end_date)
    found = planning.sample(dag, window)
    complete = len(found) < planning.SAMPLE
    total = len(found) if complete else estimate(found, window)
    if total > MOST_RUNS:
        raise ValidationFailed.of("end_date", message=f"makes about {total} runs of at most {MOST_RUNS}")
    backfill = Backfill(
        dag_id=dag_id,
        start_date=window.start,
        end_date=window.end,
        conf=data.conf,
        max_active_runs=data.max_active_runs or dag.max_active_runs,
        reprocess=data.reprocess,
        run_backwards=data.run_backwards,
        in_order=in_order,
        state=State.RUNNING.value,
        anchors=planning.anchors(found) if data.run_backwards else [None],
        total=total,
        total_is_estimate=not complete,
        created_at=window.due,
        created_by=by.username,
        created=0, cleared=0, skipped=0, running=0, success=0, failed=0,
    )  # fmt: skip
    if not data.dry_run:
        _require_no_overlap(session, backfill)
        session.add(backfill)
        session.flush()
    backfill.first_runs = planning.first_runs(session, backfill, found)
    return backfill


def get(session: Session, backfill_id: str, *, by: Principal) -> Backfill:
    """Return a backfill of a DAG whose runs the caller may read.

    Raises:
        NotFound: it does not exist, or the caller may not read it.
    """
    return _authorized(transitions.find(session, backfill_id), "GET", by)


def get_writable(session: Session, backfill_id: str, *, by: Principal) -> Backfill:
    """Return a backfill of a DAG whose runs the caller may change, locked.

    Raises:
        NotFound: it does not exist, or the caller may not read it.
        PermissionDenied: the caller may not change runs of its DAG.
    """
    _authorized(transitions.find(session, backfill_id), "PUT", by)
    return transitions.lock(session, backfill_id)


def _authorized(backfill: Backfill, method: str, by: Principal) -> Backfill:
    try:
        by.require_dag(str(backfill.dag_id), method, "RUN")
    except NotFound as error:
        backfill_id = backfill.backfill_id
        raise NotFound(f"Backfill '{backfill_id}' not found", backfill_id=backfill_id) from error
    return backfill


def page(session: Session, query: BackfillFilter, *, by: Principal) -> pagination.Page:
    """Return a page of the backfills of DAGs whose runs the caller may read, by default the newest first."""
    rows = _wanted(query).where(by.reach_of_runs().where(Backfill.dag_id))
    return pagination.fetch(session, rows, query)


def page_of_dag(session: Session, dag_id: str, query: BackfillFilter, *, by: Principal) -> pagination.Page:
    """Return a page of a DAG's backfills, by default the newest first.

    Raises:
        NotFound: the caller knows no such DAG.
        PermissionDenied: the caller may not read its runs.
    """
    by.require_dag(dag_id, "GET", "RUN")
    return pagination.fetch(session, _wanted(replace(query, dag_id=dag_id)), query)


def _wanted(query: BackfillFilter) -> Select:
    wanted = select(Backfill).order_by(Backfill.created_at.desc())
    if query.dag_id is not None:
        wanted = wanted.where(Backfill.dag_id == query.dag_id)
    if query.state is not None:
        wanted = wanted.where(Backfill.state == query.state)
    return wanted


def pause(session: Session, backfill: Backfill) -> Backfill:
    """Create no further runs until the backfill is resumed; queued and running ones go on.

    Raises:
        Conflict: it is not running.
    """
    return _transition(session, backfill, {State.RUNNING}, State.PAUSED)


def resume(session: Session, backfill: Backfill) -> Backfill:
    """Continue a paused backfill.

    Raises:
        Conflict: it is not paused.
    """
    return _transition(session, backfill, {State.PAUSED}, State.RUNNING)


def cancel(session: Session, backfill: Backfill) -> Backfill:
    """Create no further runs, and withdraw those that have not started; running ones go on.

    Raises:
        Conflict: it has ended.
    """
    _transition(session, backfill, {State.RUNNING, State.PAUSED}, State.CANCELLED)
    tracked = select(BackfillRun.run_id).where(BackfillRun.backfill_id == backfill.backfill_id)
    run_ids = list(session.scalars(tracked))
    if run_ids:
        prefix = transitions.run_id_prefix(backfill)
        deleted = actions.withdraw(session, str(backfill.dag_id), run_ids, made_by=prefix)
        backfill.created -= len(deleted)
        transitions.forget_runs(session, backfill, deleted)
        session.flush()
    return backfill


def _transition(session: Session, backfill: Backfill, before: set[State], after: State) -> Backfill:
    if backfill.state not in {state.value for state in before}:
        raise Conflict(
            f"Backfill '{backfill.backfill_id}' is {backfill.state}.",
            backfill_id=backfill.backfill_id,
            state=backfill.state,
        )
    backfill.state, backfill.message = after.value, None
    backfill.ended_at = db.now() if after is State.CANCELLED else None
    session.flush()
    return backfill


def _require_no_overlap(session: Session, backfill: Backfill) -> None:
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
