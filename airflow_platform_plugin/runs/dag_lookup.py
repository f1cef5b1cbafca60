"""DAG lookup: the DAGs that can have new runs."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import DagModel
from airflow_platform_plugin.airflow_compat.types import Dag, DagBag
from airflow_platform_plugin.core.errors import Conflict, NotFound


def get_runnable_dag(session: Session, dags: DagBag, dag_id: str) -> Dag:
    """Return a DAG that can have new runs.

    Raises:
        NotFound: it does not exist, or its file is gone.
        Conflict: its file cannot be imported.
    """
    columns = (DagModel.is_active, DagModel.has_import_errors)
    model = session.execute(select(*columns).where(DagModel.dag_id == dag_id)).first()
    dag = dags.get_dag(dag_id, session=session) if model is not None and model.is_active else None
    if dag is None:
        raise NotFound(f"DAG '{dag_id}' not found", dag_id=dag_id)
    if model.has_import_errors:
        raise Conflict(f"The file of DAG '{dag_id}' cannot be imported.", dag_id=dag_id)
    return dag
