"""What the service of deployments takes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from airflow_platform_plugin.core import pagination


class Notifications(TypedDict, total=False):
    """The recipients of mails about the end of a run.

    Attributes:
        on_success: mail addresses; None or an empty list for none.
        on_failure: mail addresses; None or an empty list for none.
    """

    on_success: list[str] | None
    on_failure: list[str] | None


class AutoRollbackPolicy(TypedDict):
    """When the worker rolls a deployment back.

    Attributes:
        after_failures: the number of consecutive failed runs.
    """

    after_failures: int


class DeploymentChanges(TypedDict, total=False):
    """What a deploy sets. An absent field keeps its value, and None resets it.

    Attributes:
        configuration: values of options by name; a None removes a value, and ``***`` keeps a secret.
        schedule: a cron expression, a preset or ``@inputs``.
        notifications: the recipients of mails.
        catchup: whether missed intervals are run, as in Airflow.
        start_date: the start of the first interval.
        retries: how often a failed try is repeated.
        retry_delay: seconds between tries.
        timeout: seconds for each try.
        max_active_runs: how many runs may be active at a time.
        connections: ids of Airflow connections that the kit gets.
        auto_rollback: when the worker rolls the deployment back.
    """

    configuration: dict[str, Any] | None
    schedule: str | None
    notifications: Notifications | None
    catchup: bool | None
    start_date: datetime | None
    retries: int | None
    retry_delay: float | None
    timeout: float | None
    max_active_runs: int | None
    connections: list[str] | None
    auto_rollback: AutoRollbackPolicy | None


class DeployRequest(DeploymentChanges):
    """A request to deploy a kit.

    Attributes:
        environment: where the kit runs, such as ``production``.
        namespace: the namespace; None for that of the caller's only tenant, or the default one.
        reason: stored with the revision.
        replace: reset absent fields, too.
        dry_run: check everything and write nothing.
        force: deploy a version that was rolled back automatically here.
    """

    environment: str
    namespace: str | None
    reason: str | None
    replace: bool
    dry_run: bool
    force: bool


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A request to roll back; without a target, to the revision before the current one.

    Attributes:
        version: the target is the last earlier revision of this version.
        revision: the target is the revision of this number.
        reason: stored with the new revision.
    """

    version: str | None = None
    revision: int | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeploymentFilter(pagination.Query):
    """A page of the list of deployments; a deployment matches every filter that is given.

    Attributes:
        datakit: the name of the kit.
        environment: the environment.
        namespace: the namespace.
        tenant_id: the tenant that owns the deployment.
        retired: retired deployments instead of active ones.
    """

    datakit: str | None = None
    environment: str | None = None
    namespace: str | None = None
    tenant_id: str | None = None
    retired: bool = False
