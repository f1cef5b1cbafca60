"""The tenants that own the DAGs of deployments."""

from functools import cache

from sqlalchemy import select
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile


@cache
def select_owners() -> Select:
    """Select the DAGs of deployments, retired ones too, with the tenants that own them.

    A DAG of that id in another file is none of them: somebody else has written it.
    """
    deployment, loader = Deployment.__table__, LoaderFile.__table__
    dag = airflow_compat.models.DagModel.__table__.alias()
    return select(deployment.c.dag_id, deployment.c.tenant_id).select_from(
        deployment.join(dag, dag.c.dag_id == deployment.c.dag_id).join(
            loader, loader.c.fileloc == dag.c.fileloc
        )
    )
