"""``client.datakits`` with the real application over HTTP."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reference
from airflow_platform import AsyncPlatformClient, PlatformClient
from airflow_platform.exceptions import DeploymentError
from airflow_platform.models import Deployment, DeploymentStatus
from live_platform import delete_datakits_afterwards

from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import models as deployment_models

KIT: dict[str, Any] = {"name": "kit", "version": "1.0.0", "image": "registry.localhost/kit:1.0.0"}
Parse = Callable[[], None]


@pytest.fixture
def parse(app: Any) -> Iterator[Parse]:
    """Return a function that parses the loader file, as the DAG processor does."""
    with delete_datakits_afterwards() as parse:
        yield parse


@pytest.fixture
def key(committed_key: Callable[[str], str]) -> str:
    """Return an API key of a platform admin."""
    return committed_key("admin")


@pytest.fixture
def client(live_url: str, key: str, parse: Parse) -> Iterator[PlatformClient]:
    """Return a client of a platform admin, with a registered kit."""
    with PlatformClient(live_url, key) as client:
        client.datakits.register(**KIT)
        yield client


@pytest.mark.parametrize("run", [reference.run, reference.run_async], ids=["sync", "async"])
def test_the_example_of_the_api_reference_works(
    run: Callable[..., Any], live_url: str, key: str, parse: Parse, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example runs unchanged; its deployment is active once Airflow has parsed it."""
    variables = run(reference.example("DataKit Operations"), live_url, key)
    assert capsys.readouterr().out == "Deployment status: pending\n"
    assert variables["deployment"].configuration == {"batch_size": 1000}
    parse()
    with PlatformClient(live_url, key) as client:
        assert str(client.datakits.get_deployment_status(variables["deployment"].id)) == "active"


def deploy(url: str, key: str, on_progress: Callable[[DeploymentStatus], None]) -> Deployment:
    with PlatformClient(url, key) as client:
        return client.datakits.deploy("kit", "production", wait=True, on_progress=on_progress)


def deploy_async(url: str, key: str, on_progress: Callable[[DeploymentStatus], None]) -> Deployment:
    async def session() -> Deployment:
        async with AsyncPlatformClient(url, key) as client:
            return await client.datakits.deploy("kit", "production", wait=True, on_progress=on_progress)

    return asyncio.run(session())


@pytest.mark.parametrize("run_deploy", [deploy, deploy_async])
@pytest.mark.usefixtures("client")
def test_deploy_reports_each_status(
    run_deploy: Callable[..., Deployment], live_url: str, key: str, parse: Parse
) -> None:
    """``on_progress`` gets ``pending`` while it waits, then ``active``."""
    reported: list[str] = []

    def report(status: DeploymentStatus) -> None:
        reported.append(status.status)
        if reported == ["pending"]:
            parse()

    assert run_deploy(live_url, key, report).revision == 1
    assert reported == ["pending", "active"]


def test_a_second_revision_is_active_at_once(client: PlatformClient, parse: Parse) -> None:
    """A new revision does not wait for Airflow's min_serialized_dag_update_interval of 30 s."""
    for retries in (1, 2, 3):
        deployment = client.datakits.deploy("kit", "production", retries=retries)
        parse()
        assert client.datakits.get_deployment_status(deployment.id).status == "active"


def test_an_import_error_is_reported_with_its_reason(client: PlatformClient, parse: Parse) -> None:
    """Other deployments of the same file are active."""
    broken, good = (client.datakits.deploy("kit", environment) for environment in ("broken", "good"))
    with db.transaction() as session:
        row = session.get(deployment_models.DeploymentRevision, (broken.id, 1))
        row.spec = row.spec | {"schedule": "61 * * * *"}
    parse()
    reported: list[str] = []
    with pytest.raises(DeploymentError, match="out of range"):
        client.datakits.wait_for_deployment(
            broken.id, on_progress=lambda status: reported.append(str(status))
        )
    assert reported == ["import_error"]
    assert client.datakits.wait_for_deployment(good.id).status == "active"
