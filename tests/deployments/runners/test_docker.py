"""The runner ``docker``: images, containers of killed tasks, and unreachable engines."""

from collections.abc import Callable, Iterator
from typing import Any

import docker
import docker_engine
import pytest
import servers
from airflow.exceptions import AirflowException
from docker.errors import APIError
from options import set_options
from places import IMAGE, SCRIPT, Place
from sqlalchemy import select

from airflow_platform_plugin.deployments.models import DeploymentRevision

Kit = Callable[..., Any]


@pytest.fixture
def place(docker_place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Run all kits in containers."""
    set_options(monkeypatch, datakit_runners="docker", **docker_place.options)
    return docker_place


@pytest.fixture
def client(engine: docker_engine.Engine) -> docker.APIClient:
    """Return a client of the engine."""
    return docker.APIClient(engine.url)


@pytest.fixture
def pushed(engine: docker_engine.Engine, client: docker.APIClient) -> Iterator[str]:
    """Push the kit's image to a registry, and remove it from the engine."""
    registry = servers.registry()
    image = f"{registry.url.removeprefix('http://')}/datakits/kit:1.0.0"
    docker_engine.busybox_image(engine.url, image, SCRIPT)
    for line in client.push(image, stream=True, decode=True):
        assert "error" not in line, line
    client.remove_image(image)
    yield image
    registry.stop()


def test_an_image_is_pulled_and_its_digest_is_stored(
    kit: Kit, pushed: str, client: docker.APIClient, session: Any
) -> None:
    """The digest is that of the registry."""
    run = kit("report", image=pushed)
    assert run() == {"gold.customer_360": {"rows": 7, "checksum": "abc"}}
    (known,) = client.inspect_image(pushed)["RepoDigests"]
    kept = session.scalar(select(DeploymentRevision.image_digest))
    assert kept == known.partition("@")[2]
    assert kept.startswith("sha256:")


def test_an_image_that_cannot_be_pulled_fails_the_task(kit: Kit, place: Place) -> None:
    registry = servers.registry()
    try:
        with pytest.raises(APIError, match=r"not found|manifest unknown"):
            kit("report", image=f"{registry.url.removeprefix('http://')}/nothing:1.0.0")()
    finally:
        registry.stop()
    assert place.left() == []


def test_an_image_may_run_as_any_user(
    kit: Kit, engine: docker_engine.Engine, client: docker.APIClient
) -> None:
    """It can still write its result."""
    docker_engine.busybox_image(engine.url, "base:1", SCRIPT)
    image = client.create_container("base:1", user="1234")
    client.commit(image, "careful", tag="1.0.0", changes="USER 1234")
    client.remove_container(image)
    assert kit("report", image="careful:1.0.0")() == {"gold.customer_360": {"rows": 7, "checksum": "abc"}}


def test_a_try_removes_the_container_of_a_killed_task(
    kit: Kit, place: Place, client: docker.APIClient
) -> None:
    """Containers of other runs stay."""
    run = kit("report")
    labels = {"datakit.deployment": run.task.spec["deployment_id"], "datakit.run_id": run.context["run_id"]}
    left = [client.create_container(IMAGE, labels=labels)["Id"]]
    others = [client.create_container(IMAGE, labels=labels | {"datakit.run_id": "other"})["Id"]]
    run()
    assert [container["Id"] for container in place.left()] == others
    client.remove_container(others[0])
    assert left[0] not in others


@pytest.mark.parametrize("mode", ["result-link", "result-folder", "result-gone"])
def test_a_result_that_is_not_a_file_is_ignored(kit: Kit, mode: str) -> None:
    assert kit(mode)() is None


def test_an_unreachable_engine_fails_the_task(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kit("report")
    set_options(monkeypatch, datakit_runners="docker", docker_url="unix:///nowhere/socket")
    with pytest.raises(AirflowException, match="Docker host"):
        run()
