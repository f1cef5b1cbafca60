"""``build(spec)``: the Airflow DAG of a deployment. Pure: the same spec makes the same DAG."""

from dataclasses import dataclass

from airflow_platform_plugin.airflow_compat import DAG
from airflow_platform_plugin.datakits.manifest import DeploymentSpec, Manifest
from airflow_platform_plugin.datakits.runners.process import ProcessOperator
from airflow_platform_plugin.names import tenant_tag
from airflow_platform_plugin.tenants import quota, roles

TASK_ID = "run"


@dataclass(frozen=True)
class Owner:
    """The tenant of a deployment, as its DAG needs it; its limits are those of now, not of the deploy."""

    tenant_id: str
    resource_limits: dict[str, str]


def build(spec: DeploymentSpec, owner: Owner | None = None) -> DAG:
    """The DAG that runs the kit on the deployment's schedule; an owner's, for its roles and in its pool."""
    manifest = spec.manifest
    dag = DAG(
        dag_id=spec.dag_id,
        description=manifest.description,
        schedule=spec.schedule,
        start_date=spec.start_date,
        catchup=False,
        # Whoever deploys wants it to run; Airflow's default is to wait for a person to unpause it.
        is_paused_upon_creation=False,
        # A tag makes a DAG a tenant's, so no kit brings such a tag of its own.
        tags=[
            "datakit",
            spec.environment,
            *(tag for tag in manifest.tags if not tag.startswith(tenant_tag(""))),
            *([tenant_tag(owner.tenant_id)] if owner else []),
        ],
        default_args={"owner": spec.namespace, **(_share(owner, manifest) if owner else {})},
        access_control=None if owner is None else _access(owner.tenant_id),
    )
    ProcessOperator(task_id=TASK_ID, spec=spec.model_dump(mode="json"), dag=dag)
    return dag


def _share(owner: Owner, manifest: Manifest) -> dict[str, str | int]:
    slots = quota.share(owner.resource_limits, manifest.requirements.amounts)
    return {"pool": quota.pool(owner.tenant_id), "pool_slots": slots}


def _access(tenant_id: str) -> dict[str, dict[str, set[str]]]:
    """What the tenant's roles may do with the DAG: see it, pause it, run it."""
    granted = {"DAGs": {"can_read", "can_edit"}}
    return {roles.admin_role(tenant_id): granted, roles.member_role(tenant_id): granted}
