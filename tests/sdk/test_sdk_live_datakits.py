"""``client.datakits`` on the real application over HTTP: the reference's example, and waiting for Airflow."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reference
from airflow_platform import AsyncPlatformClient, PlatformClient
from airflow_platform.exceptions import DeploymentError
from airflow_platform.models import Deployment, DeploymentStatus
from live_platform import datakits_taken_away

from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import models as deployment_models

KIT: dict[str, Any] = {"name": "kit", "version": "1.0.0", "image": "registry.localhost/kit:1.0.0"}
Parse = Callable[[], None]


@pytest.fixture
def parse(app: Any) -> Iterator[Parse]:
    """Parse the loader file, as the DAG processor does soon after a deploy."""
    with datakits_taken_away() as parse:
        yield parse


@pytest.fixture
def key(committed_key: Callable[[str], str]) -> str:
    """An administrator's."""
    return committed_key("admin")


@pytest.fixture
def client(live_url: str, key: str, parse: Parse) -> Iterator[PlatformClient]:
    """An administrator's client."""
    with PlatformClient(live_url, key) as client:
        client.datakits.register(**KIT)
        yield client


@pytest.mark.parametrize("run", [reference.run, reference.run_async], ids=["sync", "async"])
def test_datakit_operations(
    run: Callable[..., Any], live_url: str, key: str, parse: Parse, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reference's example runs as it stands, and once Airflow has parsed what it made, it is active."""
    variables = run(reference.example("DataKit Operations"), live_url, key)
    assert capsys.readouterr().out == "Deployment status: pending\n"
    assert variables["deployment"].configuration == {"batch_size": 1000}
    parse()
    with PlatformClient(live_url, key) as client:
        assert str(client.datakits.get_deployment_status(variables["deployment"].id)) == "active"


def deploy(url: str, key: str, tell: Callable[[DeploymentStatus], None]) -> Deployment:
    with PlatformClient(url, key) as client:
        return client.datakits.deploy("kit", "production", wait=True, on_progress=tell)


def deploy_async(url: str, key: str, tell: Callable[[DeploymentStatus], None]) -> Deployment:
    async def session() -> Deployment:
        async with AsyncPlatformClient(url, key) as client:
            return await client.datakits.deploy("kit", "production", wait=True, on_progress=tell)

    return asyncio.run(session())


@pytest.mark.parametrize("made", [deploy, deploy_async])
@pytest.mark.usefixtures("client")
def test_a_deploy_tells_how_far_it_is(
    made: Callable[..., Deployment], live_url: str, key: str, parse: Parse
) -> None:
    """First that it is pending, while it is, and then that Airflow runs it."""
    told: list[str] = []

    def tell(status: DeploymentStatus) -> None:
        told.append(status.status)
        if told == ["pending"]:
            parse()

    assert made(live_url, key, tell).revision == 1
    assert told == ["pending", "active"]


def test_the_next_revision_is_active_as_soon_as_the_first(client: PlatformClient, parse: Parse) -> None:
    """Though Airflow stores a DAG that it knows only every half minute, if nobody tells it otherwise."""
    for retries in (1, 2, 3):
        deployment = client.datakits.deploy("kit", "production", retries=retries)
        parse()
        assert client.datakits.get_deployment_status(deployment.id).status == "active"


def test_what_airflow_cannot_run_is_told_with_its_error(client: PlatformClient, parse: Parse) -> None:
    """Another deployment of the same file is active."""
    broken, good = (client.datakits.deploy("kit", environment) for environment in ("broken", "good"))
    with db.transaction() as session:
        row = session.get(deployment_models.DeploymentRevision, (broken.id, 1))
        row.spec = row.spec | {"schedule": "61 * * * *"}
    parse()
    told: list[str] = []
    with pytest.raises(DeploymentError, match="out of range"):
        client.datakits.wait_for_deployment(broken.id, on_progress=lambda status: told.append(str(status)))
    assert told == ["import_error"]
    assert client.datakits.wait_for_deployment(good.id).status == "active"
