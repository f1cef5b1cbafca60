"""The tenants that own the DAGs of deployments."""

from collections.abc import Collection
from functools import cache

from sqlalchemy import select
from sqlalchemy.sql import Select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core.types import TableColumn
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile


def select_owners(dag_ids: Collection[str] | None = None) -> Select:
    """Select the DAGs of deployments, retired ones too, with the tenants that own them.

    A DAG of that id in another file is none of them: somebody else has written it.

    Args:
        dag_ids: only these DAGs; None for all.
    """
    selected, *columns = _select_all()
    # Of both tables: PostgreSQL would read all DAGs of the loader's file otherwise.
    return selected if dag_ids is None else selected.where(*(each.in_(dag_ids) for each in columns))


@cache
def _select_all() -> tuple[Select, TableColumn, TableColumn]:
    """Return the SELECT of all owners, and the columns of DAG ids in both of its tables."""
    deployment, loader = Deployment.__table__, LoaderFile.__table__
    dag = airflow_compat.models.DagModel.__table__.alias()
    selected = select(deployment.c.dag_id, deployment.c.tenant_id).select_from(
        deployment.join(dag, dag.c.dag_id == deployment.c.dag_id).join(
            loader, loader.c.fileloc == dag.c.fileloc
        )
    )
    return selected, deployment.c.dag_id, dag.c.dag_id
