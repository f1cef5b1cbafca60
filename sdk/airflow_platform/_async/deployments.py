"""Deployments of DataKits."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from airflow_platform._async.deployment_status import AsyncDeploymentStatuses
from airflow_platform._async.pages import AsyncPage
from airflow_platform._http import UNSET, Unset, build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Deployment, DeploymentStatus, Revision
from airflow_platform.types import AutoRollback, Json, Notifications


class AsyncDeploymentPage(AsyncPage[Deployment]):
    """One page of deployments."""

    collection: ClassVar = "deployments"
    deployments: list[Deployment]


class AsyncRevisionPage(AsyncPage[Revision]):
    """One page of revisions of a deployment."""

    collection: ClassVar = "revisions"
    revisions: list[Revision]


class AsyncDeployments(AsyncDeploymentStatuses):
    """The methods of ``client.datakits`` for deployments."""

    async def deploy(
        self,
        datakit_id: str,
        environment: str,
        *,
        namespace: str | None = None,
        configuration: Mapping[str, Json] | Unset | None = UNSET,
        schedule: str | Unset | None = UNSET,
        notifications: Notifications | Unset | None = UNSET,
        connections: Sequence[str] | Unset | None = UNSET,
        retries: int | Unset | None = UNSET,
        retry_delay: float | Unset | None = UNSET,
        try_timeout: float | Unset | None = UNSET,
        catchup: bool | Unset | None = UNSET,
        start_date: datetime | Unset | None = UNSET,
        max_active_runs: int | Unset | None = UNSET,
        auto_rollback: AutoRollback | Unset | None = UNSET,
        reason: str | None = None,
        replace: bool = False,
        force: bool = False,
        dry_run: bool = False,
        wait: bool = False,
        timeout: float = 120.0,
        on_progress: Callable[[DeploymentStatus], None] | None = None,
    ) -> Deployment:
        """Deploy a DataKit: run it as a DAG in an environment.

        If the kit is deployed there already, arguments that you leave out keep their value, and None resets a
        value to its default.

        Args:
            datakit_id: Id, ``name@version``, or name (its newest version).
            environment: Environment, such as ``production``.
            namespace: A tenant's namespace, or ``default``. By default your tenant's, if you have only one.
            configuration: Values of the kit's options, by name. Options that you do not name keep their
                value; None as a value resets an option.
            schedule: Cron expression, preset such as ``@daily``, or ``@inputs``, which starts a run when all
                inputs of the kit have been written. By default runs are started manually.
            notifications: Email addresses, as ``{"on_success": […], "on_failure": […]}``; by default none.
            connections: Ids of the Airflow connections that the kit gets, with their secrets; by default
                none.
            retries: How often a failed task is retried; by default as Airflow is configured.
            retry_delay: Seconds between two tries; by default as Airflow is configured.
            try_timeout: Seconds that one try may take; by default as Airflow is configured.
            catchup: Whether to run the schedule's past intervals since ``start_date``; by default false.
            start_date: Start of the schedule, with a time zone; by default the first deploy.
            max_active_runs: How many runs may be active at once; by default as Airflow is configured.
            auto_rollback: ``{"after_failures": 3}`` rolls back automatically after three failed runs in a
                row. By default nothing is rolled back.
            reason: Reason, stored with the revision.
            replace: Whether to reset what you leave out, instead of keeping it; by default false.
            force: Whether to deploy a version that was rolled back here automatically; by default false.
            dry_run: Whether to check everything and return the differences without deploying; by default
                false.
            wait: Whether to wait until Airflow runs the deployment, as ``wait_for_deployment`` does; by
                default false.
            timeout: Maximum number of seconds to wait, with ``wait``; by default 120.
            on_progress: Called with each new status while it waits.

        Returns:
            The deployment with its new revision. A dry run of a new deployment has no id.

        Raises:
            ConflictError: The version is withdrawn or marked as bad, the tenant's limits are reached, or the
                kit is not installed where the runner needs it.
            DeploymentError: With ``wait``: Airflow cannot run the deployment.
            PermissionDeniedError: The tenant does not have a feature that the kit needs, or you may not
                deploy here or attach these connections.
            PlatformTimeoutError: With ``wait``: Airflow does not run it within ``timeout`` seconds.
            ResourceNotFoundError: The kit does not exist, or belongs to another tenant.
            ValidationError: A value is invalid; ``errors`` names each.

        Example:
            deployment = await client.datakits.deploy("sales", "production", schedule="0 2 * * *", wait=True)
            print(deployment.dag_id, deployment.revision)
        """
        body = {
            "environment": environment,
            "namespace": _unset_if_none(namespace),
            "configuration": configuration,
            "schedule": schedule,
            "notifications": notifications,
            "connections": connections,
            "retries": retries,
            "retry_delay": retry_delay,
            "timeout": try_timeout,
            "catchup": catchup,
            "start_date": start_date,
            "max_active_runs": max_active_runs,
            "auto_rollback": auto_rollback,
            "reason": _unset_if_none(reason),
            "replace": replace or UNSET,
            "force": force or UNSET,
            "dry_run": dry_run or UNSET,
        }
        path = build_path("datakits", datakit_id, "deploy")
        deployment = await self._session.fetch(Deployment, "POST", path, json=body, keep_none=True)
        if wait and not dry_run:
            await self.wait_for_deployment(deployment.id, timeout=timeout, on_progress=on_progress)
        return deployment

    def deployments(
        self,
        *,
        datakit: str | None = None,
        environment: str | None = None,
        namespace: str | None = None,
        retired: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncDeploymentPage]:
        """List deployments.

        Args:
            datakit: Only deployments of the kit with this name.
            environment: Only deployments in this environment.
            namespace: Only deployments in this namespace.
            retired: Whether to list the retired deployments instead of the others; by default false.
            limit: Maximum number of deployments over all pages; by default all.
            offset: Number of deployments to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the deployments of all pages.
        """
        params = {
            "datakit": datakit,
            "environment": environment,
            "namespace": namespace,
            "retired": retired,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncDeploymentPage, build_path("datakits", "deployments"), params)

    async def get_deployment(self, deployment_id: str) -> Deployment:
        """Return a deployment with its current revision.

        Args:
            deployment_id: Id of the deployment.

        Raises:
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        path = build_path("datakits", "deployments", deployment_id)
        return await self._session.fetch(Deployment, "GET", path)

    def revisions(
        self, deployment_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncRevisionPage]:
        """List the revisions of a deployment, the newest first.

        Args:
            deployment_id: Id of the deployment.
            limit: Maximum number of revisions over all pages; by default all.
            offset: Number of revisions to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the revisions of all pages.

        Raises:
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        path = build_path("datakits", "deployments", deployment_id, "revisions")
        return self._session.list(AsyncRevisionPage, path, {"limit": limit, "offset": offset})

    async def rollback(
        self,
        deployment_id: str,
        *,
        version: str | None = None,
        revision: int | None = None,
        reason: str | None = None,
    ) -> Deployment:
        """Roll a deployment back to an earlier revision, by default to the previous one.

        The result is a new revision with the configuration, secrets, schedule and notifications of the
        earlier one.

        Args:
            deployment_id: Id of the deployment.
            version: Version of the kit to go back to, at its last revision.
            revision: Number of the revision to go back to.
            reason: Reason, stored with the new revision.

        Raises:
            ConflictError: The earlier version can no longer be deployed.
            PermissionDeniedError: You may not change this deployment.
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
            ValidationError: There is no such earlier revision.

        Example:
            await client.datakits.rollback(deployment.id, version="1.1.0", reason="wrong totals")
        """
        body = {"version": version, "revision": revision, "reason": reason}
        return await self._post_action(deployment_id, "rollback", body)

    async def redeploy(self, deployment_id: str, *, reason: str | None = None) -> Deployment:
        """Deploy the current revision again. This also brings back a retired deployment.

        Args:
            deployment_id: Id of the deployment.
            reason: Reason, stored with the new revision.

        Raises:
            ConflictError: The version can no longer be deployed.
            PermissionDeniedError: You may not change this deployment.
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        return await self._post_action(deployment_id, "redeploy", {"reason": reason})

    async def pause(self, deployment_id: str) -> Deployment:
        """Pause a deployment: Airflow schedules no further runs.

        Args:
            deployment_id: Id of the deployment.

        Raises:
            ConflictError: The deployment is retired.
            PermissionDeniedError: You may not change this deployment.
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        return await self._post_action(deployment_id, "pause")

    async def resume(self, deployment_id: str) -> Deployment:
        """Resume a paused deployment: Airflow schedules runs again.

        Args:
            deployment_id: Id of the deployment.

        Raises:
            ConflictError: The deployment is retired.
            PermissionDeniedError: You may not change this deployment.
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        return await self._post_action(deployment_id, "resume")

    async def retire(self, deployment_id: str) -> Deployment:
        """Retire a deployment: its DAG is removed. Its revisions and the history of its runs stay.

        Args:
            deployment_id: Id of the deployment.

        Raises:
            PermissionDeniedError: You may not change this deployment.
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        return await self._post_action(deployment_id, "retire")

    async def _post_action(
        self, deployment_id: str, action: str, body: dict[str, Any] | None = None
    ) -> Deployment:
        path = build_path("datakits", "deployments", deployment_id, action)
        return await self._session.fetch(Deployment, "POST", path, json=body)


def _unset_if_none(value: str | None) -> str | Unset:
    return UNSET if value is None else value
