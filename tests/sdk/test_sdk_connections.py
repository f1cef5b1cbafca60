"""``client.connections``: the reference's example on canned answers, all else on the real application."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reference
from airflow_platform import AsyncPlatformClient, PlatformClient
from airflow_platform.exceptions import (
    ConflictError,
    PermissionDeniedError,
    ResourceNotFoundError,
    ValidationError,
)
from fake_platform import FakePlatform
from live_platform import connections_taken_away

CONNECTIONS = "/api/v1/platform/connections"


@pytest.fixture
def admin(live_url: str, committed_key: Callable[[str], str]) -> Iterator[PlatformClient]:
    """An administrator's client."""
    with PlatformClient(live_url, committed_key("admin")) as client, connections_taken_away():
        yield client


@pytest.mark.parametrize("run", [reference.run, reference.run_async], ids=["sync", "async"])
def test_connection_management(
    run: Callable[..., Any], platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reference's example runs as it stands: made, tested, changed, deleted."""
    connection = {"connection_id": "new_warehouse", "connection_type": "postgres", "schema": "analytics"}
    platform.routes = {
        ("POST", CONNECTIONS): connection,
        ("POST", f"{CONNECTIONS}/new_warehouse/test"): {"status": "success", "latency_ms": 45},
        ("PATCH", f"{CONNECTIONS}/new_warehouse"): connection,
        ("DELETE", f"{CONNECTIONS}/new_warehouse"): {},
    }
    variables = run(reference.example("Connection Management"), platform.url, "k")
    assert capsys.readouterr().out == "Connection successful!\n"
    assert variables["conn"].schema == "analytics"
    created, _, changed, deleted = platform.requests
    assert created.body == {
        "connection_id": "new_warehouse",
        "connection_type": "postgres",
        "host": "warehouse.example.com",
        "port": 5432,
        "schema": "analytics",
        "login": "user",
        "password": "password",
    }
    assert changed.body == {"extra": {"sslmode": "require"}}
    assert (deleted.method, deleted.query) == ("DELETE", {})


def test_life_of_a_connection(admin: PlatformClient) -> None:
    """A change sets what is given, merges extra, removes what is None, and leaves the rest."""
    made = admin.connections.create(
        "c",
        "postgres",
        host="h",
        port=5432,
        schema="s",
        login="l",
        password="p",
        description="d",
        extra={"connect_timeout": 1, "token": "t"},
    )
    assert (made.schema, made.extra, made.secrets_set) == (
        "s",
        {"connect_timeout": 1, "token": "***"},
        ["password", "extra.token"],
    )
    extra = {"sslmode": "require", "connect_timeout": None}
    changed = admin.connections.update("c", extra=extra, description=None)
    assert changed.extra == {"token": "***", "sslmode": "require"}
    assert (changed.description, changed.login, changed.secrets_set) == (
        None,
        "l",
        ["password", "extra.token"],
    )
    with pytest.raises(ValidationError, match="/password: must be given again"):
        admin.connections.update("c", port=None)
    assert admin.connections.get("c") == changed
    assert [item.connection_id for item in admin.connections.list(connection_type="postgres")] == ["c"]
    assert list(admin.connections.list(search="nothing")) == []
    assert admin.connections.usage("c").used_by == {"dags": [], "deployments": []}
    with pytest.raises(ConflictError):
        admin.connections.create("c", "http")
    admin.connections.delete("c", force=True)
    with pytest.raises(ResourceNotFoundError):
        admin.connections.delete("c")


def test_tests(admin: PlatformClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome that is none the caller hoped for is no exception; that tests are turned off is one."""
    file = tmp_path / "a.db"
    admin.connections.create("c", "sqlite", host=str(file))
    with pytest.raises(PermissionDeniedError, match="test_connection"):
        admin.connections.test("c")
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    assert admin.connections.test("c", timeout_seconds=30).status == "failed"
    file.touch()
    result = admin.connections.test("c")
    assert (result.status, result.message) == ("success", "Connection successfully tested")
    kept = admin.connections.get("c").last_test
    assert kept is not None
    assert kept.tested_at is not None
    assert admin.connections.test_unsaved("sqlite", host=str(file)).status == "success"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_transfer(admin: PlatformClient, form: str) -> None:
    """What was exported with its secrets is imported with them; what without, tells what is missing."""
    admin.connections.create("c", "http", host="h", password="secret-word")
    plain = admin.connections.export(format=form)
    sealed = admin.connections.export(format=form, passphrase="a long passphrase")
    assert "secret-word" not in plain + sealed
    with pytest.raises(ConflictError):
        admin.connections.import_(plain, format=form, on_conflict="fail")
    assert [row.result for row in admin.connections.import_(plain, format=form).connections] == ["skipped"]
    admin.connections.delete("c")
    dry = admin.connections.import_(plain, format=form, dry_run=True)
    assert (dry.dry_run, dry.connections[0].result) == (True, "created")
    assert list(admin.connections.list()) == []
    (row,) = admin.connections.import_(plain, format=form).connections
    assert row.missing_secrets == ["password"]
    with pytest.raises(ValidationError) as caught:
        admin.connections.import_(
            sealed, format=form, on_conflict="overwrite", passphrase="another passphrase"
        )
    assert caught.value.errors[0]["pointer"] == "/passphrase"
    passphrase = "a long passphrase"
    result = admin.connections.import_(sealed, format=form, on_conflict="overwrite", passphrase=passphrase)
    assert (result.connections[0].result, result.connections[0].missing_secrets) == ("overwritten", [])
    assert admin.connections.get("c").secrets_set == ["password"]


def test_async(live_url: str, committed_key: Callable[[str], str]) -> None:
    """The asynchronous client does the same."""

    async def session() -> list[str]:
        async with AsyncPlatformClient(live_url, committed_key("admin")) as client:
            for name in ("a", "b"):
                await client.connections.create(name, "http", host="h")
            content = await client.connections.export()
            await client.connections.import_(content, on_conflict="skip")
            await client.connections.delete("a")
            return [item.connection_id async for item in client.connections.list(limit=1)]

    with connections_taken_away():
        assert asyncio.run(session()) == ["b"]
