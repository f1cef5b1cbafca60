"""Tasks of DAGs and their instances in runs."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import ClearResults, Task, TaskInstance


class AsyncTaskPage(AsyncPage[Task]):
    """Tasks of a DAG."""

    collection: ClassVar = "tasks"
    tasks: list[Task]


class AsyncTaskInstancePage(AsyncPage[TaskInstance]):
    """Task instances of a run."""

    collection: ClassVar = "task_instances"
    task_instances: list[TaskInstance]


class AsyncTasks(AsyncResource):
    """``client.tasks``."""

    def list(self, dag_id: str) -> AsyncListing[AsyncTaskPage]:
        """The tasks of a DAG."""
        return self._session.list(AsyncTaskPage, path("dags", dag_id, "tasks"))

    async def get(self, dag_id: str, task_id: str) -> Task:
        """One task."""
        return await self._session.fetch(Task, "GET", path("dags", dag_id, "tasks", task_id))

    def get_instances(
        self, dag_id: str, dag_run_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncTaskInstancePage]:
        """The task instances of a run."""
        url = path("dags", dag_id, "dagRuns", dag_run_id, "taskInstances")
        return self._session.list(AsyncTaskInstancePage, url, {"limit": limit, "offset": offset})

    async def get_instance(
        self, dag_id: str, task_id: str, dag_run_id: str, *, map_index: int | None = None
    ) -> TaskInstance:
        """A task in one run; of a mapped task, the instance of that index."""
        url = _instance_path(dag_id, task_id, dag_run_id, map_index)
        return await self._session.fetch(TaskInstance, "GET", url)

    async def set_state(
        self, dag_id: str, task_id: str, dag_run_id: str, new_state: str, *, map_index: int | None = None
    ) -> TaskInstance:
        """Mark a task instance, for example as ``success``, without running it."""
        url = _instance_path(dag_id, task_id, dag_run_id, map_index)
        body = {"new_state": new_state, "dry_run": False}
        # Airflow 2.11 answers a change with an empty object.
        await self._session.request("PATCH", url, json=body)
        return await self.get_instance(dag_id, task_id, dag_run_id, map_index=map_index)

    async def clear(
        self,
        dag_id: str,
        task_id: str,
        dag_run_id: str,
        *,
        only_failed: bool = False,
        include_upstream: bool = False,
        include_downstream: bool = False,
    ) -> Sequence[TaskInstance]:
        """Let a task run again in one run, and return what was cleared."""
        body = {
            "task_ids": [task_id],
            "dag_run_id": dag_run_id,
            "only_failed": only_failed,
            "include_upstream": include_upstream,
            "include_downstream": include_downstream,
            "dry_run": False,
            # Otherwise a task that was cleared in a finished run would never start.
            "reset_dag_runs": True,
        }
        url = path("dags", dag_id, "clearTaskInstances")
        return (await self._session.fetch(AsyncTaskInstancePage, "POST", url, json=body)).items

    async def clear_many(
        self, tasks: Sequence[Mapping[str, Any]], *, dry_run: bool | None = None
    ) -> ClearResults:
        """Let tasks of up to 1,000 runs run again, each a mapping like ``{"dag_id": …, "dag_run_id": …}``.

        An item means all tasks of its run, unless it has ``task_ids``. Each succeeds or fails by itself.
        """
        body = {"tasks": [dict(item) for item in tasks], "dry_run": dry_run}
        return await self._session.fetch(ClearResults, "POST", path("platform", "tasks", "clear"), json=body)

    async def get_logs(
        self,
        dag_id: str,
        task_id: str,
        dag_run_id: str,
        try_number: int = 1,
        *,
        map_index: int | None = None,
    ) -> str:
        """What a task wrote in one try."""
        response = await self._session.request(
            "GET",
            path("dags", dag_id, "dagRuns", dag_run_id, "taskInstances", task_id, "logs", try_number),
            params={"map_index": map_index, "full_content": True},
            accept="text/plain",
        )
        return response.text


def _instance_path(dag_id: str, task_id: str, dag_run_id: str, map_index: int | None) -> str:
    index = () if map_index is None else (map_index,)
    return path("dags", dag_id, "dagRuns", dag_run_id, "taskInstances", task_id, *index)
