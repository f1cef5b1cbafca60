"""The runner ``docker``: a container on an engine with the Docker API, by Airflow's DockerOperator."""

import io
import tarfile
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeAlias

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from docker.errors import APIError
from docker.types import DeviceRequest

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.types import TaskContext
from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.naming import DEFAULT_NAMESPACE
from airflow_platform_plugin.core.types import Option, Resolved
from airflow_platform_plugin.deployments.execution.contract import (
    GRACE,
    LONGEST_RESULT,
    RESULT_FILE,
    Job,
    KitExit,
    describe_last_line,
)
from airflow_platform_plugin.deployments.execution.runners.base import Runner
from airflow_platform_plugin.deployments.settings import DeploymentSettings

_FOLDER, _FILE = "datakit", "result.json"
_RESULT = f"/{_FOLDER}/{_FILE}"
_LONGEST_ARCHIVE = LONGEST_RESULT + tarfile.RECORDSIZE  # bytes of the archive with the result
_NANO = 10**9

_Api: TypeAlias = Any  # docker.APIClient, which has no types
_HostConfig: TypeAlias = Any  # docker.types.HostConfig


class DockerRunner(Runner):
    """Runs a kit in a container, which is removed after its end."""

    def __init__(self) -> None:
        self._container: _Container | None = None

    def run(self, job: Job, context: TaskContext) -> KitExit:
        """Run the container to its end.

        Raises:
            AirflowException: the engine cannot be reached.
            docker.errors.APIError: the engine cannot pull the image, or cannot start it.
        """
        container = self._container = _container(job)
        _remove_containers(
            container, {"label": [f"{name}={value}" for name, value in _identity_labels(job).items()]}
        )
        printed = ""
        try:
            printed = airflow_compat.tasks.execute_nested(container, context) or ""
        except DockerContainerFailedException as error:
            printed = str(error.logs[-1]) if error.logs else ""
        finally:
            if container.container is not None:
                container_id = container.container["Id"]
                try:
                    container.cli.stop(
                        container_id
                    )  # with a grace period, if a timeout of the task ended the wait
                    kit_exit = _read_exit(container, container_id, describe_last_line(printed))
                finally:
                    container.cli.remove_container(container_id, v=True, force=True)
        return kit_exit

    def kill(self) -> None:
        """Stop the container: SIGTERM, and SIGKILL after the grace period."""
        if self._container is not None:
            with suppress(AirflowException, APIError):
                self._container.on_kill()


class _Container(DockerOperator):
    """DockerOperator, with requests to the engine for which it has no parameters."""

    def __init__(self, *, nano_cpus: int | None, **kwargs: Option) -> None:
        super().__init__(**kwargs)
        self.nano_cpus = nano_cpus

    @cached_property
    def cli(self) -> "_Client":
        return _Client(self.hook.api_client, self.nano_cpus)


class _Client:
    """The engine's API, with a CPU limit, a file for the result and a grace period for each container.

    The file is in the container and not a mount, because the engine may be on another host. The grace period
    is explicit, because the defaults of engines differ.
    """

    def __init__(self, api: _Api, nano_cpus: int | None) -> None:
        self._api = api
        self._nano_cpus = nano_cpus

    def __getattr__(self, name: str) -> Resolved:
        return getattr(self._api, name)

    def create_host_config(self, **parameters: Option) -> _HostConfig:
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
        labels=_identity_labels(job) | {"datakit.try_number": job.environment["DATAKIT_TRY_NUMBER"]},
        nano_cpus=int(needs["cpu"] * _NANO) if "cpu" in needs else None,
        mem_limit=int(needs["memory"]) if "memory" in needs else None,
        device_requests=[DeviceRequest(count=int(needs["gpu"]), capabilities=[["gpu"]])]
        if "gpu" in needs
        else None,
        mount_tmp_dir=False,
        auto_remove="never",  # the runner removes it after it has read the result
    )


def _network(job: Job) -> str | None:
    """Return the network if the setting ``docker_network`` is not set.

    From the engine's default network, a tenant's image would reach everything that the engine's host reaches:
    Airflow's database, and a cloud's metadata service with the credentials of the host.
    """
    return None if job.spec.namespace == DEFAULT_NAMESPACE else "none"


def _identity_labels(job: Job) -> dict[str, str]:
    """Return the labels that identify the container of an earlier try whose task was killed.

    They have the deployment's id and not the DAG's, because several Airflows may share an engine.
    """
    return {
        "datakit.deployment": job.spec.deployment_id,
        "datakit.run_id": job.environment["DATAKIT_RUN_ID"],
    }


def _remove_containers(container: _Container, filters: dict[str, Any]) -> None:
    for left in container.cli.containers(all=True, quiet=True, filters=filters):
        container.cli.remove_container(left["Id"], v=True, force=True)


def _read_exit(container: _Container, container_id: str, note: str) -> KitExit:
    """Return the exit of the container, with its result file."""
    state = container.cli.inspect_container(container_id)
    return KitExit(
        status=int(state["State"]["ExitCode"]),
        result=_result(container, container_id),
        note=note,
        image_digest=_digest(container, state["Image"]),
    )


def _empty_result() -> bytes:
    """Return the folder and the empty file as an archive; any user of the image may write to them."""
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
    # The kit may have deleted the file, replaced it by something else, or filled it without end.
    with suppress(APIError, KeyError, tarfile.TarError):
        chunks, _ = container.cli.get_archive(container_id, _RESULT)
        for chunk in chunks:
            content += chunk
            if len(content) > _LONGEST_ARCHIVE:
                break
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            file = archive.extractfile(_FILE)
            return file.read(LONGEST_RESULT + 1).decode(errors="replace") if file else ""
    return ""


def _digest(container: _Container, image_id: str) -> str | None:
    """Return the digest of the image in its registry; None for an image that was never in a registry."""
    digests = container.cli.inspect_image(image_id).get("RepoDigests") or []
    return digests[0].partition("@")[2] if digests else None


RUNNER = DockerRunner
