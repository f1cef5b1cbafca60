"""DataKits and where they are deployed."""

from typing import Any

from airflow_platform.models.base import Model, Timestamp


class DataKit(Model):
    """One version of a DataKit."""

    id: str
    name: str
    version: str
    description: str | None = None
    image: str | None = None
    type: str | None = None
    inputs: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    configuration: dict[str, Any] = {}
    requirements: dict[str, Any] = {}
    tags: list[str] = []
    tenant_id: str | None = None
    withdrawn_at: Timestamp | None = None
    withdrawn_reason: str | None = None
    created_at: Timestamp | None = None
    created_by: str | None = None


class Revision(Model):
    """What was deployed, how, by whom and why; secrets are ``***``."""

    revision: int | None = None
    version: str
    configuration: dict[str, Any] = {}
    schedule: str | None = None
    notifications: dict[str, Any] | None = None
    action: str | None = None
    reason: str | None = None
    diff: list[dict[str, Any]] = []
    image_digest: str | None = None
    created_at: Timestamp | None = None
    created_by: str | None = None


class Deployment(Revision):
    """A version of a DataKit that runs as a DAG in one environment; those of a dry run have no id."""

    id: str = ""
    datakit: str
    environment: str
    namespace: str | None = None
    dag_id: str = ""
    bad_versions: list[str] = []
    retired_at: Timestamp | None = None
    warnings: list[str] = []  # of a deploy: what was dropped, or is missing


class DeploymentStatus(Model):
    """What Airflow makes of a deployment: pending, parsed, active, paused, import_error or retired."""

    deployment_id: str
    status: str
    dag_id: str | None = None
    revision: int | None = None
    version: str | None = None
    message: str | None = None
    next_run: Timestamp | None = None
    last_runs: list[dict[str, Any]] = []
    image_digest: str | None = None
    bad_versions: list[str] = []

    def __str__(self) -> str:
        return self.status
