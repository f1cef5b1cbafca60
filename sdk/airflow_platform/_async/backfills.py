"""Backfills."""

import asyncio
from math import inf
from time import monotonic
from typing import ClassVar

from pydantic import PrivateAttr

from airflow_platform._async.pages import AsyncPage, AsyncRequestContext
from airflow_platform._async.session import AsyncResource, AsyncSession
from airflow_platform._http import build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.exceptions import PlatformError, PlatformTimeoutError
from airflow_platform.models.backfills import BackfillFields


class AsyncBackfill(BackfillFields):
    """Runs of a DAG for a range of dates. See ``BackfillFields`` for the attributes."""

    _session: AsyncSession = PrivateAttr()

    def model_post_init(self, context: AsyncRequestContext) -> None:
        """Remember the session, for further requests."""
        self._session = context.session

    async def refresh(self) -> None:
        """Fetch the current state and progress into this object.

        Raises:
            PlatformError: This is a dry run, which creates no backfill.
            ResourceNotFoundError: The backfill does not exist any more, or you may not see it.
        """
        if self.backfill_id is None:
            raise PlatformError("A dry run creates no backfill that you could refresh or wait for")
        path = build_path("platform", "backfills", self.backfill_id)
        for name, value in await self._session.fetch(AsyncBackfill, "GET", path):
            if name != "first_runs":
                setattr(self, name, value)

    async def wait(self, timeout: float | None = None, poll_interval: float = 5.0) -> "AsyncBackfill":
        """Wait until the backfill has ended, whether or not its runs succeeded.

        Args:
            timeout: Maximum number of seconds to wait; by default no limit.
            poll_interval: Seconds between two requests; by default 5.

        Returns:
            This object, refreshed.

        Raises:
            PlatformTimeoutError: The backfill has not ended within ``timeout`` seconds.
        """
        deadline = monotonic() + (inf if timeout is None else timeout)
        while not self.is_finished:
            left = deadline - monotonic()
            if left <= 0:
                raise PlatformTimeoutError(
                    f"Backfill {self.backfill_id} is still {self.state} after {timeout} s"
                )
            await asyncio.sleep(min(poll_interval, left))
            await self.refresh()
        return self


class AsyncBackfillPage(AsyncPage[AsyncBackfill]):
    """One page of backfills."""

    collection: ClassVar = "backfills"
    backfills: list[AsyncBackfill]


class AsyncBackfills(AsyncResource):
    """Backfills, as ``client.backfills``. ``client.dags.backfill`` creates one."""

    def list(
        self,
        *,
        dag_id: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> AsyncListing[AsyncBackfillPage]:
        """List backfills, the newest first.

        Args:
            dag_id: Only backfills of this DAG.
            state: Only backfills in this state, such as ``running``.
            limit: Maximum number of backfills over all pages; by default all.
            offset: Number of backfills to skip; by default 0.
            order_by: Column to sort by, such as ``start_date``; ``-start_date`` sorts in descending order.

        Returns:
            The first page when awaited; ``async for`` iterates over the backfills of all pages.
        """
        params = {"dag_id": dag_id, "state": state, "limit": limit, "offset": offset, "order_by": order_by}
        return self._session.list(AsyncBackfillPage, build_path("platform", "backfills"), params)

    async def get(self, backfill_id: str) -> AsyncBackfill:
        """Return a backfill with its state and progress.

        Args:
            backfill_id: Id of the backfill.

        Raises:
            ResourceNotFoundError: The backfill does not exist, or you may not see its DAG.
        """
        path = build_path("platform", "backfills", backfill_id)
        return await self._session.fetch(AsyncBackfill, "GET", path)

    async def pause(self, backfill_id: str) -> AsyncBackfill:
        """Pause a backfill: it starts no further runs until you resume it.

        Args:
            backfill_id: Id of the backfill.

        Raises:
            ConflictError: The backfill is not running.
            ResourceNotFoundError: The backfill does not exist, or you may not see its DAG.
        """
        return await self._post_action(backfill_id, "pause")

    async def resume(self, backfill_id: str) -> AsyncBackfill:
        """Resume a paused backfill.

        Args:
            backfill_id: Id of the backfill.

        Raises:
            ConflictError: The backfill is not paused.
            ResourceNotFoundError: The backfill does not exist, or you may not see its DAG.
        """
        return await self._post_action(backfill_id, "resume")

    async def cancel(self, backfill_id: str) -> AsyncBackfill:
        """Cancel a backfill: it starts no further runs, and its queued runs are removed.

        Runs that have started continue.

        Args:
            backfill_id: Id of the backfill.

        Raises:
            ConflictError: The backfill has ended.
            ResourceNotFoundError: The backfill does not exist, or you may not see its DAG.
        """
        return await self._post_action(backfill_id, "cancel")

    async def _post_action(self, backfill_id: str, action: str) -> AsyncBackfill:
        path = build_path("platform", "backfills", backfill_id, action)
        return await self._session.fetch(AsyncBackfill, "POST", path)
