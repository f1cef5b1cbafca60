"""DAGs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import ClassVar

from airflow_platform._async.backfills import AsyncBackfill
from airflow_platform._async.dag_runs import AsyncDagRuns
from airflow_platform._async.pages import AsyncPage
from airflow_platform._http import build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Dag
from airflow_platform.types import Json


class AsyncDagPage(AsyncPage[Dag]):
    """One page of DAGs."""

    collection: ClassVar = "dags"
    dags: list[Dag]


class AsyncDags(AsyncDagRuns):
    """DAGs, their runs and backfills, as ``client.dags``."""

    def list(
        self,
        *,
        tags: Sequence[str] | None = None,
        only_active: bool | None = None,
        paused: bool | None = None,
        dag_id_pattern: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> AsyncListing[AsyncDagPage]:
        """List DAGs.

        Args:
            tags: Only DAGs with at least one of these tags.
            only_active: Whether to leave out DAGs that Airflow no longer finds; by default true.
            paused: Only paused DAGs (true), or only DAGs that are not paused (false); by default both.
            dag_id_pattern: Only DAGs with this text in the id.
            limit: Maximum number of DAGs over all pages; by default all.
            offset: Number of DAGs to skip; by default 0.
            order_by: Column to sort by, such as ``dag_id``; with ``-`` in front in descending order.

        Returns:
            The first page when awaited; ``async for`` iterates over the DAGs of all pages.

        Example:
            async for dag in client.dags.list(tags=["production"], only_active=True):
                print(dag.dag_id, dag.schedule_interval)
        """
        params = {
            "tags": tags,
            "only_active": only_active,
            "paused": paused,
            "dag_id_pattern": dag_id_pattern,
            "limit": limit,
            "offset": offset,
            "order_by": order_by,
        }
        return self._session.list(AsyncDagPage, build_path("dags"), params)

    async def get(self, dag_id: str) -> Dag:
        """Return a DAG.

        Args:
            dag_id: Id of the DAG.

        Raises:
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
        """
        return await self._session.fetch(Dag, "GET", build_path("dags", dag_id))

    async def update(self, dag_id: str, *, is_paused: bool) -> Dag:
        """Pause or unpause a DAG, which is all that Airflow allows to change.

        Args:
            dag_id: Id of the DAG.
            is_paused: Whether the DAG is paused.

        Raises:
            PermissionDeniedError: You may not change this DAG.
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
        """
        path = build_path("dags", dag_id)
        return await self._session.fetch(Dag, "PATCH", path, json={"is_paused": is_paused})

    async def pause(self, dag_id: str) -> Dag:
        """Pause a DAG: Airflow schedules no further runs.

        Args:
            dag_id: Id of the DAG.

        Raises:
            PermissionDeniedError: You may not change this DAG.
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
        """
        return await self.update(dag_id, is_paused=True)

    async def unpause(self, dag_id: str) -> Dag:
        """Unpause a DAG: Airflow schedules runs again.

        Args:
            dag_id: Id of the DAG.

        Raises:
            PermissionDeniedError: You may not change this DAG.
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
        """
        return await self.update(dag_id, is_paused=False)

    async def backfill(
        self,
        dag_id: str,
        start_date: date | str,
        end_date: date | str,
        *,
        conf: Mapping[str, Json] | None = None,
        max_active_runs: int | None = None,
        reprocess: str | None = None,
        run_backwards: bool | None = None,
        dry_run: bool | None = None,
    ) -> AsyncBackfill:
        """Run a DAG for each date of its schedule in a range.

        Args:
            dag_id: Id of the DAG.
            start_date: First date of the range, or a time. Without a zone it is in the DAG's time zone.
            end_date: Last date of the range, included, or a time. A date means its midnight.
            conf: Configuration of each run.
            max_active_runs: How many of the runs may be active at once; by default as many as the DAG allows.
            reprocess: Which existing runs to clear, so that they run again: ``none`` (the default),
                ``failed`` or ``all``.
            run_backwards: Whether to start with the last date; by default false.
            dry_run: Whether to return the plan without creating anything; by default false.

        Returns:
            The backfill. ``first_runs`` has its earliest dates and what happens for each. Use its ``wait`` or
            ``refresh`` to follow the progress.

        Raises:
            ConflictError: The DAG has no schedule, its tasks do not allow this order, or another backfill of
                the DAG covers some of these dates.
            PermissionDeniedError: You may not trigger runs of this DAG.
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
            ValidationError: ``conf`` does not match the DAG's params, or another value is invalid.

        Example:
            backfill = await client.dags.backfill("bronze_to_silver_pipeline", "2024-01-01", "2024-01-31")
            await backfill.wait()
            print(backfill.state, backfill.progress)
        """
        body = {
            "start_date": start_date,
            "end_date": end_date,
            "conf": conf,
            "max_active_runs": max_active_runs,
            "reprocess": reprocess,
            "run_backwards": run_backwards,
            "dry_run": dry_run,
        }
        path = build_path("platform", "dags", dag_id, "backfills")
        return await self._session.fetch(AsyncBackfill, "POST", path, json=body)
