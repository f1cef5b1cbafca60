"""DAG runs."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from time import monotonic
from typing import ClassVar

from pydantic import PrivateAttr

from airflow_platform._async.pages import AsyncPage, AsyncRequestContext
from airflow_platform._async.session import AsyncResource, AsyncSession
from airflow_platform._http import build_path, encode_fields
from airflow_platform._listing import AsyncListing
from airflow_platform.exceptions import PlatformTimeoutError
from airflow_platform.models import DagRunFields, ItemResult, Model
from airflow_platform.types import Json, RunRequest


class AsyncDagRun(DagRunFields):
    """A run of a DAG. See ``DagRunFields`` for the attributes."""

    _session: AsyncSession = PrivateAttr()

    def model_post_init(self, context: AsyncRequestContext) -> None:
        """Remember the session, for further requests."""
        self._session = context.session

    async def refresh(self) -> None:
        """Fetch the run's current state into this object.

        Raises:
            ResourceNotFoundError: The run does not exist any more, or you may not see it.
        """
        path = build_path("dags", self.dag_id, "dagRuns", self.dag_run_id)
        for name, value in await self._session.fetch(AsyncDagRun, "GET", path):
            setattr(self, name, value)

    async def wait(self, timeout: float | None = None, poll_interval: float = 5.0) -> "AsyncDagRun":
        """Wait until the run has finished, whether it succeeded or failed.

        Args:
            timeout: Maximum number of seconds to wait; by default no limit.
            poll_interval: Seconds between two requests; by default 5.

        Returns:
            This object, refreshed.

        Raises:
            PlatformTimeoutError: The run has not finished within ``timeout`` seconds.
        """
        deadline = monotonic() + (inf if timeout is None else timeout)
        while not self.is_finished:
            left = deadline - monotonic()
            if left <= 0:
                raise PlatformTimeoutError(f"Run {self.dag_run_id} is still {self.state} after {timeout} s")
            await asyncio.sleep(min(poll_interval, left))
            await self.refresh()
        return self


class AsyncDagRunPage(AsyncPage[AsyncDagRun]):
    """One page of DAG runs."""

    collection: ClassVar = "dag_runs"
    dag_runs: list[AsyncDagRun]


class AsyncTriggeredRun(ItemResult):
    """The result for one run of ``trigger_many``.

    Attributes:
        dag_run: The new run; None if triggering it failed.
    """

    dag_run: AsyncDagRun | None = None


class AsyncTriggerResults(Model):
    """The results of ``trigger_many``.

    Attributes:
        succeeded: Number of runs that were triggered.
        failed: Number of runs that were not.
        results: The result for each run, in the order of the request.
    """

    succeeded: int
    failed: int
    results: list[AsyncTriggeredRun]


class AsyncDagRuns(AsyncResource):
    """The methods of ``client.dags`` for DAG runs."""

    async def trigger(
        self,
        dag_id: str,
        conf: Mapping[str, Json] | None = None,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        note: str | None = None,
    ) -> AsyncDagRun:
        """Trigger a run of a DAG.

        Args:
            dag_id: Id of the DAG.
            conf: Configuration of the run.
            run_id: Id of the new run; by default Airflow generates one.
            logical_date: Logical date of the run, with a time zone; by default now.
            note: Note to show with the run.

        Returns:
            The new run, which is queued. Use its ``wait`` or ``refresh`` to follow it.

        Raises:
            ConflictError: A run with this id or logical date exists.
            PermissionDeniedError: You may not trigger this DAG.
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
            ValidationError: ``conf`` does not match the DAG's params, or another value is invalid.

        Example:
            run = await client.dags.trigger("bronze_to_silver_pipeline", conf={"batch_size": 5000})
            await run.wait(timeout=600)
            print(run.state)
        """
        body = {"conf": conf, "dag_run_id": run_id, "logical_date": logical_date, "note": note}
        path = build_path("dags", dag_id, "dagRuns")
        return await self._session.fetch(AsyncDagRun, "POST", path, json=body)

    async def trigger_many(self, runs: Sequence[RunRequest]) -> AsyncTriggerResults:
        """Trigger up to 1,000 runs, of any DAGs, with one request.

        Each run succeeds or fails independently of the others.

        Args:
            runs: The runs, such as ``{"dag_id": "sales", "conf": {"batch_size": 5000}}``. Further keys are
                ``dag_run_id``, ``logical_date`` and ``note``.

        Raises:
            ValidationError: The request itself is invalid. Nothing was triggered.

        Example:
            answer = await client.dags.trigger_many([{"dag_id": "a"}, {"dag_id": "b", "conf": {"x": 1}}])
            for result in answer.results:
                print(result.status, result.dag_run or result.error)
        """
        body = {"runs": [encode_fields(run) for run in runs]}
        path = build_path("platform", "dags", "trigger")
        return await self._session.fetch(AsyncTriggerResults, "POST", path, json=body)

    def runs(
        self,
        dag_id: str,
        *,
        state: Sequence[str] | None = None,
        execution_date_gte: datetime | None = None,
        execution_date_lte: datetime | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> AsyncListing[AsyncDagRunPage]:
        """List the runs of a DAG.

        Args:
            dag_id: Id of the DAG.
            state: Only runs in one of these states, such as ``["failed"]``.
            execution_date_gte: Only runs with this logical date or a later one, with a time zone.
            execution_date_lte: Only runs with this logical date or an earlier one, with a time zone.
            limit: Maximum number of runs over all pages; by default all.
            offset: Number of runs to skip; by default 0.
            order_by: Column to sort by, such as ``execution_date``; with ``-`` in front in descending order.

        Returns:
            The first page when awaited; ``async for`` iterates over the runs of all pages.

        Raises:
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
        """
        params = {
            "state": state,
            "execution_date_gte": execution_date_gte,
            "execution_date_lte": execution_date_lte,
            "limit": limit,
            "offset": offset,
            "order_by": order_by,
        }
        return self._session.list(AsyncDagRunPage, build_path("dags", dag_id, "dagRuns"), params)

    async def get_run(self, dag_id: str, dag_run_id: str) -> AsyncDagRun:
        """Return a run of a DAG.

        Args:
            dag_id: Id of the DAG.
            dag_run_id: Id of the run.

        Raises:
            ResourceNotFoundError: The DAG or the run does not exist, or you may not see it.
        """
        path = build_path("dags", dag_id, "dagRuns", dag_run_id)
        return await self._session.fetch(AsyncDagRun, "GET", path)

    async def delete_run(self, dag_id: str, dag_run_id: str) -> None:
        """Delete a run of a DAG, with its task instances.

        Args:
            dag_id: Id of the DAG.
            dag_run_id: Id of the run.

        Raises:
            PermissionDeniedError: You may not delete runs of this DAG.
            ResourceNotFoundError: The DAG or the run does not exist, or you may not see it.
        """
        await self._session.request("DELETE", build_path("dags", dag_id, "dagRuns", dag_run_id))
