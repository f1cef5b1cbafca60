"""The runner ``docker``: a container on an engine with Docker's API, by Airflow's DockerOperator."""

import io
import tarfile
from contextlib import suppress
from functools import cached_property
from typing import Any

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from docker.errors import APIError
from docker.types import DeviceRequest

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.naming import DEFAULT_NAMESPACE
from airflow_platform_plugin.deployments.execution.contract import (
    GRACE,
    LONGEST_RESULT,
    RESULT_FILE,
    Job,
    KitExit,
    last_line,
)
from airflow_platform_plugin.deployments.execution.runners.base import Runner
from airflow_platform_plugin.deployments.settings import DeploymentSettings

_FOLDER, _FILE = "datakit", "result.json"
_RESULT = f"/{_FOLDER}/{_FILE}"
_ENOUGH = LONGEST_RESULT + tarfile.RECORDSIZE  # bytes of the archive that has the result
_NANO = 10**9


class DockerRunner(Runner):
    """Runs a kit in a container, which is removed when it has ended."""

    def __init__(self) -> None:
        self._container: _Container | None = None

    def run(self, job: Job, context: Any) -> KitExit:  # noqa: ANN401 - the runners' interface
        """Run the container to its end.

        Raises:
            AirflowException: the engine cannot be reached.
            docker.errors.APIError: the image is not to be had, or the engine cannot start it.
        """
        container = self._container = _container(job)
        _remove(container, {"label": [f"{name}={value}" for name, value in _whose(job).items()]})
        printed = ""
        try:
            printed = airflow_compat.tasks.execute_nested(container, context) or ""
        except DockerContainerFailedException as error:
            printed = str(error.logs[-1]) if error.logs else ""
        finally:
            if container.container is not None:
                container_id = container.container["Id"]
                try:
                    container.cli.stop(container_id)  # politely, where a timeout has brought us here
                    ended = _look(container, container_id, last_line(printed))
                finally:
                    container.cli.remove_container(container_id, v=True, force=True)
        return ended

    def kill(self) -> None:
        """Stop the container: SIGTERM, and SIGKILL ten seconds later."""
        if self._container is not None:
            with suppress(AirflowException, APIError):
                self._container.on_kill()


class _Container(DockerOperator):
    """DockerOperator, which asks the engine for a little more than it has parameters for."""

    def __init__(self, *, nano_cpus: int | None, **kwargs: Any) -> None:  # noqa: ANN401 - DockerOperator's own
        super().__init__(**kwargs)
        self.nano_cpus = nano_cpus

    @cached_property
    def cli(self) -> "_Client":
        return _Client(self.hook.api_client, self.nano_cpus)


class _Client:
    """The engine's API, with a limit of CPU for each container and a file in it for the result.

    A file of the container's own, and no mount: the engine may be on another host. And with a time between
    SIGTERM and SIGKILL, for engines differ in what they take if none is given.
    """

    def __init__(self, api: Any, nano_cpus: int | None) -> None:  # noqa: ANN401 - docker.APIClient, untyped
        self._api = api
        self._nano_cpus = nano_cpus

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the API has
        return getattr(self._api, name)

    def create_host_config(self, **parameters: Any) -> Any:  # noqa: ANN401 - the same
        return self._api.create_host_config(nano_cpus=self._nano_cpus, **parameters)

    def stop(self, container: str) -> None:
        self._api.stop(container, timeout=GRACE)

    def start(self, container: str) -> None:
        self._api.put_archive(container, "/", _empty_result())
        self._api.start(container)


def _container(job: Job) -> _Container:
    chosen = settings.get(DeploymentSettings)
    needs = job.spec.manifest.requirements.amounts
    return _Container(
        task_id="container",
        image=job.spec.manifest.image,
        docker_url=chosen.docker_url,
        docker_conn_id=chosen.docker_connection,
        network_mode=chosen.docker_network or _network(job),
        environment=job.environment | {RESULT_FILE: _RESULT},
        private_environment=job.private,
        labels=_whose(job) | {"datakit.try_number": job.environment["DATAKIT_TRY_NUMBER"]},
        nano_cpus=int(needs["cpu"] * _NANO) if "cpu" in needs else None,
        mem_limit=int(needs["memory"]) if "memory" in needs else None,
        device_requests=[DeviceRequest(count=int(needs["gpu"]), capabilities=[["gpu"]])]
        if "gpu" in needs
        else None,
        mount_tmp_dir=False,
        auto_remove="never",  # not before the result is read
    )


def _network(job: Job) -> str | None:
    """The network where the operator names none.

    From the engine's own a tenant's image would reach what the engine's host does: Airflow's database, and a
    cloud's metadata with the host's credentials.
    """
    return None if job.spec.namespace == DEFAULT_NAMESPACE else "none"


def _whose(job: Job) -> dict[str, str]:
    """Labels by which an earlier try's container is found, if its task was killed and could not remove it.

    The deployment's id and not its DAG's: several Airflows may share an engine.
    """
    return {
        "datakit.deployment": job.spec.deployment_id,
        "datakit.run_id": job.environment["DATAKIT_RUN_ID"],
    }


def _remove(container: _Container, filters: dict[str, Any]) -> None:
    for left in container.cli.containers(all=True, quiet=True, filters=filters):
        container.cli.remove_container(left["Id"], v=True, force=True)


def _look(container: _Container, container_id: str, note: str) -> KitExit:
    """How the container has ended, and what it has left."""
    found = container.cli.inspect_container(container_id)
    return KitExit(
        status=int(found["State"]["ExitCode"]),
        result=_result(container, container_id),
        note=note,
        image_digest=_digest(container, found["Image"]),
    )


def _empty_result() -> bytes:
    """The folder and the file as an archive; whoever the image runs as may write there."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        folder, file = tarfile.TarInfo(_FOLDER), tarfile.TarInfo(f"{_FOLDER}/{_FILE}")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o777
        file.mode = 0o666
        archive.addfile(folder)
        archive.addfile(file)
    return content.getvalue()


def _result(container: _Container, container_id: str) -> str:
    content = b""
    # The kit may have deleted it, or made it something else than a file, or as long as a disk.
    with suppress(APIError, KeyError, tarfile.TarError):
        chunks, _ = container.cli.get_archive(container_id, _RESULT)
        for chunk in chunks:
            content += chunk
            if len(content) > _ENOUGH:
                break
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            file = archive.extractfile(_FILE)
            return file.read(LONGEST_RESULT + 1).decode(errors="replace") if file else ""
    return ""


def _digest(container: _Container, image_id: str) -> str | None:
    """What the registry calls the image; None for one that was never in a registry."""
    known = container.cli.inspect_image(image_id).get("RepoDigests") or []
    return known[0].partition("@")[2] if known else None


RUNNER = DockerRunner
