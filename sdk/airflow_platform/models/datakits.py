"""DataKits and their deployments."""

from typing import Any

from airflow_platform.models.base import Model, Timestamp


class DataKit(Model):
    """One version of a DataKit.

    Attributes:
        id: Id of the version.
        name: Name of the kit.
        version: Semantic version.
        description: Description for people.
        image: OCI image.
        type: ``transformation``, ``ingestion`` or ``export``.
        inputs: Data that the kit reads, each with ``name``, ``type`` and ``schema``.
        outputs: Data that the kit writes, in the same form.
        configuration: Options of the kit, by name.
        requirements: Resources that one run needs: ``cpu``, ``memory`` and ``gpu``.
        tags: Tags of the kit.
        tenant_id: Owning tenant; None if all tenants may deploy the kit.
        withdrawn_at: When the version was withdrawn.
        withdrawn_reason: Why the version was withdrawn.
        created_at: When the version was registered.
        created_by: User who registered the version.
    """

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
    """A revision of a deployment.

    Attributes:
        revision: Number of the revision, from 1.
        version: Version of the kit.
        configuration: Values of the kit's options; ``***`` in place of secrets.
        schedule: Cron expression, preset or ``@inputs``; None for manual runs only.
        notifications: Email addresses: ``on_success`` and ``on_failure``.
        action: ``deploy``, ``redeploy``, ``rollback`` or ``auto_rollback``.
        reason: Reason that was given.
        diff: Differences from the previous revision, each with ``field``, ``before`` and ``after``.
        image_digest: Digest that the image's tag stood for in the first run; None if it is unknown.
        created_at: When the revision was created.
        created_by: User who created the revision.
    """

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
    """A DataKit in one environment and namespace, with its current revision.

    Attributes:
        id: Id of the deployment; empty for a dry run of a new one.
        datakit: Name of the kit.
        environment: The environment.
        namespace: The namespace.
        dag_id: Id of the DAG that runs the kit.
        bad_versions: Versions that were rolled back automatically; deploying them needs ``force``.
        retired_at: When the deployment was retired.
        warnings: Warnings of a deploy, such as options that were dropped.
    """

    id: str = ""
    datakit: str
    environment: str
    namespace: str | None = None
    dag_id: str = ""
    bad_versions: list[str] = []
    retired_at: Timestamp | None = None
    warnings: list[str] = []


class DeploymentStatus(Model):
    """The status of a deployment in Airflow. ``str()`` of it is ``status``.

    Attributes:
        deployment_id: Id of the deployment.
        status: ``pending``, ``parsed``, ``active``, ``paused``, ``import_error`` or ``retired``.
        dag_id: Id of the DAG.
        revision: Number of the current revision.
        version: Version of the kit.
        message: Why the deployment does not run.
        next_run: When the next scheduled run starts.
        last_runs: The last five runs, each with ``dag_run_id``, ``state`` and dates.
        image_digest: Digest that the image's tag stood for in the first run; None if it is unknown.
        bad_versions: Versions that were rolled back automatically.
    """

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
