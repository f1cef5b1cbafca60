"""Backfills."""

import asyncio
from math import inf
from time import monotonic
from typing import ClassVar

from pydantic import PrivateAttr

from airflow_platform._async.pages import AsyncOrigin, AsyncPage
from airflow_platform._async.session import AsyncResource, AsyncSession
from airflow_platform._http import path
from airflow_platform._listing import AsyncListing
from airflow_platform.exceptions import PlatformError, PlatformTimeoutError
from airflow_platform.models.backfills import BackfillFields


class AsyncBackfill(BackfillFields):
    """Runs of a DAG for a range of dates."""

    _session: AsyncSession = PrivateAttr()

    def model_post_init(self, context: AsyncOrigin) -> None:
        """Remember whom to ask."""
        self._session = context.session

    async def refresh(self) -> None:
        """Ask the platform how far it has come."""
        if self.backfill_id is None:
            raise PlatformError("A dry run makes no backfill")
        url = path("platform", "backfills", self.backfill_id)
        for name, value in await self._session.fetch(AsyncBackfill, "GET", url):
            if name != "first_runs":
                setattr(self, name, value)

    async def wait(self, timeout: float | None = None, poll_interval: float = 5.0) -> "AsyncBackfill":
        """Wait until it has ended, well or badly, at most ``timeout`` seconds."""
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
    """Some backfills."""

    collection: ClassVar = "backfills"
    backfills: list[AsyncBackfill]


class AsyncBackfills(AsyncResource):
    """``client.backfills``; ``client.dags.backfill`` makes them."""

    def list(
        self,
        *,
        dag_id: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> AsyncListing[AsyncBackfillPage]:
        """The backfills, the newest first."""
        params = {"dag_id": dag_id, "state": state, "limit": limit, "offset": offset, "order_by": order_by}
        return self._session.list(AsyncBackfillPage, path("platform", "backfills"), params)

    async def get(self, backfill_id: str) -> AsyncBackfill:
        """One backfill."""
        return await self._session.fetch(AsyncBackfill, "GET", path("platform", "backfills", backfill_id))

    async def pause(self, backfill_id: str) -> AsyncBackfill:
        """Make no further runs until it is resumed."""
        return await self._turn(backfill_id, "pause")

    async def resume(self, backfill_id: str) -> AsyncBackfill:
        """Go on with a paused backfill."""
        return await self._turn(backfill_id, "resume")

    async def cancel(self, backfill_id: str) -> AsyncBackfill:
        """Make no further runs, and take back those that have not started."""
        return await self._turn(backfill_id, "cancel")

    async def _turn(self, backfill_id: str, turn: str) -> AsyncBackfill:
        url = path("platform", "backfills", backfill_id, turn)
        return await self._session.fetch(AsyncBackfill, "POST", url)
