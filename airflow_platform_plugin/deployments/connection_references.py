"""The deployments that give a connection to their kit."""

import json
from typing import Any

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core.feature import ReferenceFinder
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision, is_in_force


def _find(session: Session, connection_id: str, by: Principal) -> list[dict[str, Any]]:
    candidates = (
        select(Deployment, DeploymentRevision.spec)
        .join(DeploymentRevision, is_in_force())
        .where(
            Deployment.retired_at.is_(None),
            # Finds the name anywhere in the document; the connections are compared below.
            cast(DeploymentRevision.spec, Text).contains(json.dumps(connection_id), autoescape=True),
            by.reach("datakits:read").where(Deployment.tenant_id),
        )
        .order_by(Deployment.dag_id)
    )
    return [
        {"deployment_id": deployment.id, "datakit": deployment.datakit, "dag_id": deployment.dag_id}
        for deployment, spec in session.execute(candidates)
        if connection_id in spec["connections"]
    ]


DEPLOYMENTS = ReferenceFinder("deployments", _find)
