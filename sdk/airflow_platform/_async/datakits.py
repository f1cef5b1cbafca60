"""DataKits and their deployments."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, path
from airflow_platform._listing import AsyncListing
from airflow_platform.exceptions import DeploymentError, PlatformTimeoutError
from airflow_platform.models import DataKit, Deployment, DeploymentStatus, Revision


class AsyncDataKitPage(AsyncPage[DataKit]):
    """Some DataKits."""

    collection: ClassVar = "datakits"
    datakits: list[DataKit]


class AsyncDeploymentPage(AsyncPage[Deployment]):
    """Some deployments."""

    collection: ClassVar = "deployments"
    deployments: list[Deployment]


class AsyncRevisionPage(AsyncPage[Revision]):
    """Some revisions of a deployment."""

    collection: ClassVar = "revisions"
    revisions: list[Revision]


class AsyncDataKits(AsyncResource):
    """``client.datakits``."""

    async def register(
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
        return await self._session.fetch(DataKit, "POST", path("datakits"), json=manifest)

    def list(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the manifest's word
        tags: Sequence[str] | None = None,
        search: str | None = None,
        tenant_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncDataKitPage]:
        """The DataKits; ``search`` looks into names and descriptions."""
        params = {
            "type": type,
            "tags": tags,
            "search": search,
            "tenant_id": tenant_id,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncDataKitPage, path("datakits"), params)

    async def get(self, datakit_id: str) -> DataKit:
        """A DataKit by id, by ``name@version``, or the newest version by name."""
        return await self._session.fetch(DataKit, "GET", path("datakits", datakit_id))

    def versions(
        self, datakit_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncDataKitPage]:
        """All versions of a DataKit, the newest first."""
        params = {"limit": limit, "offset": offset}
        return self._session.list(AsyncDataKitPage, path("datakits", datakit_id, "versions"), params)

    async def schema(self) -> dict[str, Any]:
        """The JSON Schema of a manifest."""
        schema: dict[str, Any] = (await self._session.request("GET", path("datakits", "schema"))).json()
        return schema

    async def withdraw(
        self, datakit_id: str, reason: str | None = None, *, withdrawn: bool = True
    ) -> DataKit:
        """Let nobody deploy a version any more, or with ``withdrawn=False`` let them again."""
        body = {"withdrawn": withdrawn, "reason": reason}
        return await self._session.fetch(DataKit, "PATCH", path("datakits", datakit_id), json=body)

    async def delete(self, datakit_id: str) -> None:
        """Delete a version that no deployment runs."""
        await self._session.request("DELETE", path("datakits", datakit_id))

    async def deploy(
        self,
        datakit_id: str,
        environment: str,
        *,
        namespace: str | None = None,
        configuration: Mapping[str, Any] | Unset | None = UNSET,
        schedule: str | Unset | None = UNSET,
        notifications: Mapping[str, Sequence[str]] | Unset | None = UNSET,
        connections: Sequence[str] | Unset | None = UNSET,
        retries: int | Unset | None = UNSET,
        retry_delay: float | Unset | None = UNSET,
        try_timeout: float | Unset | None = UNSET,
        catchup: bool | Unset | None = UNSET,
        start_date: datetime | Unset | None = UNSET,
        max_active_runs: int | Unset | None = UNSET,
        auto_rollback: Mapping[str, int] | Unset | None = UNSET,
        reason: str | None = None,
        replace: bool = False,
        force: bool = False,
        dry_run: bool = False,
        wait: bool = False,
        timeout: float = 120.0,
        on_progress: Callable[[DeploymentStatus], None] | None = None,
    ) -> Deployment:
        """Run a DataKit as a DAG in an environment.

        Where the kit is deployed already, what is not given keeps its value; None resets it to its default.

        Args:
            datakit_id: An id, a name (its newest version), or ``name@version``.
            environment: Such as ``production``.
            namespace: The tenant's; by default ``default``.
            configuration: Values for the kit's options. Options that are not named keep their value, too.
            schedule: A cron expression, or ``@inputs``: whenever the kit's inputs are written.
            notifications: Addresses, as ``{"on_success": […], "on_failure": […]}``.
            connections: The Airflow connections that the kit gets.
            retries: How often a try that failed is repeated.
            retry_delay: Seconds between two tries.
            try_timeout: Seconds that one try may take.
            catchup: Whether intervals since ``start_date`` are run as well.
            start_date: From when on it is scheduled.
            max_active_runs: How many runs may be active at once.
            auto_rollback: ``{"after_failures": 3}`` goes back by itself after so many failed runs.
            reason: Is stored with the revision.
            replace: Set everything, and reset what is not given.
            force: Deploy a version that was rolled back here because its runs failed.
            dry_run: Check everything, show the difference, and write nothing.
            wait: Wait until Airflow has the DAG, as ``wait_for_deployment`` does.
            timeout: Seconds to wait, at the most.
            on_progress: Called with each new status while waiting.

        Raises:
            ConflictError: The platform can take none such now: a quota, a kit that the runner lacks.
            DeploymentError: With ``wait``: Airflow cannot make a DAG of it.
            PlatformTimeoutError: With ``wait``: it took longer than ``timeout``.
            ValidationError: A value does not fit; the message names it.
        """
        body = {
            "environment": environment,
            "namespace": _given(namespace),
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
            "reason": _given(reason),
            "replace": replace or UNSET,
            "force": force or UNSET,
            "dry_run": dry_run or UNSET,
        }
        url = path("datakits", datakit_id, "deploy")
        deployment = await self._session.fetch(Deployment, "POST", url, json=body, nulls=True)
        if wait and not dry_run:
            await self.wait_for_deployment(deployment.id, timeout=timeout, on_progress=on_progress)
        return deployment

    async def wait_for_deployment(
        self,
        deployment_id: str,
        *,
        timeout: float = 120.0,
        poll_interval: float = 1.0,
        on_progress: Callable[[DeploymentStatus], None] | None = None,
    ) -> DeploymentStatus:
        """Wait until Airflow runs a deployment as it is now: it is active, or paused.

        Args:
            deployment_id: Which one.
            timeout: Seconds, at the most.
            poll_interval: Seconds between two looks at it, where the platform does not wait itself.
            on_progress: Called with each new status.

        Raises:
            DeploymentError: Airflow cannot make a DAG of it, or it is retired.
            PlatformTimeoutError: It took longer than allowed.
        """
        deadline, before = monotonic() + timeout, None
        while True:
            left = deadline - monotonic()
            # The first look is told at once; only what is pending is what the platform itself waits for.
            is_first = before is None
            wait = max(0, min(20, int(left))) if before == "pending" else 0
            state = await self.get_deployment_status(deployment_id, wait=wait)
            if state.status != before and on_progress is not None:
                on_progress(state)
            before = state.status
            if state.status in ("active", "paused"):
                return state
            if state.status in ("import_error", "retired"):
                raise DeploymentError(state.message or f"The deployment is {state.status}.", state.status)
            left = deadline - monotonic()
            if left <= 0:
                raise PlatformTimeoutError(
                    f"Deployment {deployment_id} is still {state.status} after {timeout} s"
                )
            if not (is_first and before == "pending"):
                await asyncio.sleep(min(poll_interval, left))

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
        """The deployments; those that are retired only with ``retired=True``, and then no others."""
        params = {
            "datakit": datakit,
            "environment": environment,
            "namespace": namespace,
            "retired": retired,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncDeploymentPage, path("datakits", "deployments"), params)

    async def get_deployment(self, deployment_id: str) -> Deployment:
        """One deployment."""
        return await self._session.fetch(Deployment, "GET", path("datakits", "deployments", deployment_id))

    async def get_deployment_status(self, deployment_id: str, *, wait: int = 0) -> DeploymentStatus:
        """Whether Airflow has taken up a deployment; printed, it is one word.

        The platform waits up to ``wait`` seconds, at most 60, while it is pending, unless many wait already.
        """
        url = path("datakits", "deployments", deployment_id, "status")
        params, timeout = ({"wait": wait}, wait + 30.0) if wait else (None, None)
        return await self._session.fetch(DeploymentStatus, "GET", url, params=params, timeout=timeout)

    def revisions(
        self, deployment_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncRevisionPage]:
        """What was deployed so far, the newest first."""
        url = path("datakits", "deployments", deployment_id, "revisions")
        return self._session.list(AsyncRevisionPage, url, {"limit": limit, "offset": offset})

    async def rollback(
        self,
        deployment_id: str,
        *,
        version: str | None = None,
        revision: int | None = None,
        reason: str | None = None,
    ) -> Deployment:
        """Go back to the last revision of a version, to a revision, or to the one before."""
        body = {"version": version, "revision": revision, "reason": reason}
        return await self._change(deployment_id, "rollback", body)

    async def redeploy(self, deployment_id: str, *, reason: str | None = None) -> Deployment:
        """Deploy the present revision once more; a retired deployment comes back."""
        return await self._change(deployment_id, "redeploy", {"reason": reason})

    async def pause(self, deployment_id: str) -> Deployment:
        """Schedule no further runs."""
        return await self._change(deployment_id, "pause")

    async def resume(self, deployment_id: str) -> Deployment:
        """Schedule runs again."""
        return await self._change(deployment_id, "resume")

    async def retire(self, deployment_id: str) -> Deployment:
        """Take the DAG away; revisions and runs stay."""
        return await self._change(deployment_id, "retire")

    async def _change(self, deployment_id: str, verb: str, body: dict[str, Any] | None = None) -> Deployment:
        url = path("datakits", "deployments", deployment_id, verb)
        return await self._session.fetch(Deployment, "POST", url, json=body)


def _given(value: str | None) -> str | Unset:
    return UNSET if value is None else value
