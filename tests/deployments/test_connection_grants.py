"""Connections that are handed to kits: to whom, by whom, and that they stay the ones that were meant."""

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
    """A request for a connection inside."""
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
    """Deploy the reference's kit with connections: as a tenant's key, or as the platform's administrator."""

    def request(who: str | None, *names: str) -> Any:
        if who is None:
            return deploy(connections=list(names))
        body = deployment | {"connections": list(names)}
        return as_tenant(who)("POST", f"{DATAKITS}/{manifest['name']}/deploy", json=body)

    deploy()
    return request


def handed(session: Any, deployed: Any) -> dict[str, str]:
    """What a run of the deployment gets now."""
    revision = session.get(DeploymentRevision, (deployed.json["id"], deployed.json["revision"]))
    return task_services.load_connections(DeploymentSpec.model_validate(revision.spec))[1]


def test_a_tenants_kit_gets_the_tenants_own(call: Call, deploy_as: Callable[..., Any], session: Any) -> None:
    """As JSON that Airflow itself reads, with its secrets: that is what it is handed over for."""
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    made = deploy_as("analytics-team", "own")
    assert (made.status, made.json["connections"]) == (200, ["own"])
    assert {name: json.loads(text) for name, text in handed(session, made).items()} == {
        "own": {
            "conn_type": "postgres",
            "host": "db.internal",
            "login": "u",
            "password": "sesame",
            "extra": {"sslmode": "require"},
        }
    }


def test_what_is_shared_is_handed_on_by_who_may_read_all(
    call: Call, deploy_as: Callable[..., Any], session: Any
) -> None:
    """A tenant's key may use it in queries, but not give its secrets to a kit."""
    call("POST", CONNECTIONS, json=connection("shared", None))
    refused = deploy_as("analytics-team", "shared")
    assert (refused.status, refused.json["error"]["details"]["scope"]) == (403, "connections:read")
    made = deploy_as(None, "shared")
    assert made.status == 200
    assert set(handed(session, made)) == {"shared"}


@pytest.mark.parametrize("who", ["analytics-team", None])
def test_anothers_is_as_one_that_does_not_exist(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], who: str | None
) -> None:
    """Also for an administrator: a kit of one tenant is not the place for another's secrets."""
    as_tenant("other")
    call("POST", CONNECTIONS, json=connection("theirs", "other"))
    answers = [deploy_as(who, name).json["error"] for name in ("theirs", "nowhere")]
    told = [error["details"]["errors"][0] for error in answers]
    assert [error["pointer"] for error in told] == ["/connections/0"] * 2
    assert told[0]["message"].replace("theirs", "nowhere") == told[1]["message"]


def test_another_connection_of_the_same_name_is_not_handed_over(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], session: Any
) -> None:
    """Whose name was freed and taken by somebody else: neither a run nor a rollback gets the new one."""
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    made = deploy_as("analytics-team", "own")
    deploy_as("analytics-team")
    call("DELETE", f"{CONNECTIONS}/own?force=true")
    for owner in ("other", None):
        as_tenant("other")
        call("POST", CONNECTIONS, json=connection("own", owner, password="another's"))
        with pytest.raises(ValidationFailed, match="no connection 'own'"):
            handed(session, made)
        body = {"revision": made.json["revision"]}
        refused = as_tenant("analytics-team")(
            "POST", f"{DATAKITS}/deployments/{made.json['id']}/rollback", json=body
        )
        assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
        call("DELETE", f"{CONNECTIONS}/own?force=true")


def test_one_that_was_given_to_another_tenant_is_not_handed_over(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], session: Any
) -> None:
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    made = deploy_as("analytics-team", "own")
    as_tenant("other")
    assert call("PATCH", f"{CONNECTIONS}/own", json={"tenant_id": "other"}).status == 200
    with pytest.raises(ValidationFailed):
        handed(session, made)


def test_grants_from_before_are_bound_to_the_rows_of_then(
    call: Call, deploy_as: Callable[..., Any], as_tenant: Callable[[str], Call], session: Any
) -> None:
    """They were names. What has the name at the upgrade is meant, if all share it; and back again."""
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
        handed(session, made)

    migration = import_module("airflow_platform_plugin.migrations.versions.0014_grants_of_connections_by_id")
    with Operations.context(MigrationContext.configure(session.connection())):
        migration.upgrade()
        session.refresh(row)
        assert row.spec == old | {"shared_connections": {"shared": id_}}
        assert set(handed(session, made)) == {"shared"}
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
def test_what_a_tenant_could_not_have_written_is_not_handed_over(
    call: Call, deploy_as: Callable[..., Any], session: Any, change: dict[str, str]
) -> None:
    """A row may be older than a rule. A shared one that was granted is not held to it."""
    call("POST", CONNECTIONS, json=connection("own", "analytics-team"))
    call("POST", CONNECTIONS, json=connection("everybodys", None))
    made = deploy_as(None, "own", "everybodys")
    assert set(handed(session, made)) == {"own", "everybodys"}
    for name in ("everybodys", "own"):
        row = session.scalars(select(Connection).where(Connection.conn_id == name)).one()
        for column, value in change.items():
            setattr(row, column, value)
        session.flush()
        if name == "everybodys":
            assert set(handed(session, made)) == {"own", "everybodys"}
    with pytest.raises((PermissionDenied, ValidationFailed)):
        handed(session, made)
