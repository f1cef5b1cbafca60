"""Rows that tests of tenants need: tenants, roles of users, and DAGs that a tenant owns."""

from collections.abc import Collection
from typing import Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile
from airflow_platform_plugin.tenants.models import Tenant


def add_tenant(session: Any, tenant_id: str) -> None:
    """Store a tenant with its roles, without limits."""
    empty: dict[str, Any] = {"resource_limits": {}, "features": {}, "labels": {}}
    session.add(
        Tenant(tenant_id=tenant_id, display_name=tenant_id, namespace=tenant_id, admin_users=[], **empty)
    )
    session.flush()
    names = [tenant_role_name(tenant_id, role) for role in TenantRole]
    airflow_compat.roles.create_empty_roles(session, names)


def add_member(session: Any, tenant_id: str, role: TenantRole, user_ids: Collection[int]) -> None:
    """Give users a role in a tenant."""
    airflow_compat.roles.add_users(session, tenant_role_name(tenant_id, role), set(user_ids))


def own_dag(session: Any, tenant_id: str | None, dag_id: str, fileloc: str) -> None:
    """Let a DAG in that file belong to a tenant, as if a deployment had made it that is retired now."""
    if session.get(LoaderFile, LoaderFile.key(fileloc)) is None:
        session.add(LoaderFile(id=LoaderFile.key(fileloc), fileloc=fileloc))
    place = {"datakit": f"kit-{dag_id}"[:63], "environment": "tests", "namespace": tenant_id or "default"}
    session.add(
        Deployment(
            tenant_id=tenant_id, dag_id=dag_id, revision=1, created_by="tests", retired_at=db.now(), **place
        )
    )
    session.flush()


def grant(session: Any, role: str, permissions: Collection[tuple[str, str]]) -> None:
    """Give permissions to an Airflow role, which is created if it is missing."""
    from airflow.providers.fab.auth_manager.models import Role
    from sqlalchemy import select

    airflow_compat.roles.grant_new_permissions(session, {role: ()}, permissions)
    row = session.scalars(select(Role).where(Role.name == role)).unique().one()
    held = {(each.action.name, each.resource.name) for each in row.permissions}
    missing = set(permissions) - held
    row.permissions += airflow_compat.roles._find_permissions(session, missing)
    session.flush()
