"""The deployments that run a version of a DataKit."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision, is_in_force


def find_deployments(session: Session, name: str, version: str) -> list[str]:
    """Return the ids of the active deployments whose revision in force is of that version."""
    running = (
        select(Deployment.id)
        .join(DeploymentRevision, is_in_force())
        .where(
            Deployment.datakit == name,
            DeploymentRevision.version == version,
            Deployment.retired_at.is_(None),
        )
        .order_by(Deployment.id)
    )
    return list(session.scalars(running))
