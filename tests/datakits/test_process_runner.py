"""The runner ``process``: what a kit sees, and what its end means. The processes are real."""

from datetime import datetime, timezone
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException

from airflow_platform_plugin.datakits.manifest import DeploymentSpec, Manifest, image_name
from airflow_platform_plugin.datakits.runners import process


@pytest.mark.parametrize(
    "image",
    [
        "registry.localhost/datakits/customer-360:1.2.0",
        "registry.localhost:5000/customer-360",
        "customer-360@sha256:abc",
        "customer-360:1.0@sha256:abc",
    ],
)
def test_the_image_name_is_its_last_part_alone(image: str) -> None:
    assert image_name(image) == "customer-360"


def test_only_what_is_installed_is_found() -> None:
    """The demo kit is; a module's path or a shell's command is not, whatever an image is called."""
    found = process.find("registry.localhost/datakits/customer-360:1.2.0")
    assert found is not None
    assert found.value == "airflow_platform_plugin.demo.customer_360:main"
    for image in ("os:system", "x/os.system", "sh", "../bin/sh", ""):
        assert process.find(image) is None


@pytest.fixture
def spec(manifest: dict[str, Any]) -> DeploymentSpec:
    """A deployment of the reference's kit."""
    return DeploymentSpec(
        dag_id="d",
        manifest=Manifest.model_validate(manifest),
        environment="production",
        namespace="analytics",
        configuration={"batch_size": 5},
        schedule=None,
        start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    )


CONTEXT = {
    "dag_run": SimpleNamespace(run_id="r"),
    "data_interval_start": datetime(2024, 1, 1, tzinfo=timezone.utc),
    "data_interval_end": datetime(2024, 1, 2, tzinfo=timezone.utc),
}


def test_the_environment_is_the_contract(spec: DeploymentSpec) -> None:
    assert process.environment(spec, CONTEXT) == {
        "DATAKIT_NAME": "customer-360-datakit",
        "DATAKIT_VERSION": "1.2.0",
        "DATAKIT_ENVIRONMENT": "production",
        "DATAKIT_NAMESPACE": "analytics",
        "DATAKIT_DAG_ID": "d",
        "DATAKIT_RUN_ID": "r",
        "DATAKIT_DATA_INTERVAL_START": "2024-01-01T00:00:00+00:00",
        "DATAKIT_DATA_INTERVAL_END": "2024-01-02T00:00:00+00:00",
        "DATAKIT_CONFIGURATION": '{"batch_size": 5}',
        "DATAKIT_INPUTS": '[{"name": "customers", "type": "table", "schema": "bronze"}, '
        '{"name": "orders", "type": "table", "schema": "bronze"}]',
        "DATAKIT_OUTPUTS": '[{"name": "customer_360", "type": "table", "schema": "gold"}]',
    }


def test_a_kit_that_is_not_installed_fails_the_task(spec: DeploymentSpec) -> None:
    document = spec.model_dump(mode="json")
    document["manifest"]["image"] = "registry.localhost/unknown:1"
    operator = process.ProcessOperator(task_id="run", spec=document)
    with pytest.raises(AirflowException, match="No kit 'unknown' is installed"):
        operator.execute(CONTEXT)


def test_a_kit_that_ends_badly_fails_the_task(spec: DeploymentSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process: there is no kit of that name for the child, so it ends with status 1."""
    entry = EntryPoint(name="gone", value="nowhere:main", group="airflow_platform.datakits")
    monkeypatch.setattr(process, "find", lambda _: entry)
    operator = process.ProcessOperator(task_id="run", spec=spec.model_dump(mode="json"))
    with pytest.raises(AirflowException, match="exit status 1"):
        operator.execute(CONTEXT)
