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
        description="How DataKits run: `process`, `docker` or `kubernetes`; or for each environment, "
        "`production=kubernetes, *=process`.",
    )
    require_installed_kits: bool = Field(
        default=False,
        description="Refuse a deploy to the runner `process` where the webserver does not have the kit "
        "installed; otherwise the answer warns.",
    )
    tenant_max_deployments: Annotated[int, Field(ge=1)] = Field(
        default=1000,
        description="The most deployments that one tenant may have: all are in one file, which Airflow "
        "parses again and again.",
    )
    docker_url: str | None = Field(
        default=None,
        description="The engine of the runner `docker`, `unix:///socket` or `tcp://host:port`; unless given, "
        "`DOCKER_HOST` or the usual socket.",
    )
    docker_network: str | None = Field(
        default=None,
        description="The network of containers, such as `none`, `bridge` or a name; unless given, none for "
        "the kits of tenants, and the engine's own for the platform's.",
    )
    docker_connection: str | None = Field(
        default=None, description="The Airflow connection, of type docker, that logs in to the registry."
    )
    kubernetes_connection: str = Field(
        default="kubernetes_default",
        description="The Airflow connection of the runner `kubernetes`; where there is none of that name, "
        "it takes the cluster that Airflow itself runs in, or `KUBECONFIG`.",
    )
    kubernetes_pod_template: str | None = Field(
        default=None,
        description="A file with a pod that the pods of kits are made from: node selectors, tolerations, "
        "a service account, pull secrets.",
    )


def service_urls() -> Iterator[str]:
    """Return the URL of the Docker engine that runs DataKits, if one is set."""
    url = settings.get(DeploymentSettings).docker_url
    if url is not None:
        yield url
