"""The status of deployments, and waiting for it."""

import asyncio
from collections.abc import Callable
from time import monotonic

from airflow_platform._async.session import AsyncResource
from airflow_platform._http import build_path
from airflow_platform.exceptions import DeploymentError, PlatformTimeoutError
from airflow_platform.models import DeploymentStatus

# Seconds. A long wait would occupy one of the platform's workers for as long.
LONGEST_SERVER_WAIT = 20
RESPONSE_MARGIN = 30.0


class AsyncDeploymentStatuses(AsyncResource):
    """The methods of ``client.datakits`` for the status of deployments."""

    async def get_deployment_status(self, deployment_id: str, *, wait: int = 0) -> DeploymentStatus:
        """Return whether Airflow runs a deployment.

        Args:
            deployment_id: Id of the deployment.
            wait: Seconds that the platform waits for a status other than ``pending``, at most 60. The
                platform answers at once if too many requests wait already. By default 0.

        Returns:
            The status. ``str()`` of it is one word: ``pending``, ``parsed``, ``active``, ``paused``,
            ``import_error`` or ``retired``.

        Raises:
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.

        Example:
            status = await client.datakits.get_deployment_status(deployment.id)
            print(status, status.message)
        """
        path = build_path("datakits", "deployments", deployment_id, "status")
        params, timeout = ({"wait": wait}, wait + RESPONSE_MARGIN) if wait else (None, None)
        return await self._session.fetch(DeploymentStatus, "GET", path, params=params, timeout=timeout)

    async def wait_for_deployment(
        self,
        deployment_id: str,
        *,
        timeout: float = 120.0,
        poll_interval: float = 1.0,
        on_progress: Callable[[DeploymentStatus], None] | None = None,
    ) -> DeploymentStatus:
        """Wait until Airflow runs the current revision of a deployment: it is active, or paused.

        Args:
            deployment_id: Id of the deployment.
            timeout: Maximum number of seconds to wait; by default 120.
            poll_interval: Seconds between two requests, where the platform does not wait itself; by default
                1.
            on_progress: Called with each new status.

        Returns:
            The last status.

        Raises:
            DeploymentError: Airflow cannot run the deployment, or it is retired.
            PlatformTimeoutError: Airflow does not run it within ``timeout`` seconds.
            ResourceNotFoundError: The deployment does not exist, or belongs to another tenant.
        """
        deadline, previous = monotonic() + timeout, None
        while True:
            left = deadline - monotonic()
            # The first request is answered at once. The platform itself waits only while it is pending.
            is_first = previous is None
            wait = max(0, min(LONGEST_SERVER_WAIT, int(left))) if previous == "pending" else 0
            state = await self.get_deployment_status(deployment_id, wait=wait)
            if state.status != previous and on_progress is not None:
                on_progress(state)
            previous = state.status
            if state.status in ("active", "paused"):
                return state
            if state.status in ("import_error", "retired"):
                raise DeploymentError(state.message or f"The deployment is {state.status}.", state.status)
            left = deadline - monotonic()
            if left <= 0:
                raise PlatformTimeoutError(
                    f"Deployment {deployment_id} is still {state.status} after {timeout} s"
                )
            if not (is_first and previous == "pending"):
                await asyncio.sleep(min(poll_interval, left))
