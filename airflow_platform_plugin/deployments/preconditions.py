"""What must hold before a kit is deployed: for the version, its tenant, and the tenant's limits."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.errors import Conflict, PermissionDenied, ValidationFailed
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.datakits.settings import DataKitSettings
from airflow_platform_plugin.deployments.execution.runners import base
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.deployments.target import Target
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant


def require_deployable(target: Target, *, force: bool) -> None:
    """Check that the version may be deployed at the target.

    Args:
        target: the version and where it is to run.
        force: allow a version that was rolled back automatically there.

    Raises:
        Conflict: the version is withdrawn, or it was rolled back automatically there.
        ValidationFailed: the kit is a tenant's, and the namespace is not.
        PermissionDenied: the kit is a tenant's, and its image is not.
    """
    kit = target.kit
    if kit.withdrawn_at is not None:
        why = f": {kit.withdrawn_reason}" if kit.withdrawn_reason else ""
        raise Conflict(f"DataKit '{kit.name}' {kit.version} is withdrawn{why}.")
    _require_owners_namespace(kit, target.tenant_id)
    _require_owners_image(kit)
    deployment = target.deployment
    if deployment is not None and not force and kit.version in deployment.bad_versions:
        raise Conflict(
            f"{kit.name} {kit.version} was rolled back here because its runs failed; "
            '"force": true deploys it nevertheless.',
            bad_versions=deployment.bad_versions,
        )


def require_unknown_dag(session: Session, dag_id: str) -> None:
    """Check that Airflow has no DAG of a new deployment's id: its runs and logs are somebody else's.

    Raises:
        Conflict: somebody has written such a DAG, or a tenant that is deleted since has deployed it.
    """
    if airflow_compat.dags.dag_row(session, dag_id) is not None:
        raise Conflict(
            f"Airflow has a DAG '{dag_id}' already, which this deployment has not made. Delete it with its"
            " history in Airflow, or deploy to another environment.",
            dag_id=dag_id,
        )


def _require_owners_namespace(kit: DataKit, tenant_id: str | None) -> None:
    """Check that a tenant's kit runs in the namespace of that tenant: others may not run its images."""
    if kit.tenant_id not in {None, tenant_id}:
        raise ValidationFailed.of(
            "namespace",
            message=f"a kit of tenant '{kit.tenant_id}' can run in its namespace only",
        )


def _require_owners_image(kit: DataKit) -> None:
    """Check that a tenant's kit uses one of the images that the operator assigns to the tenant.

    ``docker_connection`` and the pull secrets of a cluster can pull the images of every tenant.
    """
    prefix = settings.get(DataKitSettings).tenant_images
    if kit.tenant_id is None or prefix is None:
        return
    required = prefix.replace("{tenant_id}", kit.tenant_id)
    if not kit.manifest["image"].startswith(required):
        raise PermissionDenied(
            f"The images of this tenant's kits must begin with {required}.", prefix=required
        )


def require_features(tenant: Tenant, manifest: Manifest, runner_name: str) -> None:
    """Check that the tenant has the features that the kit needs.

    Raises:
        PermissionDenied: the tenant does not have one of them.
    """
    needed = {
        "datakits": True,
        "gpu_support": manifest.requirements.gpu,
        # A process has the rights of Airflow's own tasks: its database, its keys, all connections.
        "custom_operators": runner_name == base.PROCESS,
    }
    for feature, is_needed in needed.items():
        if is_needed and not tenants.has_feature(tenant, feature):
            reason = (
                " In this environment kits run as processes next to Airflow's own."
                if feature == "custom_operators"
                else ""
            )
            raise PermissionDenied(
                f"Tenant '{tenant.tenant_id}' does not have the feature '{feature}'; "
                f"a platform admin can turn it on.{reason}",
                feature=feature,
            )


def require_declared_needs(tenant: Tenant, manifest: Manifest, runner_name: str) -> None:
    """Check that a container declares its need of every limited resource, as Kubernetes' ResourceQuota does.

    Raises:
        Conflict: the manifest does not declare one of them.
    """
    needs = manifest.requirements.amounts
    missing = [name for name in ("cpu", "memory") if name in tenant.resource_limits and name not in needs]
    if missing and runner_name != base.PROCESS:
        raise Conflict(
            f"Tenant '{tenant.tenant_id}' has a limit of {' and '.join(missing)}, so the kit's requirements "
            "must say how much it needs.",
            missing=missing,
        )


def require_quota(session: Session, tenant: Tenant, manifest: Manifest, target: Target) -> None:
    """Check that the tenant's limits allow one more deployment, and what the kit needs.

    From here on, no other transaction deploys for the tenant; on SQLite, no other transaction writes.

    Raises:
        Conflict: the tenant's limits do not allow it.
    """
    tenant_id = str(tenant.tenant_id)
    is_active = target.deployment is not None and target.deployment.retired_at is None
    quota.lock_tenant(session, tenant_id)
    used = tenants.sum_requirements(session, tenant_id)
    if is_active and target.current is not None:  # the new revision replaces what the current one needs
        replaced = target.current.manifest.requirements.amounts
        used = {name: amount - replaced.get(name, 0) for name, amount in used.items()}
    quota.require_within_limits(tenant.resource_limits, used, manifest.requirements.amounts)
    if not is_active:
        _require_free_deployment(session, tenant_id)


def _require_free_deployment(session: Session, tenant_id: str) -> None:
    active = select(func.count()).where(Deployment.tenant_id == tenant_id, Deployment.retired_at.is_(None))
    most = settings.get(DeploymentSettings).tenant_max_deployments
    if session.scalar(active) >= most:
        raise Conflict(
            f"Tenant '{tenant_id}' has {most} deployments, which is the maximum; retire one first.",
            tenant_max_deployments=most,
        )


def check_installation(manifest: Manifest, runner_name: str) -> list[str]:
    """Return a warning if the kit runs as a process and is not installed here; workers may have it.

    Raises:
        Conflict: the kit is not installed, and the setting ``require_installed_kits`` is on.
    """
    from airflow_platform_plugin.deployments.execution.runners import process

    if runner_name != base.PROCESS or process.find(manifest.image) is not None:
        return []
    message = process.describe_missing_kit(manifest.image)
    if settings.get(DeploymentSettings).require_installed_kits:
        raise Conflict(message, image=manifest.image)
    return [f"{message} Its runs fail unless the workers have it."]
