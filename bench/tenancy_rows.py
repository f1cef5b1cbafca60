"""Insert the rows of an Airflow with many tenants and DAGs; ``tenancy`` starts this with its arguments.

Rows are inserted in bulk, without services, so that ten thousand tenants take seconds. The first tenant owns
all DAGs. Without the plugin, only Airflow's users and DAGs are inserted.
"""

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.providers.fab.auth_manager.models import Role, User, assoc_user_role
from airflow.utils.session import create_session
from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

TENANT = "t0"
# The callers' names, which are their passwords too, with the names of their roles.
STOCK_CALLERS = {"admin": "Admin", "viewer": "Viewer", "user": "User"}
TENANT_CALLERS = {
    "tenant_admin": f"Tenant {TENANT} Admin",
    "member": f"Tenant {TENANT} Member",
    "tenant_viewer": f"Tenant {TENANT} Viewer",
}
_LOADER = "/dags/datakits.py"
_BATCH = 5000
_NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)


def fill(session: Session, *, tenants: int, dags: int, plugin: bool) -> None:
    """Insert the rows.

    Args:
        session: the transaction.
        tenants: the number of tenants; each has a user, a webhook, a connection and a kit.
        dags: the number of DAGs.
        plugin: whether the platform's tables exist.
    """
    _add_users(session, {**STOCK_CALLERS, **(TENANT_CALLERS if tenants else {})}, tenants)
    _add_dags(session, dags, owned=tenants > 0)
    if plugin:
        _add_platform(session, tenants, dags)


def _add(session: Session, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    found = list(rows)
    for start in range(0, len(found), _BATCH):
        session.execute(insert(table), found[start : start + _BATCH])


def _add_users(session: Session, callers: dict[str, str], tenants: int) -> None:
    kinds = ("Admin", "Member", "Viewer")
    _add(session, Role.__table__, ({"name": f"Tenant t{n} {kind}"} for n in range(tenants) for kind in kinds))
    role_of = callers | {f"user_{n}": f"Tenant t{n} Member" for n in range(1, tenants)}
    hashes = {name: generate_password_hash(name) for name in callers}
    _add(
        session,
        User.__table__,
        (
            {
                "username": name,
                "first_name": name,
                "last_name": "Bench",
                "email": f"{name}@example.com",
                "active": True,
                "password": hashes.get(name, "none"),
            }
            for name in role_of
        ),
    )
    user_ids = dict(session.execute(select(User.username, User.id)).all())
    role_ids = dict(session.execute(select(Role.name, Role.id)).all())
    links = ({"user_id": user_ids[name], "role_id": role_ids[role]} for name, role in role_of.items())
    _add(session, assoc_user_role, links)


def _add_dags(session: Session, dags: int, *, owned: bool) -> None:
    dag = {"is_active": True, "is_paused": False, "fileloc": _LOADER, "owners": "bench"}
    dag |= {"max_active_tasks": 16, "max_active_runs": 16, "max_consecutive_failed_dag_runs": 0}
    dag["has_task_concurrency_limits"] = False
    _add(session, DagModel.__table__, ({"dag_id": f"kit_{n}", **dag} for n in range(dags)))
    tags = ["bench", f"tenant:{TENANT}"] if owned else ["bench", "other"]
    _add(
        session, DagTag.__table__, ({"dag_id": f"kit_{n}", "name": tag} for n in range(dags) for tag in tags)
    )
    _add(
        session,
        DagRun.__table__,
        (
            {
                "dag_id": f"kit_{n}",
                "run_id": "r1",
                "execution_date": _NOW + timedelta(seconds=n),
                "run_type": "scheduled",
                "state": "success",
            }
            for n in range(dags)
        ),
    )


def _add_platform(session: Session, tenants: int, dags: int) -> None:
    from airflow.models.connection import Connection

    from airflow_platform_plugin.connections.models import PlatformConnection
    from airflow_platform_plugin.datakits.models import DataKit, DataKitName
    from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision, LoaderFile
    from airflow_platform_plugin.tenants.models import Tenant
    from airflow_platform_plugin.webhooks.models import Webhook

    ids = [f"t{n}" for n in range(tenants)]
    made: dict[str, Any] = {"row_version": 1, "created_by": "bench", "created_at": _NOW}
    empty: dict[str, Any] = {"resource_limits": {}, "features": {}, "admin_users": [], "metadata": {}}
    _add(
        session,
        Tenant.__table__,
        (
            {"tenant_id": each, "display_name": each, "namespace": each, "row_version": 1, **empty}
            for each in ids
        ),
    )
    webhook = {"url": "https://example.com/", "events": ["dag.failed"], "filters": {}, "retry_policy": {}}
    secrets = {"encrypted_headers": "", "encrypted_secret": ""}
    _add(
        session,
        Webhook.__table__,
        (
            {"webhook_id": f"wh_{each}", "tenant_id": each, "name": each, **webhook, **secrets, **made}
            for each in ids
        ),
    )
    _add(session, Connection.__table__, ({"conn_id": each, "conn_type": "http"} for each in ids))
    rows = session.execute(select(Connection.id, Connection.conn_id))
    _add(
        session,
        PlatformConnection.__table__,
        (
            {"id": row.id, "connection_id": row.conn_id, "tenant_id": row.conn_id, **made}
            for row in rows
            if row.conn_id in set(ids)
        ),
    )
    _add(session, DataKitName.__table__, ({"name": f"kit-{each}", "tenant_id": each} for each in ids))
    kit = {"version": "1.0.0", "type": "transform", "description": "One of many"}
    _add(
        session,
        DataKit.__table__,
        (
            {"id": f"dk_{each}", "name": f"kit-{each}", "tenant_id": each, **kit, **made}
            | {"manifest": _manifest(f"kit-{each}")}
            for each in ids
        ),
    )
    if tenants:
        _add(session, LoaderFile.__table__, [{"id": LoaderFile.key(_LOADER), "fileloc": _LOADER}])
        _add(session, Deployment.__table__, (_deployment(n) for n in range(dags)))
        _add(session, DeploymentRevision.__table__, (_revision(n) for n in range(dags)))


def _manifest(name: str) -> dict[str, Any]:
    from airflow_platform_plugin.datakits.manifest import Registration

    given = {"name": name, "version": "1.0.0", "image": f"registry.localhost/{name}:1.0.0"}
    document: dict[str, Any] = Registration.model_validate(given | {"description": "One of many"}).document
    return document


def _deployment(number: int) -> dict[str, Any]:
    return {
        "id": f"dep_{number}",
        "datakit": f"kit-{number}",
        "environment": "production",
        "namespace": TENANT,
        "tenant_id": TENANT,
        "dag_id": f"kit_{number}",
        "revision": 1,
        "loaded_revision": 1,
        "created_by": "bench",
        "created_at": _NOW,
    }


def _revision(number: int) -> dict[str, Any]:
    name = f"kit-{number}"
    spec = {
        "dag_id": f"kit_{number}",
        "manifest": _manifest(name),
        "environment": "production",
        "namespace": TENANT,
        "configuration": {},
        "schedule": None,
        "start_date": _NOW.isoformat(),
        "deployment_id": f"dep_{number}",
        "revision": 1,
    }
    return {
        "deployment_id": f"dep_{number}",
        "number": 1,
        "version": "1.0.0",
        "spec": spec,
        "notifications": {},
        "created_by": "bench",
        "created_at": _NOW,
    }


if __name__ == "__main__":
    with create_session() as writing:
        fill(writing, tenants=int(sys.argv[2]), dags=int(sys.argv[3]), plugin=sys.argv[1] == "with")
