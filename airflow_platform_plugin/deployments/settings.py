"""The settings of deployments and their runners."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.settings import Settings


class DeploymentSettings(Settings):
    """The settings of deployments and their runners."""

    datakit_runners: str = Field(
        default="process",
        description="Runner of DataKits: `process`, `docker` or `kubernetes`; or one for each "
        "environment, `production=kubernetes, *=process`.",
    )
    require_installed_kits: bool = Field(
        default=False,
        description="Refuse a deploy to the runner `process` if the kit is not installed on the "
        "webserver. If off, the response has a warning.",
    )
    tenant_max_deployments: Annotated[int, Field(ge=1)] = Field(
        default=1000,
        description="Maximum number of deployments of one tenant. All deployments are in one file, which "
        "Airflow parses again and again.",
    )
    docker_url: str | None = Field(
        default=None,
        description="Engine of the runner `docker`, `unix:///socket` or `tcp://host:port`. By default "
        "`DOCKER_HOST` or the usual socket.",
    )
    docker_network: str | None = Field(
        default=None,
        description="Network of containers, such as `none`, `bridge` or a name. By default the kits of "
        "tenants have no network, and the platform's kits have the engine's default network.",
    )
    docker_connection: str | None = Field(
        default=None, description="Airflow connection of type docker that logs in to the registry."
    )
    kubernetes_connection: str = Field(
        default="kubernetes_default",
        description="Airflow connection of the runner `kubernetes`. If there is no connection with that "
        "name, the runner uses the cluster that Airflow runs in, or `KUBECONFIG`.",
    )
    kubernetes_pod_template: str | None = Field(
        default=None,
        description="File with a pod template for the pods of kits: node selectors, tolerations, a "
        "service account, pull secrets.",
    )


def service_urls() -> Iterator[str]:
    """Return the URL of the Docker engine that runs DataKits, if one is set."""
    url = settings.get(DeploymentSettings).docker_url
    if url is not None:
        yield url
