"""The pure parts of the run contract."""

import json
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_platform_plugin.datakits.image_reference import image_name
from airflow_platform_plugin.datakits.manifest import Dataset, Manifest
from airflow_platform_plugin.deployments.execution import contract
from airflow_platform_plugin.deployments.execution.runners import base, process
from airflow_platform_plugin.deployments.spec import DeploymentSpec

MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def spec(manifest: dict[str, Any]) -> DeploymentSpec:
    """Return a deployment of the reference's kit with a secret."""
    secret = {"token": {"type": "string", "secret": True}}
    return DeploymentSpec(
        dag_id="d",
        manifest=Manifest.model_validate(manifest | {"configuration": manifest["configuration"] | secret}),
        environment="production",
        namespace="analytics",
        configuration={"batch_size": 5, "parallel_tasks": 4},
        schedule=None,
        start_date=MOMENT,
    )


def job(spec: DeploymentSpec, conf: dict[str, Any]) -> contract.Job:
    context = {
        "ti": SimpleNamespace(try_number=1),
        "dag_run": SimpleNamespace(run_id="r", conf=conf),
        "logical_date": MOMENT,
        "data_interval_start": MOMENT,
        "data_interval_end": MOMENT,
    }
    return contract.build_job(spec, context, {"token": "t"}, {})


def test_a_runs_conf_overrides_options_that_are_not_secret(spec: DeploymentSpec) -> None:
    private = job(spec, {"batch_size": 7, "token": "mine", "other": 1}).private
    assert json.loads(private["DATAKIT_CONFIGURATION"]) == {
        "batch_size": 7,
        "parallel_tasks": 4,
        "token": "t",
    }
    assert json.loads(private["DATAKIT_RUN"])["conf"] == {"batch_size": 7, "token": "mine", "other": 1}


def test_an_invalid_conf_is_refused(spec: DeploymentSpec) -> None:
    with pytest.raises(ValueError, match="batch_size must be of type integer"):
        job(spec, {"batch_size": "many"})
    with pytest.raises(ValueError, match="too long"):
        job(spec, {"note": "x" * 140_000})


@pytest.mark.parametrize(
    ("error", "message"),
    [("why\n", "why"), (None, "kit ended with exit status 1."), ("", "kit ended with exit status 1."),
     (" \n", "kit ended with exit status 1.")],
)  # fmt: skip
def test_a_failure_always_has_a_description(spec: DeploymentSpec, error: str | None, message: str) -> None:
    """A kit that reports a blank error fails with its exit status."""
    described = contract.describe_failure(spec, contract.KitExit(1), error)
    assert described == message.replace("kit", spec.manifest.name)


def test_public_variables_contain_no_secret(spec: DeploymentSpec) -> None:
    assert not {"DATAKIT_CONFIGURATION", "DATAKIT_RUN"} & job(spec, {}).environment.keys()


@pytest.mark.parametrize(
    ("text", "outputs", "error"),
    [
        ("", {}, None),
        (" \n", {}, None),
        ("{}", {}, None),
        (
            '{"outputs": {"gold.t": {"rows": 0}, "u": {"x": [1]}}}',
            {"gold.t": {"rows": 0}, "u": {"x": [1]}},
            None,
        ),
        ('{"outputs": {"t": {}}, "error": "why"}', {"t": {}}, "why"),
    ],
)
def test_valid_results_are_parsed(text: str, outputs: dict[str, Any], error: str | None) -> None:
    """Outputs are named with or without their schema, and a kit may write no result."""
    named = [Dataset(name="t", schema="gold"), Dataset(name="u")]
    result = contract.parse_result(text, named)
    assert {name: report.model_dump(exclude_none=True) for name, report in result.outputs.items()} == outputs
    assert result.error == error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: 5", "the document: Invalid JSON"),
        ("[]", "the document: Input should be an object"),
        ('{"rows": 5}', "rows: Extra inputs"),
        ('{"outputs": {"t": {"rows": "5"}}}', r"outputs\.t\.rows: Input should be a valid integer"),
        ('{"outputs": {"t": {"rows": -1}}}', r"outputs\.t\.rows"),
        ('{"outputs": {"nothing": {}}}', "does not declare: nothing"),
        ('{"error": ""}', "error: "),
        ("é" * 2049, "longer than 4096 bytes"),
    ],
)
def test_an_invalid_result_is_refused_by_field(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contract.parse_result(text, [Dataset(name="t")])


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("process", {"*": "process"}),
        (" docker ", {"*": "docker"}),
        ("production=kubernetes,*=process", {"production": "kubernetes", "*": "process"}),
        ("production = kubernetes , * = docker", {"production": "kubernetes", "*": "docker"}),
    ],
)
def test_runners_are_chosen_by_environment(text: str, table: dict[str, str]) -> None:
    assert base.parse_setting(text) == table


@pytest.mark.parametrize(
    "text",
    ["", "podman", "process,docker", "production=docker", "a=docker,a=docker,*=process", "*=", "=process"],
)
def test_an_invalid_choice_of_runners_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="datakit_runners must be one of process, docker, kubernetes"):
        base.parse_setting(text)


@pytest.mark.parametrize(
    "image",
    [
        "registry.localhost/datakits/customer-360:1.2.0",
        "registry.localhost:5000/customer-360",
        "customer-360@sha256:abc",
        "customer-360:1.0@sha256:abc",
    ],
)
def test_the_name_of_an_image_is_its_last_part(image: str) -> None:
    assert image_name(image) == "customer-360"


def test_only_installed_kits_are_found() -> None:
    """The demo kit is found; an image name cannot name a module or a shell command."""
    found = process.find("registry.localhost/datakits/customer-360:1.2.0")
    assert found is not None
    assert found.value == "airflow_platform_plugin.demo.customer_360:main"
    for image in ("os:system", "x/os.system", "sh", "../bin/sh", ""):
        assert process.find(image) is None
