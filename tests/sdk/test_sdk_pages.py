"""Lists and their pages: length, iteration and indexes."""

import asyncio
from typing import Any

import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient
from fake_platform import FakePlatform, Request

TOTAL = 25
LARGEST_PAGE = 10


@pytest.fixture(autouse=True)
def dags(platform: FakePlatform) -> None:
    """Serve 25 DAGs in pages of at most 10."""

    def some(request: Request) -> dict[str, Any]:
        limit = min(int(request.query.get("limit", ["10"])[0]), LARGEST_PAGE)
        offset = int(request.query.get("offset", ["0"])[0])
        dags = [{"dag_id": f"dag_{number}"} for number in range(TOTAL)]
        return {"dags": dags[offset : offset + limit], "total_entries": TOTAL}

    platform.routes["GET", "/api/v1/dags"] = some


@pytest.mark.parametrize(
    ("arguments", "numbers", "requests"),
    [
        ({}, range(25), 3),
        ({"offset": 18}, range(18, 25), 1),
        ({"offset": 3}, range(3, 25), 3),
        ({"limit": 4}, range(4), 1),
        ({"limit": 12}, range(12), 2),
        ({"limit": 12, "offset": 20}, range(20, 25), 1),
        ({"limit": 100}, range(25), 3),
        ({"offset": 30}, range(0), 1),
    ],
    ids=str,
)
def test_iteration_yields_all_items_once(
    arguments: dict[str, int], numbers: range, requests: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """Iteration yields each requested item once, whatever the page size; len() is their number."""
    page = client.dags.list(**arguments)
    expected = [f"dag_{number}" for number in numbers]
    assert (len(page), page.total_entries) == (len(expected), TOTAL)
    assert [dag.dag_id for dag in page] == expected
    assert len(platform.requests) == requests
    assert [dag.dag_id for dag in page] == expected


def test_pages_are_fetched_when_they_are_reached(client: PlatformClient, platform: FakePlatform) -> None:
    """Further pages are requested with the filters of the first, not before they are needed."""
    dags = iter(client.dags.list(tags=["x", "y"], order_by="-dag_id", paused=False))
    for _ in range(LARGEST_PAGE):
        next(dags)
    assert len(platform.requests) == 1
    next(dags)
    first, second = (request.query for request in platform.requests)
    assert first == {"tags": ["x", "y"], "order_by": ["-dag_id"], "paused": ["false"]}
    assert second == first | {"offset": ["10"]}


def test_next_page_returns_the_following_page(client: PlatformClient, platform: FakePlatform) -> None:
    """The items of a page are in the attribute with the collection's name."""
    page = client.dags.list()
    assert [dag.dag_id for dag in page.dags] == [f"dag_{number}" for number in range(10)]
    assert len(platform.requests) == 1
    following = page.next_page()
    assert following is not None
    assert following.items[0].dag_id == "dag_10"
    last = following.next_page()
    assert last is not None
    assert last.next_page() is None


def test_a_page_is_true_if_it_has_items(client: PlatformClient, platform: FakePlatform) -> None:
    """``if not dags`` tests for an empty list."""
    assert client.dags.list()
    assert not client.dags.list(offset=TOTAL)


def test_a_wrong_total_ends_the_iteration(client: PlatformClient, platform: FakePlatform) -> None:
    """Iteration ends at an empty page, even if total_entries is larger."""
    platform.answer(200, {"dags": [{"dag_id": "a"}], "total_entries": 5})
    platform.answer(200, {"dags": [], "total_entries": 5})
    assert [dag.dag_id for dag in client.dags.list()] == ["a"]


def test_a_list_without_a_total_is_complete(client: PlatformClient, platform: FakePlatform) -> None:
    """Without total_entries the length is the number of items."""
    platform.answer(200, {"task_instances": [{"task_id": "t", "dag_id": "a", "dag_run_id": "r"}]})
    assert len(client.tasks.get_instances("a", "r", offset=3)) == 1


def test_runs_of_later_pages_can_be_refreshed(client: PlatformClient, platform: FakePlatform) -> None:
    """A run of the second page has a session for ``refresh``."""
    runs = [{"dag_id": "a", "dag_run_id": f"r{number}", "state": "running"} for number in range(2)]
    platform.answer(200, {"dag_runs": runs[:1], "total_entries": 2})
    platform.answer(200, {"dag_runs": runs[1:], "total_entries": 2})
    _, last = client.dags.runs("a")
    platform.answer(200, runs[1] | {"state": "success"})
    last.refresh()
    assert last.state == "success"


def test_an_asynchronous_list_is_awaited_or_iterated(platform: FakePlatform) -> None:
    """``await`` gives the first page; ``async for`` works on the list and on the page."""
    expected = [f"dag_{number}" for number in range(TOTAL)]

    async def session() -> None:
        async with AsyncPlatformClient(platform.url, "k") as client:
            assert [dag.dag_id async for dag in client.dags.list()] == expected
            page = await client.dags.list()
            assert [dag.dag_id for dag in page.dags] == expected[:10]
            assert (len(page), page.total_entries) == (TOTAL, TOTAL)
            assert [dag.dag_id async for dag in page] == expected
            with pytest.raises(TypeError, match="async for"):
                list(page)

    asyncio.run(session())


def test_an_asynchronous_list_is_a_coroutine(platform: FakePlatform) -> None:
    """A list can be gathered, made a task, cancelled and closed."""

    async def session() -> None:
        async with AsyncPlatformClient(platform.url, "k") as client:
            first, second = await asyncio.gather(client.dags.list(), client.dags.list(offset=10))
            assert (first.dags[-1].dag_id, second.dags[0].dag_id) == ("dag_9", "dag_10")
            task = asyncio.create_task(client.dags.list())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            client.dags.list().close()

    asyncio.run(session())
