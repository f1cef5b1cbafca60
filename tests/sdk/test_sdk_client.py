"""How requests are built and responses are read."""

import asyncio
import warnings
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import airflow_platform
import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient, PlatformError
from airflow_platform.exceptions import PlatformTimeoutError
from airflow_platform.models.dags import format_schedule
from fake_platform import FakePlatform

DAGS = {"dags": [{"dag_id": "a"}, {"dag_id": "b"}], "total_entries": 5}
RUN = {"dag_id": "a", "dag_run_id": "r", "state": "running"}


def test_requests_have_the_clients_headers(client: PlatformClient, platform: FakePlatform) -> None:
    """A request has the API key, the accepted media type and the user agent."""
    platform.answer(200, DAGS)
    client.dags.list()
    assert platform.last.headers["x-api-key"] == "key-of-tests"
    assert platform.last.headers["accept"] == "application/json"
    assert platform.last.headers["user-agent"] == f"airflow-platform-sdk/{airflow_platform.__version__}"


def test_settings_come_from_the_environment(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments, the URL and the API key are those of the environment."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", f"{platform.url}/below/")
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", " key-with-blanks\n")
    platform.answer(200, DAGS)
    with PlatformClient() as client:
        client.dags.list()
    assert platform.last.path == "/below/api/v1/dags"
    assert platform.last.headers["x-api-key"] == "key-with-blanks"


def test_without_a_key_no_key_is_sent(platform: FakePlatform) -> None:
    """The header is missing."""
    platform.answer(200, DAGS)
    with PlatformClient(platform.url) as client:
        client.dags.list()
    assert "x-api-key" not in platform.last.headers


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_invalid_identifiers_are_refused(identifier: str, client: PlatformClient) -> None:
    """An identifier that would lead to another resource is an error, and nothing is sent."""
    with pytest.raises(PlatformError, match="is not a valid identifier"):
        client.tenants.get(identifier)


def test_identifiers_are_escaped(client: PlatformClient, platform: FakePlatform) -> None:
    """An identifier may contain any characters."""
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
def test_python_values_are_converted_to_json(
    value: Any, sent: object, client: PlatformClient, platform: FakePlatform
) -> None:
    """Dates, Decimals, UUIDs and tuples are converted at any depth."""
    platform.answer(200, {"query_id": "q_1", "status": "completed"})
    client.analytics.query("SELECT :x", parameters={"x": value})
    assert platform.last.body["parameters"] == {"x": sent}


@pytest.mark.parametrize("value", [object(), b"bytes", float("nan"), {1: 2}])
def test_values_that_json_cannot_carry_are_refused(
    value: Any, client: PlatformClient, platform: FakePlatform
) -> None:
    """The error names the field, and nothing is sent."""
    with pytest.raises(PlatformError, match=r"parameters\.x "):
        client.analytics.query("SELECT :x", parameters={"x": value})
    assert not platform.requests


@pytest.mark.parametrize(("limit", "warns"), [(None, 1), (5, 1), (1, 0)])
def test_a_truncated_result_warns(
    limit: int | None, warns: int, client: PlatformClient, platform: FakePlatform
) -> None:
    """The warning says why the result is truncated. If ``limit`` rows were returned, there is no warning."""
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


def test_a_page_returns_items_by_index(client: PlatformClient, platform: FakePlatform) -> None:
    """The error for an item that is not on the page says how to reach it."""
    platform.answer(200, DAGS)
    page = client.dags.list()
    assert (page[0].dag_id, page[-1].dag_id) == ("a", "b")
    with pytest.raises(IndexError, match="holds 2 items of 5; iterate"):
        page[2]


def test_unknown_and_null_fields(client: PlatformClient, platform: FakePlatform) -> None:
    """Unknown fields are attributes, and a null list is an empty list."""
    platform.answer(200, {"dag_id": "a", "owners": None, "root_dag_id": None, "new": {"x": 1}})
    dag = client.dags.get("a")
    assert (dag.owners, dag.root_dag_id, dag.new) == ([], None, {"x": 1})  # type: ignore[attr-defined]


def test_dates_are_aware(client: PlatformClient, platform: FakePlatform) -> None:
    """Every timestamp has a time zone; without one it is UTC."""
    platform.answer(200, RUN | {"start_date": "2024-01-15T10:30:00", "end_date": "2024-01-15T10:30:00+02:00"})
    run = client.dags.get_run("a", "r")
    assert run.start_date == datetime(2024, 1, 15, 10, 30, tzinfo=timezone.utc)
    assert run.end_date == datetime(2024, 1, 15, 8, 30, tzinfo=timezone.utc)


def test_trigger_sends_only_what_is_given(client: PlatformClient, platform: FakePlatform) -> None:
    """Dates are sent as ISO 8601; arguments that are not given are not sent."""
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
    """Each kind of schedule that Airflow sends becomes readable text."""
    assert format_schedule(schedule) == printed


def test_durations_are_timedeltas(client: PlatformClient, platform: FakePlatform) -> None:
    """Airflow's TimeDelta objects become timedeltas."""
    delay = {"__type": "TimeDelta", "days": 0, "seconds": 300, "microseconds": 0}
    platform.answer(200, {"task_id": "t", "retry_delay": delay})
    assert client.tasks.get("a", "t").retry_delay == timedelta(minutes=5)


def test_a_run_is_refreshed_in_place(client: PlatformClient, platform: FakePlatform) -> None:
    """``refresh`` and ``wait`` change the object; ``wait`` ends when the run has finished."""
    platform.answer(200, {"dag_runs": [RUN], "total_entries": 1})
    platform.answer(200, RUN | {"note": "so far"})
    platform.answer(200, RUN | {"state": "failed", "end_date": "2024-01-15T10:30:00Z"})
    run = client.dags.runs("a", state=["running"]).dag_runs[0]
    run.refresh()
    assert run.note == "so far"
    assert run.wait(timeout=5, poll_interval=0) is run
    assert (run.state, run.note, run.end_date is None) == ("failed", None, False)


def test_wait_ends_at_its_timeout(client: PlatformClient, platform: FakePlatform) -> None:
    """The timeout counts even if the poll interval is longer."""
    platform.routes[("GET", "/api/v1/dags/a/dagRuns/r")] = RUN
    run = client.dags.get_run("a", "r")
    with pytest.raises(PlatformTimeoutError, match=r"Run r is still running after 0\.05 s"):
        run.wait(timeout=0.05, poll_interval=3600)


def test_a_mapped_instance_is_addressed_by_its_index(client: PlatformClient, platform: FakePlatform) -> None:
    """The map index is part of the path."""
    instance = {"dag_id": "a", "dag_run_id": "r", "task_id": "t", "map_index": 0}
    platform.answer(200, instance)
    platform.answer(200, {})
    platform.answer(200, instance | {"state": "success"})
    client.tasks.get_instance("a", "t", "r", map_index=0)
    assert client.tasks.set_state("a", "t", "r", "success", map_index=0).state == "success"
    assert {request.path for request in platform.requests} == {"/api/v1/dags/a/dagRuns/r/taskInstances/t/0"}
    assert platform.requests[1].body == {"new_state": "success", "dry_run": False}


def test_webhook_secret_is_not_shown(client: PlatformClient, platform: FakePlatform) -> None:
    """The secret is an attribute, but not part of the repr, which may be logged."""
    platform.answer(201, {"webhook_id": "wh_1", "name": "n", "url": "https://a", "secret": "whsec_1"})
    webhook = client.webhooks.create("n", "https://a", ["dag.success"])
    assert webhook.secret == "whsec_1"
    assert "whsec_1" not in repr(webhook)


def test_a_response_without_a_body_is_a_success(client: PlatformClient, platform: FakePlatform) -> None:
    """A 204 raises no error."""
    platform.answer(204, b"")
    client.webhooks.delete("wh_1")
    assert (platform.last.method, platform.last.path) == ("DELETE", "/api/v1/platform/webhooks/wh_1")


def test_a_tenant_is_created_listed_and_fetched(client: PlatformClient, platform: FakePlatform) -> None:
    """The fields are sent unchanged."""
    tenant = {"tenant_id": "t", "resource_limits": {"cpu": "4000m"}, "features": {"datakits": True}}
    platform.answer(201, tenant)
    platform.answer(200, {"tenants": [tenant], "total_entries": 1})
    platform.answer(200, tenant)
    assert client.tenants.create(**tenant).features == {"datakits": True}
    assert platform.last.body == tenant
    assert client.tenants.list().tenants[0].tenant_id == client.tenants.get("t").tenant_id == "t"


def test_the_asynchronous_client_works_alike(platform: FakePlatform) -> None:
    """It retries, iterates over lists, triggers and waits."""
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


def test_the_asynchronous_client_changes_members_alike(platform: FakePlatform) -> None:
    """It sets, lists and removes members of a tenant."""
    member = {"username": "ann@x", "role": "admin", "source": "admin_users", "editable": True}
    groups = [{"group": "all", "role": "viewer"}]
    platform.answer(201, member)
    platform.answer(200, {"members": [member], "groups": groups, "total_entries": 1})
    platform.answer(204, None)

    async def session() -> tuple[list[str], list[str]]:
        async with AsyncPlatformClient(platform.url, "k") as client:
            added = await client.tenants.set_member("t", "ann@x", "admin")
            page = await client.tenants.members("t")
            await client.tenants.remove_member("t", "ann@x")
            return [added.role, *(each.username for each in page.items)], [each.role for each in page.groups]

    assert asyncio.run(session()) == (["admin", "ann@x"], ["viewer"])
    assert [request.method for request in platform.requests] == ["PUT", "GET", "DELETE"]
    assert platform.last.path == "/api/v1/platform/tenants/t/members/ann%40x"
