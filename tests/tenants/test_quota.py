"""Quotas: what fits at deploy, and what runs at one moment."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from options import set_options
from sqlalchemy import select

from airflow_platform_plugin.deployments.execution import loader
from airflow_platform_plugin.tenants import quota

API = "/api/v1"
Call = Callable[..., Any]


@pytest.mark.parametrize(
    ("limits", "needs", "slots"),
    [
        ({"cpu": "4", "memory": "16Gi"}, {"cpu": 1, "memory": 2**30}, 250),
        ({"cpu": "4", "memory": "16Gi"}, {"cpu": 1, "memory": 8 * 2**30}, 500),
        ({"cpu": "3"}, {"cpu": 1}, 334),
        ({"cpu": "4000m"}, {}, 1),
        ({}, {"cpu": 64}, 1),
        ({"cpu": "1"}, {"cpu": 2}, 2000),
        ({"cpu": "0"}, {"cpu": 1}, 1001),
        ({"gpu": "2"}, {"gpu": 1}, 500),
        ({"storage": "1"}, {"storage": 1}, 1),
    ],
)
def test_a_task_takes_its_dominant_share(limits: dict[str, str], needs: dict[str, int], slots: int) -> None:
    """Slots are rounded up, so that running tasks never exceed a limit.

    A task that cannot fit gets more slots than exist.
    """
    assert quota.count_slots(limits, {name: Decimal(need) for name, need in needs.items()}) == slots


@pytest.fixture
def deploy(call: Call, manifest: dict[str, Any]) -> Callable[..., Any]:
    """Deploy a kit that needs 2 CPUs and 4Gi for a tenant that has 5 and 8Gi."""
    limits = {"cpu": "5", "memory": "8Gi"}
    features = {"custom_operators": True}  # in tests, kits run as processes next to Airflow
    tenant = {"tenant_id": "team", "namespace": "analytics", "resource_limits": limits, "features": features}
    assert call("POST", f"{API}/platform/tenants", json=tenant).status == 201

    def send(name: str = "one", environment: str = "production", **needs: Any) -> Any:
        kit = manifest | {"name": name, "requirements": manifest["requirements"] | needs}
        assert call("POST", f"{API}/datakits", json=kit).status in {200, 201}
        place = {"environment": environment, "namespace": "analytics"}
        return call("POST", f"{API}/datakits/{name}/deploy", json=place)

    return send


def test_a_deploy_that_exceeds_a_limit_is_refused(call: Call, deploy: Callable[..., Any]) -> None:
    """The error has what is used, asked and left; nothing is written."""
    assert [deploy("one").status, deploy("two").status] == [201, 201]
    refused = deploy("three", cpu="1500m")
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert refused.json["error"]["details"]["exceeded"] == {
        "cpu": {"limit": "5", "used": "4", "asked": "1500m", "left": "1"},
        "memory": {"limit": "8Gi", "used": "8Gi", "asked": "4Gi", "left": "0"},
    }
    usage = call("GET", f"{API}/platform/tenants/team/usage").json
    assert usage["used"] == {"cpu": "4", "memory": "8Gi"}
    assert usage["left"] == {"cpu": "1", "memory": "0"}
    assert usage["owned"]["deployments"] == 2


def test_a_deploy_releases_what_its_previous_revision_needed(deploy: Callable[..., Any]) -> None:
    """Deploying the same kit again fits."""
    assert [deploy("one").status, deploy("two").status] == [201, 201]
    assert deploy("two").status == 200


@pytest.mark.parametrize(
    ("feature", "features", "needs"),
    [
        ("datakits", {"datakits": False}, {}),
        ("gpu_support", {}, {"gpu": True}),
        ("gpu_support", {"gpu_support": False}, {"gpu": True}),
        ("custom_operators", {"custom_operators": None}, {}),
    ],
)
def test_a_missing_feature_is_named(
    call: Call,
    deploy: Callable[..., Any],
    feature: str,
    features: dict[str, bool | None],
    needs: dict[str, Any],
) -> None:
    """The deploy succeeds once the tenant has the feature."""
    call("PATCH", f"{API}/platform/tenants/team", json={"features": features})
    refused = deploy("one", **needs)
    assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert refused.json["error"]["details"]["feature"] == feature
    call("PATCH", f"{API}/platform/tenants/team", json={"features": {feature: True}})
    assert deploy("one", **needs).status == 201


def test_kits_in_containers_do_not_need_custom_operators(
    call: Call, deploy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feature is only for kits that run inside Airflow's own environment."""
    set_options(monkeypatch, datakit_runners="staging=docker, *=process")
    call("PATCH", f"{API}/platform/tenants/team", json={"features": {"custom_operators": False}})
    assert deploy("one", environment="staging").status == 201
    assert deploy("one", environment="production").status == 403


def test_a_container_must_declare_requirements_for_limited_resources(
    deploy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them, nothing would limit the container."""
    set_options(monkeypatch, datakit_runners="docker")
    refused = deploy("one", memory=None)
    assert (refused.status, refused.json["error"]["details"]) == (409, {"missing": ["memory"]})
    assert deploy("two").status == 201


def test_an_unknown_runner_in_the_setting_is_an_operators_error(
    deploy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response is a 503 that names the setting."""
    set_options(monkeypatch, datakit_runners="podman")
    refused = deploy("one")
    assert (refused.status, "datakit_runners" in refused.json["error"]["message"]) == (503, True)


def test_a_dag_runs_in_the_tenants_pool_with_current_limits(
    call: Call, deploy: Callable[..., Any], session: Any
) -> None:
    """A lower limit takes effect without a deploy: the platform requests parsing, and shares grow."""
    from airflow.models.pool import Pool

    dag_id = deploy("one").json["dag_id"]
    task = loader.load("/dags/datakits.py")[dag_id].get_task("run")
    assert (task.pool, task.pool_slots) == ("tenant-team", 500)  # 4 of 8Gi
    pool = session.scalars(select(Pool).where(Pool.pool == task.pool)).one()
    # While a task is deferred, its kit still runs in a pod.
    assert (pool.slots, pool.include_deferred) == (quota.POOL_SLOTS, True)
    from airflow_platform_plugin.airflow_compat.models import DagPriorityParsingRequest

    session.query(DagPriorityParsingRequest).delete()
    call("PATCH", f"{API}/platform/tenants/team", json={"resource_limits": {"cpu": "2500m"}})
    assert session.query(DagPriorityParsingRequest.fileloc).all() == [("/dags/datakits.py",)]
    assert loader.load("/dags/datakits.py")[dag_id].get_task("run").pool_slots == 800


def test_a_dag_has_the_tenants_tag_and_grants_no_permissions(deploy: Callable[..., Any]) -> None:
    """Airflow's permissions would be rows for each DAG and each tenant."""
    dag_id = deploy("one").json["dag_id"]
    dag = loader.load("/dags/datakits.py")[dag_id]
    assert dag.access_control is None
    assert "tenant:team" in dag.tags


def test_a_kit_cannot_claim_another_tenant_by_a_tag(
    call: Call, deploy: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """Tags of that form are left out of the DAG."""
    kit = manifest | {"name": "sly", "tags": ["tenant:other"]}
    call("POST", f"{API}/datakits", json=kit)
    place = {"environment": "production", "namespace": "analytics"}
    dag_id = call("POST", f"{API}/datakits/sly/deploy", json=place).json["dag_id"]
    assert "tenant:other" not in loader.load("/dags/datakits.py")[dag_id].tags


def test_the_pool_is_deleted_with_the_tenant(call: Call, deploy: Callable[..., Any], session: Any) -> None:
    """Airflow keeps no pool of a deleted tenant."""
    from airflow.models.pool import Pool

    deploy("one")
    assert call("DELETE", f"{API}/platform/tenants/team?cascade=true").status == 204
    assert session.scalars(select(Pool).where(Pool.pool == "tenant-team")).all() == []
