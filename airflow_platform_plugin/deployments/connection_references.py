"""The deployments that hand a connection to their kit, as the connection's usage tells them."""

import json
from typing import Any

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core.feature import ReferenceFinder
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.datakits.models import Deployment, DeploymentRevision


def _find(session: Session, connection_id: str, by: Principal) -> list[dict[str, Any]]:
    wanted = (
        select(Deployment, DeploymentRevision.spec)
        .join(
            DeploymentRevision,
            (DeploymentRevision.deployment_id == Deployment.id)
            & (DeploymentRevision.number == Deployment.revision),
        )
        .where(
            Deployment.retired_at.is_(None),
            # The name is somewhere in the document; where, is looked at below.
            cast(DeploymentRevision.spec, Text).contains(json.dumps(connection_id), autoescape=True),
        )
        .order_by(Deployment.dag_id)
    )
    wanted = wanted.where(by.reach("datakits:read").where(Deployment.tenant_id))
    return [
        {"deployment_id": deployment.id, "datakit": deployment.datakit, "dag_id": deployment.dag_id}
        for deployment, spec in session.execute(wanted)
        if connection_id in spec["connections"]
    ]


DEPLOYMENTS = ReferenceFinder("deployments", _find)
