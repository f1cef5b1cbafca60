"""The tenants that own the DAGs of deployments."""

from collections.abc import Collection
from functools import cache

from sqlalchemy import select
from sqlalchemy.sql import FromClause, Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile


def select_owners(dag_ids: Collection[str] | None = None) -> Select:
    """Select the DAGs of deployments, retired ones too, with the tenants that own them.

    A DAG of that id in another file is not one of them: somebody else has written it.

    Args:
        dag_ids: only these DAGs; None for all.
    """
    if dag_ids is None:
        return _select_all()
    dag, deployment = _dag(), Deployment.__table__
    # Of both tables: PostgreSQL would read all DAGs of the loader's file otherwise.
    return _select_all().where(deployment.c.dag_id.in_(dag_ids), dag.c.dag_id.in_(dag_ids))


@cache
def _dag() -> FromClause:
    return airflow_compat.models.DagModel.__table__.alias()


@cache
def _select_all() -> Select:
    """Select all of them; requests need this often, and building it takes long."""
    deployment, loader, dag = Deployment.__table__, LoaderFile.__table__, _dag()
    return select(deployment.c.dag_id, deployment.c.tenant_id).select_from(
        deployment.join(dag, dag.c.dag_id == deployment.c.dag_id).join(
            loader, loader.c.fileloc == dag.c.fileloc
        )
    )
