"""How requests are made and answers are read."""

import asyncio
import warnings
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import airflow_platform
import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient, PlatformError
from airflow_platform.exceptions import PlatformTimeoutError
from airflow_platform.models.dags import format_schedule
from fake_platform import FakePlatform

DAGS = {"dags": [{"dag_id": "a"}, {"dag_id": "b"}], "total_entries": 5}
RUN = {"dag_id": "a", "dag_run_id": "r", "state": "running"}


def test_headers(client: PlatformClient, platform: FakePlatform) -> None:
    """A request carries the key, what it accepts and who sends it."""
    platform.answer(200, DAGS)
    client.dags.list()
    assert platform.last.headers["x-api-key"] == "key-of-tests"
    assert platform.last.headers["accept"] == "application/json"
    assert platform.last.headers["user-agent"] == f"airflow-platform-sdk/{airflow_platform.__version__}"


def test_environment(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments the client asks the environment."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", f"{platform.url}/below/")
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", " key-with-blanks\n")
    platform.answer(200, DAGS)
    with PlatformClient() as client:
        client.dags.list()
    assert platform.last.path == "/below/api/v1/dags"
    assert platform.last.headers["x-api-key"] == "key-with-blanks"


def test_no_key(platform: FakePlatform) -> None:
    """Without a key none is sent."""
    platform.answer(200, DAGS)
    with PlatformClient(platform.url) as client:
        client.dags.list()
    assert "x-api-key" not in platform.last.headers


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_no_identifier(identifier: str, client: PlatformClient) -> None:
    """An identifier that would lead to another resource is refused before anything is sent."""
    with pytest.raises(PlatformError, match="is not a valid identifier"):
        client.tenants.get(identifier)


def test_identifiers_are_escaped(client: PlatformClient, platform: FakePlatform) -> None:
    """An identifier arrives as it is, whatever it holds."""
    platform.answer(200, RUN)
    client.dags.get_run("a b?c#d", "x/y%2F+z@1")
    assert platform.last.path == "/api/v1/dags/a%20b%3Fc%23d/dagRuns/x%2Fy%252F%2Bz%401"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 12, tzinfo=timezone.utc), "2024-01-31T12:00:00+00:00"),
        (Decimal("1.50"), 1.5),
        (Decimal(7), 7),
        (Decimal("0.1000000000000000055511151231257827"), "0.1000000000000000055511151231257827"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, {"deep": [date(2024, 1, 1)]}), [1, {"deep": ["2024-01-01"]}]),
    ],
)
def test_values_of_python(
    value: object, sent: object, client: PlatformClient, platform: FakePlatform
) -> None:
    """Dates, Decimals, UUIDs and tuples are sent as JSON, at any depth of a body."""
    platform.answer(200, {"query_id": "q_1", "status": "completed"})
    client.analytics.query("SELECT :x", parameters={"x": value})
    assert platform.last.body["parameters"] == {"x": sent}


@pytest.mark.parametrize("value", [object(), b"bytes", float("nan"), {1: 2}])
def test_values_that_json_has_no_form_for(
    value: object, client: PlatformClient, platform: FakePlatform
) -> None:
    """What cannot be sent is refused by an error of the SDK that names the field."""
    with pytest.raises(PlatformError, match=r"parameters\.x "):
        client.analytics.query("SELECT :x", parameters={"x": value})
    assert not platform.requests


@pytest.mark.parametrize(("limit", "warns"), [(None, 1), (5, 1), (1, 0)])
def test_a_result_that_was_cut(
    limit: int | None, warns: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """A result that was cut comes with a warning that says why, unless just so many rows were asked for."""
    metadata = {"columns": [{"name": "b", "type": "INT"}, {"name": "a"}], "warnings": ["limit was lowered."]}
    answer = {"query_id": "q", "status": "completed", "data": [{"b": 1, "a": 2}], "metadata": metadata}
    platform.answer(200, answer | {"truncated": True})
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = client.analytics.query("SELECT 1", limit=limit)
    assert [str(warning.message).endswith("returned: limit was lowered.") for warning in seen] == [
        True
    ] * warns
    assert [(column.name, column.type) for column in result.columns] == [("b", "INT"), ("a", None)]


def test_items_of_a_page_by_index(client: PlatformClient, platform: FakePlatform) -> None:
    """A page's items can be had by index; one that was not fetched says how to reach it."""
    platform.answer(200, DAGS)
    page = client.dags.list()
    assert (page[0].dag_id, page[-1].dag_id) == ("a", "b")
    with pytest.raises(IndexError, match="holds 2 items of 5; iterate"):
        page[2]


def test_unknown_and_null_fields(client: PlatformClient, platform: FakePlatform) -> None:
    """A field that a newer platform added is an attribute, and a null list is an empty one."""
    platform.answer(200, {"dag_id": "a", "owners": None, "root_dag_id": None, "new": {"x": 1}})
    dag = client.dags.get("a")
    assert (dag.owners, dag.root_dag_id, dag.new) == ([], None, {"x": 1})  # type: ignore[attr-defined]


def test_dates_are_aware(client: PlatformClient, platform: FakePlatform) -> None:
    """Every point in time has a zone; one that was sent without is UTC."""
    platform.answer(200, RUN | {"start_date": "2024-01-15T10:30:00", "end_date": "2024-01-15T10:30:00+02:00"})
    run = client.dags.get_run("a", "r")
    assert run.start_date == datetime(2024, 1, 15, 10, 30, tzinfo=timezone.utc)
    assert run.end_date == datetime(2024, 1, 15, 8, 30, tzinfo=timezone.utc)


def test_trigger_sends_dates(client: PlatformClient, platform: FakePlatform) -> None:
    """A date is sent as ISO 8601, and what was not given is not sent."""
    platform.answer(200, RUN)
    client.dags.trigger("a", logical_date=datetime(2024, 1, 15, tzinfo=timezone.utc), note="why")
    assert platform.last.body == {"logical_date": "2024-01-15T00:00:00+00:00", "note": "why"}


@pytest.mark.parametrize(
    ("schedule", "printed"),
    [
        ({"__type": "CronExpression", "value": "0 0 * * *"}, "0 0 * * *"),
        ({"__type": "CronExpression", "value": "@once"}, "@once"),
        ({"__type": "TimeDelta", "days": 1, "seconds": 3600, "microseconds": 0}, "1 day, 1:00:00"),
        (
            {"__type": "RelativeDelta", "years": 0, "months": 2, "days": 1, "day": 15, "year": None},
            "2 months, 1 days, day=15",
        ),
        (None, None),
    ],
)
def test_schedules_are_readable(schedule: object, printed: object) -> None:
    """Each kind of schedule that Airflow sends can be printed."""
    assert format_schedule(schedule) == printed


def test_retry_delay_of_a_task(client: PlatformClient, platform: FakePlatform) -> None:
    """Airflow's spans of time are timedeltas."""
    delay = {"__type": "TimeDelta", "days": 0, "seconds": 300, "microseconds": 0}
    platform.answer(200, {"task_id": "t", "retry_delay": delay})
    assert client.tasks.get("a", "t").retry_delay == timedelta(minutes=5)


def test_refresh_and_wait(client: PlatformClient, platform: FakePlatform) -> None:
    """A run changes in place, and waiting ends when it has finished."""
    platform.answer(200, {"dag_runs": [RUN], "total_entries": 1})
    platform.answer(200, RUN | {"note": "so far"})
    platform.answer(200, RUN | {"state": "failed", "end_date": "2024-01-15T10:30:00Z"})
    run = client.dags.runs("a", state=["running"]).dag_runs[0]
    run.refresh()
    assert run.note == "so far"
    assert run.wait(timeout=5, poll_interval=0) is run
    assert (run.state, run.note, run.end_date is None) == ("failed", None, False)


def test_wait_gives_up(client: PlatformClient, platform: FakePlatform) -> None:
    """Waiting ends in time, however long the interval."""
    platform.routes[("GET", "/api/v1/dags/a/dagRuns/r")] = RUN
    run = client.dags.get_run("a", "r")
    with pytest.raises(PlatformTimeoutError, match=r"Run r is still running after 0\.05 s"):
        run.wait(timeout=0.05, poll_interval=3600)


def test_mapped_task(client: PlatformClient, platform: FakePlatform) -> None:
    """One instance of a mapped task is reached by its index."""
    instance = {"dag_id": "a", "dag_run_id": "r", "task_id": "t", "map_index": 0}
    platform.answer(200, instance)
    platform.answer(200, {})
    platform.answer(200, instance | {"state": "success"})
    client.tasks.get_instance("a", "t", "r", map_index=0)
    assert client.tasks.set_state("a", "t", "r", "success", map_index=0).state == "success"
    assert {request.path for request in platform.requests} == {"/api/v1/dags/a/dagRuns/r/taskInstances/t/0"}
    assert platform.requests[1].body == {"new_state": "success", "dry_run": False}


def test_webhook_secret_is_not_shown(client: PlatformClient, platform: FakePlatform) -> None:
    """The secret is there to be stored, and not in a repr that ends in a log."""
    platform.answer(201, {"webhook_id": "wh_1", "name": "n", "url": "https://a", "secret": "whsec_1"})
    webhook = client.webhooks.create("n", "https://a", ["dag.success"])
    assert webhook.secret == "whsec_1"
    assert "whsec_1" not in repr(webhook)


def test_delete_answers_nothing(client: PlatformClient, platform: FakePlatform) -> None:
    """An answer without a body is a success."""
    platform.answer(204, b"")
    client.webhooks.delete("wh_1")
    assert (platform.last.method, platform.last.path) == ("DELETE", "/api/v1/platform/webhooks/wh_1")


def test_tenants(client: PlatformClient, platform: FakePlatform) -> None:
    """A tenant is created, listed and got."""
    tenant = {"tenant_id": "t", "resource_limits": {"cpu": "4000m"}, "features": {"datakits": True}}
    platform.answer(201, tenant)
    platform.answer(200, {"tenants": [tenant], "total_entries": 1})
    platform.answer(200, tenant)
    assert client.tenants.create(**tenant).features == {"datakits": True}
    assert platform.last.body == tenant
    assert client.tenants.list().tenants[0].tenant_id == client.tenants.get("t").tenant_id == "t"


def test_async(platform: FakePlatform) -> None:
    """The asynchronous client does the same, to be awaited."""
    platform.answer(503)
    platform.answer(200, DAGS | {"total_entries": 2})
    platform.answer(200, RUN)
    platform.answer(200, RUN | {"state": "success"})

    async def session() -> tuple[list[str], str]:
        async with AsyncPlatformClient(platform.url, "k") as client:
            names = [dag.dag_id async for dag in client.dags.list()]
            run = await client.dags.trigger("a")
            await run.wait(poll_interval=0)
            return names, run.state

    assert asyncio.run(session()) == (["a", "b"], "success")
