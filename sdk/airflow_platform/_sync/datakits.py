# Written by scripts/unasync from the file of this name in _async; change that one.
"""DataKits and their deployments."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._sync.pages import Page
from airflow_platform._sync.session import Resource
from airflow_platform._http import path
from airflow_platform.models import DataKit, Deployment, DeploymentStatus


class DataKitPage(Page[DataKit]):
    """Some DataKits."""

    collection: ClassVar = "datakits"
    datakits: list[DataKit]


class DeploymentPage(Page[Deployment]):
    """Some deployments."""

    collection: ClassVar = "deployments"
    deployments: list[Deployment]


class DataKits(Resource):
    """``client.datakits``."""

    def register(
        self,
        name: str,
        version: str,
        image: str,
        *,
        type: str | None = None,  # noqa: A002 - the manifest's word
        description: str | None = None,
        inputs: Sequence[Mapping[str, Any]] | None = None,
        outputs: Sequence[Mapping[str, Any]] | None = None,
        configuration: Mapping[str, Any] | None = None,
        requirements: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        **more: Any,  # noqa: ANN401 - whatever else the platform's manifests hold
    ) -> DataKit:
        """Register a version of a DataKit; the same manifest once more changes nothing."""
        manifest = {
            "name": name,
            "version": version,
            "image": image,
            "type": type,
            "description": description,
            "inputs": inputs,
            "outputs": outputs,
            "configuration": configuration,
            "requirements": requirements,
            "tags": tags,
            **more,
        }
        return self._session.fetch(DataKit, "POST", path("datakits"), json=manifest)

    def list(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the manifest's word
        tags: Sequence[str] | None = None,
        search: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> DataKitPage:
        """The DataKits; ``search`` looks into names and descriptions."""
        params = {"type": type, "tags": tags, "search": search, "limit": limit, "offset": offset}
        return self._session.list(DataKitPage, path("datakits"), params)

    def get(self, datakit_id: str) -> DataKit:
        """A DataKit by id, by ``name@version``, or the newest version by name."""
        return self._session.fetch(DataKit, "GET", path("datakits", datakit_id))

    def deploy(
        self,
        datakit_id: str,
        environment: str,
        *,
        namespace: str | None = None,
        configuration: Mapping[str, Any] | None = None,
        schedule: str | None = None,
        notifications: Mapping[str, Sequence[str]] | None = None,
    ) -> Deployment:
        """Run a DataKit as a DAG in an environment."""
        body = {
            "environment": environment,
            "namespace": namespace,
            "configuration": configuration,
            "schedule": schedule,
            "notifications": notifications,
        }
        url = path("datakits", datakit_id, "deploy")
        return self._session.fetch(Deployment, "POST", url, json=body)

    def deployments(
        self,
        *,
        datakit: str | None = None,
        environment: str | None = None,
        namespace: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> DeploymentPage:
        """The deployments."""
        params = {
            "datakit": datakit,
            "environment": environment,
            "namespace": namespace,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(DeploymentPage, path("datakits", "deployments"), params)

    def get_deployment(self, deployment_id: str) -> Deployment:
        """One deployment."""
        return self._session.fetch(Deployment, "GET", path("datakits", "deployments", deployment_id))

    def get_deployment_status(self, deployment_id: str) -> DeploymentStatus:
        """Whether Airflow has taken up a deployment; printed, it is one word."""
        url = path("datakits", "deployments", deployment_id, "status")
        return self._session.fetch(DeploymentStatus, "GET", url)
