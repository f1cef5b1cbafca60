"""Automatic rollbacks of deployments whose runs fail.

mark_failing  marks a deployment when the event of a failed run completes the number of failures in a row
roll_back     rolls back each marked deployment, in a transaction for each
"""

import logging
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import DagRun
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import PlatformError
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.deployments import revisions
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision

log = logging.getLogger(__name__)

BY = "platform"


def mark_failing(session: Session, events: Sequence[Event]) -> None:
    """Mark the deployments that failed too often since their last revision."""
    dag_ids = {event.data["dag_id"] for event in events if event.type == "dag.failure"}
    if not dag_ids:
        return
    concerned = select(Deployment).where(Deployment.dag_id.in_(dag_ids), Deployment.retired_at.is_(None))
    for deployment in session.scalars(concerned):
        if deployment.rollback_from is None and _has_failed(session, deployment):
            deployment.rollback_from = deployment.revision


def _has_failed(session: Session, deployment: Deployment) -> bool:
    """Return whether the last runs of the current revision failed, as many as trigger a rollback."""
    revision = deployment.current
    if revision.auto_rollback_after is None:
        return False
    finished = (
        select(DagRun.state)
        .where(
            DagRun.dag_id == deployment.dag_id,
            DagRun.start_date >= revision.created_at,
            DagRun.state.in_(("success", "failed")),
        )
        .order_by(DagRun.end_date.desc())
        .limit(revision.auto_rollback_after)
    )
    states = [str(state) for state in session.scalars(finished)]
    return states == ["failed"] * revision.auto_rollback_after


def roll_back() -> int:
    """Roll back each marked deployment; return how many were rolled back."""
    with db.transaction() as session:
        marked = list(session.scalars(select(Deployment.id).where(Deployment.rollback_from.is_not(None))))
    return sum(_roll_back(deployment_id) for deployment_id in marked)


def _roll_back(deployment_id: str) -> bool:
    """Roll back one deployment; an error does not affect the others."""
    try:
        with db.transaction() as session:
            return _roll_back_in(session, deployment_id)
    except SQLAlchemyError:  # the next attempt may succeed
        log.exception("The deployment %s cannot be rolled back now and will be tried again", deployment_id)
        return False
    except PlatformError as error:  # such as a limit of the tenant
        log.warning("The deployment %s cannot be rolled back: %s", deployment_id, error.message)
    except Exception:
        log.exception("The deployment %s cannot be rolled back", deployment_id)
    with suppress(SQLAlchemyError), db.transaction() as session:
        unmarked = update(Deployment).where(Deployment.id == deployment_id).values(rollback_from=None)
        db.execute_bulk(session, unmarked)
    return False


def _roll_back_in(session: Session, deployment_id: str) -> bool:
    deployment = session.get(Deployment, deployment_id, with_for_update={"of": Deployment})
    if deployment is None or deployment.rollback_from is None:
        return False  # another worker was faster
    if deployment.rollback_from != deployment.revision or deployment.retired_at is not None:
        deployment.rollback_from = None  # a user was faster
        return False
    bad = deployment.current
    target = _find_target(session, deployment)
    if target is None:
        log.warning(
            "The deployment %s fails, and there is no earlier revision to roll back to", deployment_id
        )
        deployment.rollback_from = None
        return False
    reason = f"{bad.auto_rollback_after} failed runs in a row"
    bad_version, versions = bad.version, list(deployment.bad_versions)
    cause = revisions.ChangeCause("auto_rollback", BY, reason, target.number)
    revisions.redeploy(session, deployment, target, cause)
    if bad_version not in (target.version, *versions):
        deployment.bad_versions = [*versions, bad_version]
    return True


def _find_target(session: Session, deployment: Deployment) -> DeploymentRevision | None:
    """Return the newest earlier revision that may be deployed.

    If the current revision is a rollback itself, the target is earlier than the one it repeats: so repeated
    rollbacks come to an end.
    """
    current = deployment.current
    earlier = (
        select(DeploymentRevision)
        .join(
            DataKit,
            (DataKit.name == deployment.datakit) & (DataKit.version == DeploymentRevision.version),
        )
        .where(
            DeploymentRevision.deployment_id == deployment.id,
            DeploymentRevision.number < (current.source or current.number),
            DeploymentRevision.version.not_in(deployment.bad_versions),
            DataKit.withdrawn_at.is_(None),
        )
        .order_by(DeploymentRevision.number.desc())
    )
    found: DeploymentRevision | None = session.scalars(earlier.limit(1)).first()
    return found
