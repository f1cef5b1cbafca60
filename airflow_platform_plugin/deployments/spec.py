"""``DeploymentSpec``: the document from which a deployment's DAG is built, as a revision stores it."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator, ConfigDict, Field

from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.datakits.manifest import Dataset, Manifest, Name, StrictModel

# Characters. The loader evaluates every schedule each time that Airflow parses it.
LONGEST_SCHEDULE = 100
# The schedule of a deployment that runs when all inputs of its kit have been written.
ON_INPUTS = "@inputs"


def _grants_of_rows(grants: Json) -> Json:
    """Drop grants that name no row: early revisions stored a list of names."""
    return {} if isinstance(grants, list) else grants


class DeploymentSpec(StrictModel):
    """Everything that a deployment's DAG is built from, in one document.

    Attributes:
        configuration: the values of options that are not secret.
        secrets: the names of secret options that have a value; a run loads the values itself.
        schedule: a cron expression, a preset, ``ON_INPUTS``, or None for runs by hand only.
        retry_delay: seconds.
        timeout: seconds for each try.
        chosen: the names of options that a deploy has set; the others follow the manifest's defaults.
            None in revisions from before this field.
        connections: ids of Airflow connections that the kit gets as ``AIRFLOW_CONN_*``.
        shared_connections: those of ``connections`` that belong to no tenant and were granted: the ids of
            the granted rows.
    """

    model_config = ConfigDict(strict=False)  # JSON has no times: start_date is stored as text

    dag_id: str
    manifest: Manifest
    environment: Name
    namespace: Name
    configuration: dict[str, Any]
    secrets: list[str] = Field(default_factory=list)
    schedule: str | None
    start_date: datetime
    deployment_id: str = ""
    revision: int = 0
    catchup: bool = False
    retries: int | None = None
    retry_delay: float | None = None
    timeout: float | None = None
    max_active_runs: int | None = None
    chosen: list[str] | None = None
    connections: list[str] = Field(default_factory=list)
    shared_connections: Annotated[dict[str, int], BeforeValidator(_grants_of_rows)] = Field(
        default_factory=dict
    )


def build_dataset_uri(item: Dataset, namespace: str, environment: str) -> str:
    """Return the URI of the Airflow Dataset for an input or output.

    The URI contains namespace and environment: an output in staging starts nothing in production, and an
    output of one tenant starts nothing of another. A scheme with "x-" is a private one (AIP-60): Airflow
    looks for no provider of it, which would take each task process a tenth of a second.
    """
    parts = [namespace, environment, *([item.schema_] if item.schema_ else []), item.name]
    return "x-datakit://" + "/".join(quote(part, safe="") for part in parts)


def build_dag_id(namespace: str, environment: str, name: str) -> str:
    """Return the id of a deployment's DAG. The parts contain no underscore, so the id is unique."""
    return f"{namespace}__{environment}__{name}"
