"""The worker's step: it advances each active backfill.

Runs are created a few at a time, as many as may be active at once, so the length of the range does not matter
to Airflow's scheduler and to this step. A run and the backfill's position are written in one transaction, and
the run's id follows from its date. So a worker that dies leaves nothing behind that is created twice.
"""

import logging

from sqlalchemy import or_, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from airflow_platform_plugin.core import db
from airflow_platform_plugin.runs.backfill import transitions
from airflow_platform_plugin.runs.backfill.decisions import Decision, assess, dag_bag
from airflow_platform_plugin.runs.backfill.models import Backfill, State
from airflow_platform_plugin.runs.backfill.run_starter import start_runs

log = logging.getLogger(__name__)


def advance() -> int:
    """Run one round of each backfill that is running or has unfinished runs; return how much was done."""
    at_work = or_(Backfill.state == State.RUNNING.value, Backfill.running > 0)
    with db.transaction() as session:
        found = select(Backfill.backfill_id).where(at_work).order_by(Backfill.created_at)
        ids = list(session.scalars(found))
    if not ids:
        dag_bag.cache_clear()
    return sum(_advance_safely(backfill_id) for backfill_id in ids)


def _advance_safely(backfill_id: str) -> int:
    """Run one round of one backfill. An error does not affect the others."""
    try:
        return _advance(backfill_id)
    except Exception:
        log.exception("Backfill %s could not go on and will be tried again", backfill_id)
        return 0


def _advance(backfill_id: str) -> int:
    try:
        # Without a lock first: a round that finds nothing to do writes nothing.
        with db.transaction() as session:
            backfill = transitions.find(session, backfill_id)
            if not _has_changes(backfill, assess(session, backfill)):
                return 0
        with db.transaction() as session:
            backfill = transitions.lock(session, backfill_id)
            return _apply(session, backfill, assess(session, backfill))
    except IntegrityError:
        log.info("Another program created a run of backfill %s at the same moment", backfill_id)
        return 0
    except (DBAPIError, SQLAlchemyTimeout, StaleDataError):
        raise  # the database is away or busy: the next round tries again
    except Exception as error:
        log.exception("Backfill %s cannot go on", backfill_id)
        with db.transaction() as session:
            backfill = transitions.lock(session, backfill_id)
            transitions.end(backfill, State.FAILED, f"{type(error).__name__}: {error}")
        return 1


def _has_changes(backfill: Backfill, decision: Decision) -> bool:
    return bool(decision.ended or decision.room or decision.end) or decision.message != backfill.message


def _apply(session: Session, backfill: Backfill, decision: Decision) -> int:
    if decision.ended:
        transitions.forget_runs(session, backfill, list(decision.ended))
        succeeded = sum(state == "success" for state in decision.ended.values())
        backfill.success += succeeded
        backfill.failed += len(decision.ended) - succeeded
    backfill.message = decision.message
    if decision.end is not None:
        transitions.end(backfill, decision.end, decision.message)
    elif decision.room:
        return len(decision.ended) + start_runs(session, backfill, decision.dag, decision.room)
    return len(decision.ended)
