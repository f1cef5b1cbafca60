"""``build(spec)``: the Airflow DAG of a deployment. Pure: the same spec gives the same DAG."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DAG, Dataset
from airflow_platform_plugin.airflow_compat.types import Timetable
from airflow_platform_plugin.core.naming import looks_like_tenant_tag, tenant_pool_name, tenant_tag
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.deployments.execution.operator import DataKitOperator
from airflow_platform_plugin.deployments.spec import ON_INPUTS, DeploymentSpec, build_dataset_uri
from airflow_platform_plugin.tenants import quota

TASK_ID = "run"


@dataclass(frozen=True)
class Owner:
    """The tenant of a deployment, with its current limits rather than those at the time of the deploy."""

    tenant_id: str
    resource_limits: dict[str, str]


def build(spec: DeploymentSpec, owner: Owner | None = None, *, paused: bool = False) -> DAG:
    """Build the DAG that runs the kit on the deployment's schedule.

    Args:
        spec: the deployment.
        owner: the tenant that owns it, which gives the DAG its tag and pool; None for the platform.
        paused: whether a new DAG starts paused.
    """
    manifest = spec.manifest
    inputs, outputs = (
        [Dataset(build_dataset_uri(item, spec.namespace, spec.environment)) for item in items]
        for items in (manifest.inputs, manifest.outputs)
    )
    limits = {"catchup": spec.catchup, "max_active_runs": spec.max_active_runs}
    dag = DAG(
        dag_id=spec.dag_id,
        description=manifest.description,
        schedule=inputs if spec.schedule == ON_INPUTS else _timetable(spec),
        start_date=spec.start_date,
        # A deployed kit is to run. Airflow's default would wait until a user unpauses the DAG.
        is_paused_upon_creation=paused,
        # A tag assigns a DAG to a tenant, so tags of that form from a manifest are dropped.
        tags=[
            "datakit",
            spec.environment,
            *(tag for tag in manifest.tags if not looks_like_tenant_tag(tag)),
            *([tenant_tag(owner.tenant_id)] if owner else []),
        ],
        default_args={
            "owner": spec.namespace,
            **_retry_options(spec),
            **(_pool(owner, manifest) if owner else {}),
        },
        doc_md=f"{build_revision_marker(spec)}\n\n```json\n{manifest.model_dump_json(indent=2)}\n```",
        **{name: value for name, value in limits.items() if value is not None},
    )
    if spec.schedule not in (None, ON_INPUTS):
        dag.schedule_interval = spec.schedule  # Airflow's pages show it; a timetable does not know @daily
    DataKitOperator(
        task_id=TASK_ID, spec=spec.model_dump(mode="json"), inlets=inputs, outlets=outputs, dag=dag
    )
    return dag


def _timetable(spec: DeploymentSpec) -> Timetable | None:
    if spec.schedule is None:
        return None
    return airflow_compat.timetables.timetable(spec.schedule, spec.start_date.utcoffset() or timedelta())


def build_revision_marker(spec: DeploymentSpec) -> str:
    """Return the first line of the DAG's documentation, which identifies the revision that Airflow has."""
    return f"DataKit **{spec.manifest.name} {spec.manifest.version}**, revision {spec.revision}"


def _retry_options(spec: DeploymentSpec) -> dict[str, Any]:
    options = {
        "retries": spec.retries,
        "retry_delay": None if spec.retry_delay is None else timedelta(seconds=spec.retry_delay),
        "execution_timeout": None if spec.timeout is None else timedelta(seconds=spec.timeout),
    }
    return {name: value for name, value in options.items() if value is not None}


def _pool(owner: Owner, manifest: Manifest) -> dict[str, str | int]:
    slots = quota.count_slots(owner.resource_limits, manifest.requirements.amounts)
    return {"pool": tenant_pool_name(owner.tenant_id), "pool_slots": slots}
