"""Grants of connections to kits: who may grant, who gets them, and that a grant is of one row."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.core.errors import PermissionDenied, ValidationFailed
from airflow_platform_plugin.deployments.execution import task_services
from airflow_platform_plugin.deployments.models import DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec

CONNECTIONS = "/api/v1/platform/connections"
DATAKITS = "/api/v1/datakits"
Call = Callable[..., Any]


def connection(name: str, tenant_id: str | None, **change: str) -> dict[str, Any]:
    """Return a request for a connection to an internal host."""
    fields = {
        "connection_type": "postgres",
        "host": "db.internal",
        "login": "u",
        "password": "sesame",
    } | change
    return fields | {"connection_id": name, "tenant_id": tenant_id, "extra": {"sslmode": "require"}}


@pytest.fixture
def deploy_as(
    deploy: Call, as_tenant: Callable[[str], Call], manifest: dict[str, Any], deployment: dict[str, Any]
) -> Callable[..., Any]:
    """Deploy the reference's kit with connections, with a tenant's key or as a platform admin."""

    def request(who: str | None, *names: str) -> Any:
        if who is None:
            return deploy(connections=list(names))
        body = deployment | {"connections": list(names)}
        return as_tenant(who)("POST", f"{DATAKITS}/{manifest['name']}/deploy", json=body)

    deploy()
    return request


def granted_to(session: Any, deployed: Any) -> dict[str, str]:
    """Return the connections that a run of the deployment gets."""
    revision = session.get(DeploymentRevision, (deployed.json["id"], deployed.json["revision"]))
    return task_services.load_secrets(DeploymentSpec.model_validate(revision.spec))[1]


def test_a_tenants_kit_gets_connections_of_the_tenant(
    call: Call, deploy_as: Callable[..., Any], session: Any
) -> None:
    """The connection is JSON that Airflow can read, with its secrets."""
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    made = deploy_as("analytics-team", "own")
    assert (made.status, made.json["connections"]) == (200, ["own"])
    assert {name: json.loads(text) for name, text in granted_to(session, made).items()} == {
        "own": {
            "conn_type": "postgres",
            "host": "db.internal",
            "login": "u",
            "password": "sesame",
            "extra": {"sslmode": "require"},
        }
    }


def test_only_a_caller_who_may_read_all_connections_grants_shared_ones(
    call: Call, deploy_as: Callable[..., Any], session: Any
) -> None:
    """A tenant's key may use a shared connection in queries, but may not give its secrets to a kit."""
    call("POST", CONNECTIONS, json=connection("shared", None))
    refused = deploy_as("analytics-team", "shared")
    assert (refused.status, refused.json["error"]["details"]["scope"]) == (403, "connections:read")
    made = deploy_as(None, "shared")
    assert made.status == 200
    assert set(granted_to(session, made)) == {"shared"}


@pytest.mark.parametrize("who", ["analytics-team", None])
def test_a_connection_of_another_tenant_looks_like_a_missing_one(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], who: str | None
) -> None:
    """Also for an admin: a kit of one tenant must not get the secrets of another."""
    as_tenant("other")
    call("POST", CONNECTIONS, json=connection("theirs", "other"))
    answers = [deploy_as(who, name).json["error"] for name in ("theirs", "nowhere")]
    errors = [error["details"]["errors"][0] for error in answers]
    assert [error["pointer"] for error in errors] == ["/connections/0"] * 2
    assert errors[0]["message"].replace("theirs", "nowhere") == errors[1]["message"]


def test_a_later_connection_of_the_same_name_is_not_granted(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], session: Any
) -> None:
    """If a name is deleted and used by another owner, runs and rollbacks do not get the new connection."""
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    made = deploy_as("analytics-team", "own")
    deploy_as("analytics-team")
    call("DELETE", f"{CONNECTIONS}/own?force=true")
    for owner in ("other", None):
        as_tenant("other")
        call("POST", CONNECTIONS, json=connection("own", owner, password="another's"))
        with pytest.raises(ValidationFailed, match="no connection 'own'"):
            granted_to(session, made)
        body = {"revision": made.json["revision"]}
        refused = as_tenant("analytics-team")(
            "POST", f"{DATAKITS}/deployments/{made.json['id']}/rollback", json=body
        )
        assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
        call("DELETE", f"{CONNECTIONS}/own?force=true")


def test_a_connection_that_moved_to_another_tenant_is_not_granted(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], session: Any
) -> None:
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    made = deploy_as("analytics-team", "own")
    as_tenant("other")
    assert call("PATCH", f"{CONNECTIONS}/own", json={"tenant_id": "other"}).status == 200
    with pytest.raises(ValidationFailed):
        granted_to(session, made)


def test_the_migration_turns_granted_names_into_rows(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], session: Any
) -> None:
    """A name becomes the shared row that has it at the upgrade; a downgrade restores the names."""
    from importlib import import_module

    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    as_tenant("other")
    for name, owner in (("shared", None), ("theirs", "other")):
        call("POST", CONNECTIONS, json=connection(name, owner))
    made = deploy_as(None, "shared")
    row = session.get(DeploymentRevision, (made.json["id"], made.json["revision"]))
    (id_,) = row.spec["shared_connections"].values()
    old = {name: value for name, value in row.spec.items() if name != "chosen"}
    row.spec = old | {"shared_connections": ["shared", "theirs", "gone"]}
    session.flush()
    with pytest.raises(ValidationFailed):
        granted_to(session, made)

    migration = import_module("airflow_platform_plugin.migrations.versions.0014_grants_of_connections_by_id")
    with Operations.context(MigrationContext.configure(session.connection())):
        migration.upgrade()
        session.refresh(row)
        assert row.spec == old | {"shared_connections": {"shared": id_}}
        assert set(granted_to(session, made)) == {"shared"}
        row.spec |= {"chosen": ["batch_size"]}
        session.flush()
        migration.downgrade()
    session.refresh(row)
    assert row.spec == old | {"shared_connections": ["shared"]}


@pytest.mark.parametrize(
    "change",
    [
        {"conn_type": "sqlite.pysqlite", "schema": "/srv/airflow.db"},
        {"conn_type": "ssh"},
        {"host": "169.254.169.254"},
        {"host": "localhost"},
        {"extra": '{"service": "operators"}'},
    ],
)
def test_a_connection_that_a_tenant_could_not_have_created_is_not_granted(
    call: Call, deploy_as: Callable[..., Any], session: Any, change: dict[str, str]
) -> None:
    """A row may be older than a rule. The rules do not apply to granted shared connections."""
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    call("POST", CONNECTIONS, json=connection("shared", None))
    made = deploy_as(None, "own", "shared")
    assert set(granted_to(session, made)) == {"own", "shared"}
    for name in ("shared", "own"):
        row = session.scalars(select(Connection).where(Connection.conn_id == name)).one()
        for column, value in change.items():
            setattr(row, column, value)
        session.flush()
        if name == "shared":
            assert set(granted_to(session, made)) == {"own", "shared"}
    with pytest.raises((PermissionDenied, ValidationFailed)):
        granted_to(session, made)
