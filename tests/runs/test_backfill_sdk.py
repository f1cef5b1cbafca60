"""The SDK's methods for backfills and bulk operations, against Airflow's own web application."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from typing import Any

import httpx
import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient
from airflow_platform.exceptions import ConflictError, PlatformError, PlatformTimeoutError

from airflow_platform_plugin.runs.backfill import scheduler

pytestmark = pytest.mark.usefixtures("dags")


@pytest.fixture
def airflow(app: Any, make_key: Callable[[str], str]) -> Iterator[PlatformClient]:
    """An administrator's client."""
    with PlatformClient(api_key=make_key("admin"), transport=httpx.WSGITransport(app)) as client:
        yield client


def test_a_backfill_is_created_followed_and_controlled(
    airflow: PlatformClient, finish: Callable[..., int]
) -> None:
    made = airflow.dags.backfill("daily", start_date="2024-01-01", end_date=date(2024, 1, 3), conf={"a": 1})
    assert (made.state, made.progress.total, made.conf) == ("running", 3, {"a": 1})
    assert [run.action for run in made.first_runs] == ["create"] * 3
    assert airflow.backfills.pause(str(made.backfill_id)).state == "paused"
    assert airflow.backfills.resume(str(made.backfill_id)).state == "running"
    with pytest.raises(ConflictError):
        airflow.backfills.resume(str(made.backfill_id))
    scheduler.advance()
    made.refresh()
    assert (made.progress.running, len(made.first_runs)) == (3, 3)
    with pytest.raises(PlatformTimeoutError):
        made.wait(timeout=0)
    finish()
    scheduler.advance()
    scheduler.advance()
    assert made.wait().state == "completed"
    assert str(made.progress) == "3 runs: 0 active, 0 to come, 3 succeeded"
    other = airflow.dags.backfill("hidden", "2024-01-01", "2024-01-03")
    assert airflow.backfills.cancel(str(other.backfill_id)).state == "cancelled"
    found = airflow.backfills.list(order_by="created_at")
    assert [item.backfill_id for item in found] == [made.backfill_id, other.backfill_id]
    assert [item.dag_id for item in airflow.backfills.list(dag_id="hidden", state="cancelled")] == ["hidden"]


def test_a_dry_run_has_no_id(airflow: PlatformClient) -> None:
    dry = airflow.dags.backfill(
        "daily", datetime(2024, 1, 1, tzinfo=timezone.utc), "2024-01-02", run_backwards=True, dry_run=True
    )
    assert (dry.backfill_id, dry.progress.total) == (None, 2)
    with pytest.raises(PlatformError, match="dry run"):
        dry.refresh()


def test_many_runs_are_triggered_and_their_tasks_cleared(airflow: PlatformClient) -> None:
    moment = datetime(2024, 1, 15, tzinfo=timezone.utc)
    answer = airflow.dags.trigger_many(
        [{"dag_id": "daily", "logical_date": moment, "conf": None}, {"dag_id": "nowhere"}]
    )
    assert (answer.succeeded, answer.failed) == (1, 1)
    first, second = answer.results
    assert first.succeeded
    assert first.dag_run is not None
    assert first.dag_run.logical_date == moment
    assert first.dag_run.state == "queued"
    assert second.error is not None
    assert (second.status, second.error["code"]) == (404, "RESOURCE_NOT_FOUND")
    item = {"dag_id": "daily", "dag_run_id": first.dag_run.dag_run_id, "task_ids": ["load"]}
    cleared = airflow.tasks.clear_many([item, item | {"dag_run_id": "none"}], dry_run=True)
    assert [result.status for result in cleared.results] == [200, 404]
    assert [task.task_id for task in cleared.results[0].task_instances] == ["load"]


def test_the_asynchronous_client_does_the_same(app: Any, make_key: Callable[[str], str]) -> None:
    key = make_key("admin")

    async def session() -> tuple[list[Any], int]:
        # The application is synchronous: what httpx has for those answers at once.
        wsgi = httpx.WSGITransport(app)

        class Transport(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                inner = httpx.Request(
                    request.method, request.url, headers=request.headers, content=await request.aread()
                )
                answer = wsgi.handle_request(inner)
                return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())

        async with AsyncPlatformClient(api_key=key, transport=Transport()) as client:
            made = await client.dags.backfill("daily", "2024-01-01", "2024-01-03")
            await made.refresh()
            listed = [item.backfill_id async for item in client.backfills.list()]
            answer = await client.dags.trigger_many([{"dag_id": "daily"}])
            return [made.backfill_id, *listed], answer.succeeded

    ids, succeeded = asyncio.run(session())
    assert (len(ids), len(set(ids)), succeeded) == (2, 1, 1)
