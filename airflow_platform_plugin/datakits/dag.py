"""``build(spec)``: the Airflow DAG of a deployment. Pure: the same spec makes the same DAG."""

from airflow_platform_plugin.airflow_compat import DAG
from airflow_platform_plugin.datakits.manifest import DeploymentSpec
from airflow_platform_plugin.datakits.runners.process import ProcessOperator

TASK_ID = "run"


def build(spec: DeploymentSpec) -> DAG:
    """The DAG that runs the kit on the deployment's schedule."""
    manifest = spec.manifest
    dag = DAG(
        dag_id=spec.dag_id,
        description=manifest.description,
        schedule=spec.schedule,
        start_date=spec.start_date,
        catchup=False,
        # Whoever deploys wants it to run; Airflow's default is to wait for a person to unpause it.
        is_paused_upon_creation=False,
        tags=["datakit", spec.environment, *manifest.tags],
        default_args={"owner": spec.namespace},
    )
    ProcessOperator(task_id=TASK_ID, spec=spec.model_dump(mode="json"), dag=dag)
    return dag
