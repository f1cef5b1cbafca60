"""DataKits: registered, listed, deployed."""

from typing import Any, NamedTuple

from airflow.models.dag import DagModel
from airflow.models.errors import ParseImportError
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat, db, paging
from airflow_platform_plugin.datakits import manifest as documents
from airflow_platform_plugin.datakits import registry
from airflow_platform_plugin.datakits.loader import registered_loaders
from airflow_platform_plugin.datakits.manifest import DeploymentSpec, Manifest
from airflow_platform_plugin.datakits.models import Deployment, DeploymentRevision
from airflow_platform_plugin.errors import FieldError, NotFound, PermissionDenied, ValidationFailed
from airflow_platform_plugin.principal import Principal
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant

DEFAULT_NAMESPACE = "default"


def deploy(
    session: Session, datakit_id: str, request: dict[str, Any], *, by: Principal
) -> tuple[Deployment, bool]:
    """Deploy a kit, as a new deployment or as the next revision of the one that is there.

    Returns:
        The deployment, and whether it is new.

    Raises:
        NotFound: there is no such kit.
        ValidationFailed: the configuration does not fit the manifest, or none of the caller's tenants owns
            the namespace.
        PermissionDenied: the tenant lacks a feature.
        Conflict: the kit needs more than the tenant has left.
    """
    kit = registry.get(session, datakit_id, reach=by.reach("datakits:read"))
    registry.require_deployable(kit)
    manifest = Manifest.model_validate(kit.manifest)
    namespace, environment = request["namespace"], request["environment"]
    tenant = _owner(session, namespace, by)
    registry.require_place(kit, tenant)
    configuration = configure(manifest, request["configuration"])

    place = select(Deployment).where(
        Deployment.datakit == kit.name,
        Deployment.environment == environment,
        Deployment.namespace == namespace,
    )
    deployment: Deployment | None = session.scalar(place)
    is_new = deployment is None
    if tenant is not None:
        _require_quota(session, tenant, manifest, replaced=deployment)
    if deployment is None:
        deployment = Deployment(
            datakit=kit.name,
            environment=environment,
            namespace=namespace,
            tenant_id=tenant.tenant_id if tenant else None,
            dag_id=documents.dag_id(namespace, environment, kit.name),
            revision=0,
            created_at=db.now(),
            created_by=by.username,
        )
        session.add(deployment)
    deployment.revision += 1
    session.flush()
    spec = DeploymentSpec(
        dag_id=deployment.dag_id,
        manifest=manifest,
        environment=environment,
        namespace=namespace,
        configuration=configuration,
        schedule=request["schedule"],
        # The first deploy's time in every revision: moving it would make Airflow skip or repeat intervals.
        start_date=deployment.created_at,
    )
    session.add(
        DeploymentRevision(
            deployment_id=deployment.id,
            number=deployment.revision,
            version=kit.version,
            spec=spec.model_dump(mode="json"),
            notifications=request["notifications"],
            created_by=by.username,
        )
    )
    session.flush()
    session.refresh(deployment)
    request_parsing(session)
    return deployment, is_new


def request_parsing(session: Session) -> None:
    """Have the loader files parsed at once."""
    for fileloc in registered_loaders(session):
        airflow_compat.request_parsing(session, fileloc)


def _owner(session: Session, namespace: str, by: Principal) -> Tenant | None:
    """The tenant that owns the namespace; a stranger's looks like nobody's."""
    tenant = tenants.by_namespace(session, namespace)
    reachable = by.may("datakits:write", str(tenant.tenant_id) if tenant else None)
    if not reachable or (tenant is None and namespace != DEFAULT_NAMESPACE):
        raise ValidationFailed.of("namespace", message=f"no tenant of yours owns the namespace '{namespace}'")
    return tenant


def _require_quota(
    session: Session, tenant: Tenant, manifest: Manifest, *, replaced: Deployment | None
) -> None:
    needed = ["datakits"] + (["gpu_support"] if manifest.requirements.gpu else [])
    for feature in needed:
        if not tenants.has_feature(tenant, feature):
            raise PermissionDenied(
                f"Tenant '{tenant.tenant_id}' has not the feature {feature}.", feature=feature
            )
    tenant_id = str(tenant.tenant_id)
    quota.lock(session, tenant_id)
    used = tenants.requirements(session, tenant_id)
    if replaced is not None:  # what it needs now is given back
        former = Manifest.model_validate(replaced.current.spec["manifest"]).requirements.amounts
        used = {name: amount - former.get(name, 0) for name, amount in used.items()}
    quota.require(tenant.resource_limits, used, manifest.requirements.amounts)


def configure(manifest: Manifest, given: dict[str, Any]) -> dict[str, Any]:
    """The configuration a run gets: what is given over the manifest's defaults.

    Raises:
        ValidationFailed: a name is unknown, or a value is not of its option's type.
    """
    errors = []
    for name, value in given.items():
        option = manifest.configuration.get(name)
        if option is None:
            known = ", ".join(sorted(manifest.configuration)) or "none"
            errors.append(FieldError.at(("configuration", name), f"unknown; the manifest has: {known}"))
        elif complaint := option.complaint(value):
            errors.append(FieldError.at(("configuration", name), complaint))
    if errors:
        raise ValidationFailed(errors)
    return {name: option.default for name, option in manifest.configuration.items()} | given


def get_deployment(session: Session, deployment_id: str, *, reach: frozenset[str] | None) -> Deployment:
    """The deployment of that id, if it is of a tenant that the caller reaches (None for all).

    Raises:
        NotFound: there is none.
    """
    deployment: Deployment | None = session.get(Deployment, deployment_id)
    if deployment is None or not (reach is None or deployment.tenant_id in reach):
        raise NotFound(f"Deployment '{deployment_id}' not found", deployment_id=deployment_id)
    return deployment


def deployments(
    session: Session,
    *,
    reach: frozenset[str] | None,
    limit: int,
    offset: int,
    order_by: str | None = None,
    **filters: str,
) -> paging.Page:
    """Deployments of the tenants that the caller reaches (None for all), by kit and place if not asked else.

    ``filters`` are columns' values.
    """
    wanted = select(Deployment).order_by(Deployment.datakit, Deployment.environment, Deployment.namespace)
    if reach is not None:
        wanted = wanted.where(Deployment.tenant_id.in_(reach))
    for column, value in filters.items():
        wanted = wanted.where(getattr(Deployment, column) == value)
    return paging.fetch(session, wanted, limit=limit, offset=offset, order_by=order_by)


class Status(NamedTuple):
    """Where a deployment stands in Airflow: pending, active, paused or import_error."""

    deployment_id: str
    dag_id: str
    revision: int
    version: str
    status: str
    message: str | None


def status(session: Session, deployment_id: str, *, reach: frozenset[str] | None) -> Status:
    """What Airflow has made of the deployment so far.

    Raises:
        NotFound: as for ``get_deployment``.
    """
    deployment = get_deployment(session, deployment_id, reach=reach)
    word, message = _state_in_airflow(session, deployment)
    return Status(
        deployment.id, deployment.dag_id, deployment.revision, deployment.current.version, word, message
    )


def _state_in_airflow(session: Session, deployment: Deployment) -> tuple[str, str | None]:
    parsed = session.execute(
        select(DagModel.is_active, DagModel.is_paused, DagModel.last_parsed_time, DagModel.fileloc).where(
            DagModel.dag_id == deployment.dag_id
        )
    ).first()
    if parsed is not None and parsed.is_active and parsed.last_parsed_time >= deployment.current.created_at:
        return ("paused" if parsed.is_paused else "active"), None
    loaders = [parsed.fileloc] if parsed is not None else registered_loaders(session)
    broken = select(ParseImportError.stacktrace).where(ParseImportError.filename.in_(loaders))
    stacktrace = session.scalar(broken) if loaders else None
    if stacktrace is not None:
        return "import_error", str(stacktrace).strip().splitlines()[-1]
    if not loaders:
        return "pending", "No loader file has been parsed yet: is dags/datakits.py in the DAGs folder?"
    return "pending", None
