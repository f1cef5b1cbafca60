"""How a backfill's row changes: what the service and the worker's step have in common."""

from collections.abc import Collection
from datetime import datetime

import pendulum
from sqlalchemy import delete
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import NotFound
from airflow_platform_plugin.runs.backfill.models import Backfill, BackfillRun, State

_CLEARED = {"none": (), "failed": ("failed",), "all": ("failed", "success")}


def find(session: Session, backfill_id: str) -> Backfill:
    """Return a backfill of any DAG.

    Raises:
        NotFound: it does not exist.
    """
    return _require(session.get(Backfill, backfill_id), backfill_id)


def lock(session: Session, backfill_id: str) -> Backfill:
    """Return a backfill as it is now, locked: the worker and a request may want to change it at once.

    Raises:
        NotFound: it does not exist.
    """
    return _require(db.lock_row(session, Backfill, backfill_id), backfill_id)


def _require(backfill: Backfill | None, backfill_id: str) -> Backfill:
    if backfill is None:
        raise NotFound(f"Backfill '{backfill_id}' not found", backfill_id=backfill_id)
    return backfill


def end(backfill: Backfill, state: State, message: str | None) -> None:
    """Let a backfill end in a state, with the reason if there is one."""
    backfill.state, backfill.ended_at = state.value, db.now()
    backfill.message = None if message is None else message[:1000]


def forget_runs(session: Session, backfill: Backfill, run_ids: Collection[str]) -> None:
    """Stop tracking runs of a backfill that are not active any more."""
    these = (BackfillRun.backfill_id == backfill.backfill_id, BackfillRun.run_id.in_(run_ids))
    db.execute_bulk(session, delete(BackfillRun).where(*these))
    backfill.running -= len(run_ids)


def run_id_prefix(backfill: Backfill) -> str:
    """Return how the ids of the runs begin that a backfill creates.

    Not ``backfill__``, which Airflow reserves for runs that no scheduler executes.
    """
    return f"{backfill.backfill_id}__"


def run_id(backfill: Backfill, logical_date: datetime) -> str:
    """Return the id of the run that a backfill creates for a date, always the same."""
    return run_id_prefix(backfill) + pendulum.instance(logical_date).in_timezone("UTC").isoformat()


def action(backfill: Backfill, existing_state: str | None) -> str:
    """Return what to do about a date: ``create`` its run, ``clear`` the existing one, or ``skip`` it.

    Args:
        backfill: the backfill.
        existing_state: the state of the date's run; None without a run.
    """
    if existing_state is None:
        return "create"
    return "clear" if existing_state in _CLEARED[str(backfill.reprocess)] else "skip"
