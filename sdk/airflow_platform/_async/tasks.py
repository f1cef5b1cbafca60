"""Tasks of DAGs and their instances in runs."""

from collections.abc import Sequence
from typing import ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import ClearResults, Task, TaskInstance
from airflow_platform.types import ClearRequest


class AsyncTaskPage(AsyncPage[Task]):
    """One page of tasks."""

    collection: ClassVar = "tasks"
    tasks: list[Task]


class AsyncTaskInstancePage(AsyncPage[TaskInstance]):
    """One page of task instances."""

    collection: ClassVar = "task_instances"
    task_instances: list[TaskInstance]


class AsyncTasks(AsyncResource):
    """Tasks and task instances, as ``client.tasks``."""

    def list(self, dag_id: str) -> AsyncListing[AsyncTaskPage]:
        """List the tasks of a DAG.

        Args:
            dag_id: Id of the DAG.

        Returns:
            The first page when awaited; ``async for`` iterates over the tasks of all pages.

        Raises:
            ResourceNotFoundError: The DAG does not exist, or you may not see it.
        """
        return self._session.list(AsyncTaskPage, build_path("dags", dag_id, "tasks"))

    async def get(self, dag_id: str, task_id: str) -> Task:
        """Return a task of a DAG.

        Args:
            dag_id: Id of the DAG.
            task_id: Id of the task.

        Raises:
            ResourceNotFoundError: The DAG or the task does not exist, or you may not see it.
        """
        return await self._session.fetch(Task, "GET", build_path("dags", dag_id, "tasks", task_id))

    def get_instances(
        self, dag_id: str, dag_run_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncTaskInstancePage]:
        """List the task instances of a run.

        Args:
            dag_id: Id of the DAG.
            dag_run_id: Id of the run.
            limit: Maximum number of task instances over all pages; by default all.
            offset: Number of task instances to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the task instances of all pages.

        Raises:
            ResourceNotFoundError: The DAG or the run does not exist, or you may not see it.

        Example:
            async for instance in client.tasks.get_instances("sales", "manual__1"):
                print(instance.task_id, instance.state, instance.duration)
        """
        path = build_path("dags", dag_id, "dagRuns", dag_run_id, "taskInstances")
        return self._session.list(AsyncTaskInstancePage, path, {"limit": limit, "offset": offset})

    async def get_instance(
        self, dag_id: str, task_id: str, dag_run_id: str, *, map_index: int | None = None
    ) -> TaskInstance:
        """Return the instance of a task in a run.

        Args:
            dag_id: Id of the DAG.
            task_id: Id of the task.
            dag_run_id: Id of the run.
            map_index: Index of the instance, from 0, if the task is mapped.

        Raises:
            ResourceNotFoundError: The task instance does not exist, or you may not see it.
        """
        path = _build_instance_path(dag_id, task_id, dag_run_id, map_index)
        return await self._session.fetch(TaskInstance, "GET", path)

    async def set_state(
        self, dag_id: str, task_id: str, dag_run_id: str, new_state: str, *, map_index: int | None = None
    ) -> TaskInstance:
        """Set the state of a task instance without running it.

        Args:
            dag_id: Id of the DAG.
            task_id: Id of the task.
            dag_run_id: Id of the run.
            new_state: New state: ``success``, ``failed`` or ``skipped``.
            map_index: Index of the instance, from 0, if the task is mapped.

        Raises:
            PermissionDeniedError: You may not change task instances of this DAG.
            ResourceNotFoundError: The task instance does not exist, or you may not see it.
            ValidationError: Airflow does not allow this state.
        """
        path = _build_instance_path(dag_id, task_id, dag_run_id, map_index)
        body = {"new_state": new_state, "dry_run": False}
        # Airflow 2.11 answers a change with an empty object, so the instance is fetched afterwards.
        await self._session.request("PATCH", path, json=body)
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
        """Clear a task instance, so that the task runs again in this run.

        Args:
            dag_id: Id of the DAG.
            task_id: Id of the task.
            dag_run_id: Id of the run.
            only_failed: Whether to clear failed instances only; by default false.
            include_upstream: Whether to clear the tasks before it as well; by default false.
            include_downstream: Whether to clear the tasks after it as well; by default false.

        Returns:
            The task instances that were cleared.

        Raises:
            PermissionDeniedError: You may not clear task instances of this DAG.
            ResourceNotFoundError: The DAG, the task or the run does not exist, or you may not see it.

        Example:
            await client.tasks.clear("sales", "load", "manual__1", include_downstream=True)
        """
        body = {
            "task_ids": [task_id],
            "dag_run_id": dag_run_id,
            "only_failed": only_failed,
            "include_upstream": include_upstream,
            "include_downstream": include_downstream,
            "dry_run": False,
            # Without this, a task that was cleared in a finished run would never start.
            "reset_dag_runs": True,
        }
        path = build_path("dags", dag_id, "clearTaskInstances")
        return (await self._session.fetch(AsyncTaskInstancePage, "POST", path, json=body)).items

    async def clear_many(self, tasks: Sequence[ClearRequest], *, dry_run: bool | None = None) -> ClearResults:
        """Clear task instances of up to 1,000 runs, of any DAGs, with one request.

        Each item succeeds or fails independently of the others.

        Args:
            tasks: The items, each for one run, such as
                ``{"dag_id": "sales", "dag_run_id": "manual__1", "task_ids": ["load"]}``. Without ``task_ids``
                all tasks of the run are cleared. Further keys are ``only_failed``, ``include_upstream``,
                ``include_downstream`` and ``reset_dag_runs``.
            dry_run: Whether to return what would be cleared without clearing it; by default false.

        Raises:
            ValidationError: The request itself is invalid. Nothing was cleared.

        Example:
            answer = await client.tasks.clear_many([{"dag_id": "sales", "dag_run_id": "manual__1"}])
            print(answer.succeeded, answer.failed)
        """
        body = {"tasks": [dict(item) for item in tasks], "dry_run": dry_run}
        path = build_path("platform", "tasks", "clear")
        return await self._session.fetch(ClearResults, "POST", path, json=body)

    async def get_logs(
        self,
        dag_id: str,
        task_id: str,
        dag_run_id: str,
        try_number: int = 1,
        *,
        map_index: int | None = None,
    ) -> str:
        """Return the log of one try of a task instance.

        Args:
            dag_id: Id of the DAG.
            task_id: Id of the task.
            dag_run_id: Id of the run.
            try_number: Number of the try; by default 1, the first.
            map_index: Index of the instance, from 0, if the task is mapped.

        Raises:
            ResourceNotFoundError: The task instance does not exist, or you may not see it.

        Example:
            print(await client.tasks.get_logs("sales", "load", "manual__1", try_number=2))
        """
        response = await self._session.request(
            "GET",
            build_path("dags", dag_id, "dagRuns", dag_run_id, "taskInstances", task_id, "logs", try_number),
            params={"map_index": map_index, "full_content": True},
            accept="text/plain",
        )
        return response.text


def _build_instance_path(dag_id: str, task_id: str, dag_run_id: str, map_index: int | None) -> str:
    index = () if map_index is None else (map_index,)
    return build_path("dags", dag_id, "dagRuns", dag_run_id, "taskInstances", task_id, *index)
