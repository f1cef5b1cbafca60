"""Deployments as DAGs: what the loader file in the DAGs folder calls, and how we find that file again."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import db
from airflow_platform_plugin.airflow_compat import DAG, get_parsing_context
from airflow_platform_plugin.datakits.manifest import DeploymentSpec
from airflow_platform_plugin.datakits.models import Deployment, DeploymentRevision, LoaderFile
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """A deployment as it is read: its DAG's id and spec, and its tenant with the limits of now."""

    dag_id: str
    spec: dict[str, Any]
    tenant_id: str | None = None
    resource_limits: dict[str, str] | None = None


def load(fileloc: str) -> dict[str, DAG]:
    """The DAGs of all deployments by id, or in a task process the one that is about to run.

    Args:
        fileloc: the loader file, which is parsed at once after each deploy.
    """
    only = get_parsing_context().dag_id
    with db.transaction() as session:
        specs = _specs(session, only)
        if only is None and session.get(LoaderFile, LoaderFile.key(fileloc)) is None:
            session.add(LoaderFile(id=LoaderFile.key(fileloc), fileloc=fileloc))
    return build_all(specs)


def build_all(specs: Sequence[Row]) -> dict[str, DAG]:
    """The DAGs of the specs. One that cannot be built is logged and left out; the others are not harmed."""
    from airflow_platform_plugin.datakits.dag import Owner, build

    dags = {}
    for dag_id, document, tenant_id, limits in specs:
        try:
            owner = None if tenant_id is None else Owner(tenant_id, limits or {})
            dags[dag_id] = build(DeploymentSpec.model_validate(document), owner)
        except Exception:
            log.exception("The deployment behind the DAG %s cannot be built", dag_id)
    return dags


def _specs(session: Session, dag_id: str | None) -> list[Row]:
    in_force = (
        select(Deployment.dag_id, DeploymentRevision.spec, Tenant.tenant_id, Tenant.resource_limits)
        .join(
            DeploymentRevision,
            (DeploymentRevision.deployment_id == Deployment.id)
            & (DeploymentRevision.number == Deployment.revision),
        )
        .outerjoin(Tenant, Tenant.tenant_id == Deployment.tenant_id)
    )
    if dag_id is not None:
        in_force = in_force.where(Deployment.dag_id == dag_id)
    return [Row(*row) for row in session.execute(in_force.order_by(Deployment.dag_id))]


def registered_loaders(session: Session) -> list[str]:
    """The loader files that have been parsed so far."""
    return list(session.scalars(select(LoaderFile.fileloc)))
