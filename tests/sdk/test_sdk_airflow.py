"""The client with Airflow's web application and the plugin."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from airflow_platform import PlatformClient
from airflow_platform.exceptions import (
    AuthenticationError,
    ConflictError,
    DeploymentError,
    ResourceNotFoundError,
    ValidationError,
)


@pytest.fixture
def airflow(app: Any, make_key: Callable[[str], str]) -> Iterator[PlatformClient]:
    """Return a client of a platform admin."""
    with PlatformClient(api_key=make_key("admin"), transport=httpx.WSGITransport(app)) as client:
        yield client


def test_airflows_own_endpoints_accept_the_requests(airflow: PlatformClient) -> None:
    """Airflow's endpoints accept the API key and the parameters."""
    page = airflow.dags.list(tags=["production", "etl"], only_active=True, limit=5, offset=0)
    assert (page.dags, page.total_entries) == ([], 0)
    with pytest.raises(ResourceNotFoundError) as caught:
        airflow.dags.get("non_existent_dag")
    assert caught.value.code == "RESOURCE_NOT_FOUND"
    assert caught.value.request_id


def test_a_wrong_key_is_an_authentication_error(app: Any) -> None:
    """The error code is the platform's."""
    with (
        PlatformClient(api_key="wrong", transport=httpx.WSGITransport(app)) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.dags.list()
    assert caught.value.code == "AUTHENTICATION_FAILED"


def test_a_tenant_is_created_once(airflow: PlatformClient, tenant: dict[str, Any]) -> None:
    """The API reference's tenant is created and found; creating it again is a conflict."""
    created = airflow.tenants.create(**tenant)
    assert created.created_at is not None
    assert created.created_at.tzinfo is not None
    assert airflow.tenants.get(created.tenant_id) == created
    assert created in list(airflow.tenants.list())
    with pytest.raises(ConflictError):
        airflow.tenants.create(**tenant)


def test_a_tenant_is_updated_and_deleted(airflow: PlatformClient, tenant: dict[str, Any]) -> None:
    """Objects are merged, None removes a key, and a tenant that owns something needs ``cascade``."""
    tenant_id = airflow.tenants.create(**tenant).tenant_id
    changed = airflow.tenants.update(
        tenant_id,
        resource_limits={"cpu": "8000m", "memory": "32Gi", "storage": None},
        features={"gpu_support": True},
    )
    assert changed.resource_limits == {"cpu": "8000m", "memory": "32Gi"}
    assert changed.features == tenant["features"] | {"gpu_support": True}
    assert changed.metadata == tenant["metadata"]
    usage = airflow.tenants.usage(tenant_id)
    assert (usage.left["memory"], usage.owned["connections"]) == ("32Gi", 0)
    found = airflow.tenants.list(namespace=tenant["namespace"], search="nalytics", order_by="-tenant_id")
    assert list(found) == [changed]
    airflow.connections.create("theirs", "http", host="example.com", tenant_id=tenant_id)
    with pytest.raises(ConflictError) as caught:
        airflow.tenants.delete(tenant_id)
    assert caught.value.details["owned"] == {"connections": ["theirs"]}
    airflow.tenants.delete(tenant_id, cascade=True)
    assert list(airflow.tenants.list(search=tenant_id)) == []


def test_members_of_a_tenant_are_set_listed_and_removed(airflow: PlatformClient) -> None:
    """A member has one role at a time; the list has filters and pages."""
    airflow.tenants.create("t")
    assert airflow.tenants.set_member("t", "viewer", "member").role == "member"
    member = airflow.tenants.set_member("t", "viewer", "viewer")
    airflow.tenants.set_member("t", "admin", "admin")
    page = airflow.tenants.members("t", role="viewer", search="iew")
    assert (list(page), page.groups, page.total_entries) == ([member], [], 1)
    assert [each.username for each in airflow.tenants.members("t", order_by="-username")] == [
        "viewer",
        "admin",
    ]
    assert [each.username for each in airflow.tenants.members("t", limit=1, offset=1)] == ["viewer"]
    airflow.tenants.remove_member("t", "viewer")
    with pytest.raises(ResourceNotFoundError):
        airflow.tenants.remove_member("t", "viewer")
    with pytest.raises(ResourceNotFoundError, match="username: there is no user 'nobody'"):
        airflow.tenants.set_member("t", "nobody", "member")


def test_a_validation_error_names_the_fields(airflow: PlatformClient) -> None:
    """``errors`` has a pointer to each invalid field."""
    with pytest.raises(ValidationError) as caught:
        airflow.tenants.create("Not A Label")
    assert caught.value.errors[0]["pointer"] == "/tenant_id"


def test_a_datakit_is_registered_found_and_deployed(
    airflow: PlatformClient, manifest: dict[str, Any]
) -> None:
    """The kit of the API reference is found by id, name, version, type and tag."""
    kit = airflow.datakits.register(**manifest)
    assert airflow.datakits.register(**manifest).id == kit.id
    assert airflow.datakits.get(f"{kit.name}@{kit.version}") == airflow.datakits.get(kit.name) == kit
    assert kit in list(airflow.datakits.list(type="transformation", tags=["customer"], search="360"))

    deployed = airflow.datakits.deploy(kit.id, "production", configuration={"batch_size": 1000})
    stored = airflow.datakits.get_deployment(deployed.id)
    assert (stored.id, stored.created_at) == (deployed.id, deployed.created_at)
    assert stored in airflow.datakits.deployments(datakit=kit.name, environment="production").deployments
    assert str(airflow.datakits.get_deployment_status(deployed.id)) == "pending"


def test_a_deployment_from_dry_run_to_retirement(airflow: PlatformClient, manifest: dict[str, Any]) -> None:
    """Each method for deployments works, and a version is withdrawn and deleted."""
    kits = airflow.datakits
    kit = kits.register(**manifest)
    assert kits.schema()["title"] == "DataKit"
    assert [version.version for version in kits.versions(kit.name)] == ["1.2.0"]
    assert kits.deploy(kit.id, "production", dry_run=True, wait=True).id == ""
    created = kits.deploy(kit.id, "production", schedule="@daily", reason="first", try_timeout=60)
    kits.deploy(kit.id, "production", auto_rollback={"after_failures": 3})
    assert [row.revision for row in kits.revisions(created.id)] == [2, 1]
    assert kits.rollback(created.id, revision=1).schedule == "@daily"
    assert kits.redeploy(created.id).revision == 4
    assert kits.pause(created.id).id == kits.resume(created.id).id == created.id
    assert kits.withdraw(kit.id, "old").withdrawn_reason == "old"
    assert kits.retire(created.id).retired_at is not None
    assert list(kits.deployments()) == []
    assert [row.id for row in kits.deployments(retired=True)] == [created.id]
    with pytest.raises(DeploymentError, match="retired"):
        kits.wait_for_deployment(created.id)
    kits.delete(kit.id)
    assert list(kits.list(tenant_id="none")) == []


def test_a_webhook_is_created_and_deleted(airflow: PlatformClient) -> None:
    """Only the first response contains the secret."""
    created = airflow.webhooks.create("n", "https://example.com/hook", ["dag.success"])
    assert created.secret
    assert airflow.webhooks.get(created.webhook_id).secret is None
    assert created.webhook_id in [webhook.webhook_id for webhook in airflow.webhooks.list()]
    airflow.webhooks.delete(created.webhook_id)
    with pytest.raises(ResourceNotFoundError):
        airflow.webhooks.get(created.webhook_id)
