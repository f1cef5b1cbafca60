"""The checks of deployments for ``airflow-platform doctor``."""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.naming import tenant_pool_name
from airflow_platform_plugin.deployments.dag_owners import select_files
from airflow_platform_plugin.deployments.execution import loader_file
from airflow_platform_plugin.deployments.execution.loader import is_in_other_file, list_loader_files
from airflow_platform_plugin.deployments.execution.runners import base
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants.models import Tenant

_NAMED = 5
_MOST_FILES = 10_000
_LOADER = b"airflow_platform_plugin.deployments.execution.loader"


def check_deployments() -> tuple[bool, str]:
    """Check that a DAG can be built of each deployment."""
    broken = select(Deployment.dag_id, Deployment.import_error).where(
        Deployment.import_error.is_not(None), Deployment.retired_at.is_(None)
    )
    dag = airflow_compat.models.DagModel
    elsewhere = (
        select(dag.dag_id, dag.fileloc)
        .join(Deployment, Deployment.dag_id == dag.dag_id)
        .where(Deployment.retired_at.is_(None), dag.is_active, dag.fileloc.not_in(select_files()))
        .order_by(dag.dag_id)
    )
    with db.transaction() as session:
        rows = session.execute(broken.order_by(Deployment.dag_id)).all()
        loaders = list_loader_files(session)
        taken = [row for row in session.execute(elsewhere) if is_in_other_file(row.fileloc, loaders)]
    if taken:
        named = "; ".join(f"{dag_id} in {file}"[:300] for dag_id, file in taken[:_NAMED])
        return False, f"Other files have DAGs with the ids of {len(taken)} deployments; rename these: {named}"
    if not rows:
        return True, "A DAG can be built of each deployment."
    named = "; ".join(f"{dag_id}: {error}"[:200] for dag_id, error in rows[:_NAMED])
    return False, f"No DAG can be built of {len(rows)} deployments, which do not run: {named}"


def check_tenant_pools() -> tuple[bool, str]:
    """Check that each tenant has its pool, and that its tasks fit into the pool."""
    with db.transaction() as session:
        wrong = quota.list_tenants_without_pool(session)
        wide = airflow_compat.pools.pools_with_oversized_tasks(
            session, tenant_pool_name(""), quota.POOL_SLOTS
        )
        tenants = list(session.scalars(select(Tenant.tenant_id).order_by(Tenant.tenant_id))) if wide else []
    if wrong:
        named = ", ".join(wrong[:_NAMED])
        return (
            False,
            f"{len(wrong)} tenants have no pool, or a changed one; the worker restores it: {named}",
        )
    stuck = [tenant_id for tenant_id in tenants if tenant_pool_name(tenant_id) in wide]
    if stuck:
        named = ", ".join(stuck[:_NAMED])
        return False, f"Tasks of {len(stuck)} tenants need more than the limits allow, and wait: {named}"
    return True, "Each tenant has its pool."


def check_loader() -> tuple[bool, str]:
    """Check that a file in the DAGs folder calls the loader of deployments."""
    folder = airflow_compat.config.dags_folder()
    found = next((path for path in _python_files(folder) if _LOADER in path.read_bytes()), None)
    if found is not None:
        return True, f"{found} builds the DAGs of deployments."
    # A file of that name may be of an earlier version, which installs nothing over it.
    force = " --force" if (folder / loader_file.NAME).exists() else ""
    return (
        False,
        f"No file in {folder} builds the DAGs of deployments; run airflow-platform install-loader{force}",
    )


def _python_files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = Path(place, name)
            if name.endswith(".py") and path.is_file() and os.access(path, os.R_OK):
                yield path
            seen += 1
            if seen >= _MOST_FILES:
                return


def check_runners() -> tuple[bool, str]:
    """Check that the runner of every environment can be loaded."""
    try:
        chosen = base.parse_setting(settings.get(DeploymentSettings).datakit_runners)
        for name in set(chosen.values()):
            base.load(name)
    except (ImportError, ValueError) as error:
        return False, str(error)
    return True, "Runners of DataKits: " + ", ".join(
        f"{name} in {place}" for place, name in chosen.items()
    ) + "."
