"""Where a kit may run, and what it can reach there."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from options import set_options
from pydantic import ValidationError

from airflow_platform_plugin.datakits.settings import DataKitSettings
from airflow_platform_plugin.demo import customer_360

URL = "/api/v1/datakits"
Call = Callable[..., Any]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that changes settings."""

    def choose(**options: Any) -> None:
        set_options(monkeypatch, **options)

    return choose


def test_a_deploy_warns_if_the_kit_is_not_installed(
    call: Call, deploy: Call, manifest: dict[str, Any]
) -> None:
    """It may be installed where the tasks run. A dry run warns, too."""
    assert deploy().json["warnings"] == []
    call("POST", URL, json=manifest | {"name": "etl", "image": "x/customer-etl:1.0.0"})
    for answer in (deploy("etl", dry_run=True), deploy("etl")):
        (warning,) = answer.json["warnings"]
        assert warning.startswith("No kit 'customer-etl' is installed here")


def test_a_setting_refuses_kits_that_are_not_installed(
    call: Call, deploy: Call, manifest: dict[str, Any], chosen: Callable[..., None]
) -> None:
    deploy()
    call("POST", URL, json=manifest | {"name": "etl", "image": "x/customer-etl:1.0.0"})
    chosen(require_installed_kits=True)
    refused = deploy("etl")
    assert refused.status == 409
    assert "no such entry point" in refused.json["error"]["message"]
    assert deploy().status == 200
    chosen(require_installed_kits=True, datakit_runners="docker")
    assert (deploy("etl").status, deploy("etl").json["warnings"]) == (201, [])


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("registry.localhost/analytics-team/kit:1", 201),
        ("registry.localhost/other/kit:1", 403),
        ("registry.localhost/analytics-team-2/kit:1", 403),
        ("evil.example/registry.localhost/analytics-team/kit:1", 403),
        ("kit:1", 403),
    ],
)
def test_a_tenants_kit_may_use_only_images_of_the_tenant(  # noqa: PLR0913, PLR0917 - fixtures and a row
    call: Call, deploy: Call, manifest: dict[str, Any], chosen: Callable[..., None], image: str, status: int
) -> None:
    """The login of the registry can pull all images. Kits of the platform are not limited."""
    chosen(tenant_images="registry.localhost/{tenant_id}/")
    assert deploy(dry_run=True).status == 200
    for name, owner, wanted in (("own", "analytics-team", status), ("all", None, 201)):
        kit = manifest | {"name": name, "image": image, "tenant_id": owner, "requirements": {}}
        assert call("POST", URL, json=kit).status == 201
        body = {"environment": "production", "namespace": "analytics"}
        assert call("POST", f"{URL}/{name}/deploy", json=body).status == wanted


def test_a_rollback_checks_the_current_rule_for_images(
    call: Call, tenant: dict[str, Any], manifest: dict[str, Any], chosen: Callable[..., None]
) -> None:
    call("POST", "/api/v1/platform/tenants", json=tenant)
    call("POST", URL, json=manifest | {"name": "own", "tenant_id": "analytics-team"})
    body = {"environment": "production", "namespace": "analytics"}
    made = call("POST", f"{URL}/own/deploy", json=body).json
    chosen(tenant_images="elsewhere.example/{tenant_id}/")
    assert call("POST", f"{URL}/deployments/{made['id']}/redeploy", json={}).status == 403


def test_the_number_of_a_tenants_deployments_is_limited(
    call: Call, deploy: Call, chosen: Callable[..., None], manifest: dict[str, Any]
) -> None:
    """All deployments are in one file, which Airflow must parse in time."""
    chosen(tenant_max_deployments=2)
    call("POST", URL, json=manifest | {"name": "light", "requirements": {}})
    made = [deploy("light", environment=name) for name in ("one", "two", "three")]
    assert [answer.status for answer in made] == [201, 201, 409]
    assert "2 deployments" in made[2].json["error"]["message"]
    assert deploy("light", environment="two").status == 200
    first = f"{URL}/deployments/{made[0].json['id']}"
    call("POST", f"{first}/retire")
    assert deploy("light", environment="three").status == 201
    assert call("POST", f"{first}/redeploy", json={}).status == 409
    assert deploy("light", environment="one").status == 409


def test_the_document_of_a_deployment_is_limited(deploy: Call, session: Any) -> None:
    """Each parsing reads all documents. A registration has its own limit."""
    from sqlalchemy import select

    from airflow_platform_plugin.datakits.models import DataKit

    deploy(dry_run=True)
    kit = session.scalars(select(DataKit)).one()
    described = {f"o{number}": {"type": "string", "description": "x" * 900} for number in range(300)}
    kit.manifest = kit.manifest | {"configuration": described}
    session.flush()
    refused = deploy(configuration={})
    assert refused.status == 400
    assert "bytes of JSON" in refused.json["error"]["message"]


def test_the_prefix_of_images_ends_with_a_slash() -> None:
    with pytest.raises(ValidationError):
        DataKitSettings(tenant_images="registry.localhost/{tenant_id}")


@pytest.mark.parametrize(
    ("namespace", "option", "network"),
    [
        ("analytics", None, "none"),
        ("default", None, None),
        ("analytics", "bridge", "bridge"),
        ("default", "none", "none"),
    ],
)
def test_a_tenants_container_has_no_network_by_default(
    chosen: Callable[..., None], namespace: str, option: str | None, network: str | None
) -> None:
    """The engine's default network reaches Airflow's database and the metadata service of the host."""
    from airflow_platform_plugin.datakits.manifest import Requirements
    from airflow_platform_plugin.deployments.execution.runners import docker

    chosen(docker_network=option, docker_url="unix:///nowhere")
    manifest = SimpleNamespace(image="x/kit:1", requirements=Requirements())
    spec: Any = SimpleNamespace(namespace=namespace, manifest=manifest, deployment_id="dep_1")
    variables = {"DATAKIT_RUN_ID": "r", "DATAKIT_TRY_NUMBER": "1"}
    assert docker._container(docker.Job(spec, variables, {})).network_mode == network


@pytest.mark.parametrize("fields", [{"tenant_id": "default"}, {"tenant_id": "t", "namespace": "default"}])
def test_no_tenant_can_have_the_platforms_namespace(call: Call, fields: dict[str, str]) -> None:
    """It would own the deployments of the platform."""
    refused = call("POST", "/api/v1/platform/tenants", json=fields)
    (error,) = refused.json["error"]["details"]["errors"]
    assert (refused.status, error["pointer"]) == (400, f"/{list(fields)[-1]}")
    made = call("POST", "/api/v1/platform/tenants", json={"tenant_id": "default", "namespace": "d"})
    assert made.status == 201


@pytest.mark.usefixtures("warehouse")
def test_the_demo_kit_reaches_only_the_quickstarts_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is installed with the plugin, so any tenant can run it."""
    monkeypatch.delenv("AIRFLOW_PLATFORM_DEMO_WAREHOUSE", raising=False)
    with pytest.raises(SystemExit) as ended:
        customer_360._warehouse()
    assert ended.value.code == 78


def test_a_deploy_takes_over_no_dag_that_airflow_has_already(call: Call, deploy: Call, session: Any) -> None:
    """Somebody has written it, or it is the history of a deleted tenant. Later deploys pass."""
    from airflow.models.dag import DagModel

    dag_id = "analytics__production__customer-360-datakit"
    session.add(DagModel(dag_id=dag_id, fileloc="/dags/by_hand.py", is_active=False))
    session.flush()
    for options in ({}, {"dry_run": True}, {"force": True}):
        refused = deploy(**options)
        assert refused.status == 409
        assert refused.json["error"]["details"] == {"dag_id": dag_id}
    session.query(DagModel).filter_by(dag_id=dag_id).delete()
    assert deploy().status == 201
    session.add(DagModel(dag_id=dag_id, fileloc="/dags/datakits.py"))
    session.flush()
    assert deploy().status == 200
