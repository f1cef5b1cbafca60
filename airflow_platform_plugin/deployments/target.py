"""``Target``: the version of a kit that a deploy is about, and where it is to run."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.core.naming import DEFAULT_NAMESPACE
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import Reach
from airflow_platform_plugin.datakits import service as datakits
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.deployments.desired_state import DesiredState
from airflow_platform_plugin.deployments.inputs import DeployRequest
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant


@dataclass(frozen=True, kw_only=True)
class Target:
    """A version of a kit, and where it is to run.

    Attributes:
        kit: the version to deploy.
        environment: the environment.
        namespace: the namespace.
        tenant: the tenant that owns the namespace; None for the platform.
        deployment: the deployment of this kit there; None before the first deploy.
        current: the state of that deployment's revision in force.
    """

    kit: DataKit
    environment: str
    namespace: str
    tenant: Tenant | None
    deployment: Deployment | None = None
    current: DesiredState | None = None

    @property
    def tenant_id(self) -> str | None:
        """Return the id of the tenant that owns the namespace."""
        return None if self.tenant is None else str(self.tenant.tenant_id)


def resolve(session: Session, datakit_id: str, request: DeployRequest, *, by: Principal) -> Target:
    """Find the version, the namespace with its owner, and the existing deployment.

    Raises:
        NotFound: there is no such version that the caller may read.
        ValidationFailed: no tenant in which the caller may deploy owns the namespace.
    """
    kit = datakits.get(session, datakit_id, by=by)
    namespace = request["namespace"] or _choose_namespace(session, by)
    tenant = _find_owner(session, namespace, by)
    deployment: Deployment | None = session.scalar(
        select(Deployment).where(
            Deployment.datakit == kit.name,
            Deployment.environment == request["environment"],
            Deployment.namespace == namespace,
        )
    )
    return Target(
        kit=kit,
        environment=request["environment"],
        namespace=namespace,
        tenant=tenant,
        deployment=deployment,
        current=None if deployment is None else DesiredState.from_revision(deployment.current),
    )


def of_deployment(session: Session, deployment: Deployment, version: str) -> Target:
    """Return the target to deploy a version of its kit again where a deployment is.

    Raises:
        NotFound: the version was deleted. A version that another tenant has registered since then, under the
            freed name, is not found either.
    """
    tenant_id: str | None = deployment.tenant_id
    reach = Reach(frozenset() if tenant_id is None else frozenset({tenant_id}))
    return Target(
        kit=datakits.find(session, f"{deployment.datakit}@{version}", reach),
        environment=str(deployment.environment),
        namespace=str(deployment.namespace),
        tenant=None if tenant_id is None else tenants.find(session, tenant_id),
        deployment=deployment,
        current=DesiredState.from_revision(deployment.current),
    )


def _choose_namespace(session: Session, by: Principal) -> str:
    """Return the namespace of the only tenant in which the caller may deploy, or else the platform's."""
    reach = by.reach(datakits.WRITE)
    if reach.everywhere or len(reach.tenant_ids) != 1:
        return DEFAULT_NAMESPACE
    tenant = tenants.find(session, next(iter(reach.tenant_ids)))
    return DEFAULT_NAMESPACE if tenant is None else str(tenant.namespace)


def _find_owner(session: Session, namespace: str, by: Principal) -> Tenant | None:
    """Return the tenant that owns the namespace; None for the platform's namespace.

    The error is the same for a namespace of another tenant and for one that does not exist.
    """
    tenant = tenants.find_by_namespace(session, namespace)
    may_deploy = by.may(datakits.WRITE, str(tenant.tenant_id) if tenant else None)
    if not may_deploy or (tenant is None and namespace != DEFAULT_NAMESPACE):
        raise ValidationFailed.of("namespace", message=f"no tenant of yours owns the namespace '{namespace}'")
    return tenant
