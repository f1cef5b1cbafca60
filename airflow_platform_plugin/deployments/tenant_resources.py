"""The deployments of a tenant."""

from decimal import Decimal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import TenantResource
from airflow_platform_plugin.datakits.manifest import Requirements
from airflow_platform_plugin.deployments import maintenance
from airflow_platform_plugin.deployments.execution.loader import request_parsing
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.tenants.models import Tenant


def _active(tenant_id: str) -> Select:
    """Select the deployments that are not retired; retired ones need no resources."""
    return select(Deployment).where(Deployment.tenant_id == tenant_id, Deployment.retired_at.is_(None))


def _ids(session: Session, tenant_id: str) -> list[str]:
    return list(session.scalars(_active(tenant_id).with_only_columns(Deployment.id)))


def _delete(session: Session, tenant_id: str) -> None:
    """Delete all deployments and end their runs at once. Airflow keeps the history of runs."""
    ids = list(session.scalars(select(Deployment.id).where(Deployment.tenant_id == tenant_id)))
    if ids:
        db.execute_bulk(session, delete(DeploymentRevision).where(DeploymentRevision.deployment_id.in_(ids)))
        rows = session.scalars(select(Deployment).where(Deployment.id.in_(ids))).all()
        airflow_compat.runs.end_runs(session, [str(row.dag_id) for row in rows], maintenance.GONE)
        for deployment in rows:
            # Airflow would notice only after two minutes.
            airflow_compat.dags.deactivate_dag(session, str(deployment.dag_id))
            session.delete(deployment)
        request_parsing(session)


def _limits_changed(session: Session, tenant_id: str) -> None:
    """Adjust the pool slots of tasks, which are shares of the limits: of waiting and of future tasks."""
    maintenance.reapply_quotas(session, session.get(Tenant, tenant_id))
    request_parsing(session)


def _requirements(session: Session, tenant_id: str) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for deployment in session.scalars(_active(tenant_id)):
        needs = Requirements.model_validate(deployment.current.spec["manifest"]["requirements"])
        for name, amount in needs.amounts.items():
            total[name] = total.get(name, Decimal()) + amount
    return total


DEPLOYMENTS = TenantResource(
    "deployments",
    ids=_ids,
    delete=_delete,
    changed=_limits_changed,
    requirements=_requirements,
)
