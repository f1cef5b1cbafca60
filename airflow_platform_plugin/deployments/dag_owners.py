"""The tenants that own the DAGs of deployments, and the files that make these DAGs."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.sql import Select

from airflow_platform_plugin.deployments.models import Deployment, LoaderFile


def select_owners(dag_ids: Collection[str] | None = None) -> Select:
    """Select the DAGs of deployments, retired ones too, with the tenants that own them.

    Args:
        dag_ids: only these DAGs; None for all.
    """
    deployment = Deployment.__table__.c
    selected = select(deployment.dag_id, deployment.tenant_id)
    return selected if dag_ids is None else selected.where(deployment.dag_id.in_(dag_ids))


def select_files() -> Select:
    """Select the loader files. A DAG of such a file without a deployment is the history of one."""
    return select(LoaderFile.__table__.c.fileloc)
