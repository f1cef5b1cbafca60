"""DataKits and where they are deployed."""

from typing import Any

from airflow_platform.models.base import Model, Moment


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
    created_at: Moment | None = None
    created_by: str | None = None


class Deployment(Model):
    """A version of a DataKit that runs as a DAG in one environment."""

    id: str
    datakit: str
    version: str
    environment: str
    namespace: str | None = None
    revision: int | None = None
    dag_id: str | None = None
    configuration: dict[str, Any] = {}
    schedule: str | None = None
    notifications: dict[str, Any] | None = None
    created_at: Moment | None = None
    created_by: str | None = None


class DeploymentStatus(Model):
    """What Airflow makes of a deployment: pending, active, paused or import_error."""

    deployment_id: str
    status: str
    dag_id: str | None = None
    revision: int | None = None
    version: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        return self.status
