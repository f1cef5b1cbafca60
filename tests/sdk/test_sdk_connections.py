"""``client.connections`` with the fake platform and with the real application."""

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
from live_platform import delete_connections_afterwards

CONNECTIONS = "/api/v1/platform/connections"


@pytest.fixture
def admin(live_url: str, committed_key: Callable[[str], str]) -> Iterator[PlatformClient]:
    """Return a client of a platform admin."""
    with PlatformClient(live_url, committed_key("admin")) as client, delete_connections_afterwards():
        yield client


@pytest.mark.parametrize("run", [reference.run, reference.run_async], ids=["sync", "async"])
def test_the_example_of_the_api_reference_works(
    run: Callable[..., Any], platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example runs unchanged: a connection is created, tested, updated and deleted."""
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


def test_a_connection_is_created_updated_and_deleted(admin: PlatformClient) -> None:
    """Arguments are set, ``extra`` is merged, None removes a value, and the rest stays."""
    created = admin.connections.create(
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
    assert (created.schema, created.extra, created.secrets_set) == (
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


def test_a_failed_test_is_a_result(
    admin: PlatformClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed test raises no error; a test while tests are turned off does."""
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
def test_export_and_import_keep_secrets_with_a_passphrase(admin: PlatformClient, form: str) -> None:
    """An import without secrets names those that are missing."""
    admin.connections.create("c", "http", host="h", password="secret-word")
    plain = admin.connections.export(format=form)
    encrypted = admin.connections.export(format=form, passphrase="a long passphrase")
    assert "secret-word" not in plain + encrypted
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
            encrypted, format=form, on_conflict="overwrite", passphrase="another passphrase"
        )
    assert caught.value.errors[0]["pointer"] == "/passphrase"
    passphrase = "a long passphrase"
    result = admin.connections.import_(encrypted, format=form, on_conflict="overwrite", passphrase=passphrase)
    assert (result.connections[0].result, result.connections[0].missing_secrets) == ("overwritten", [])
    assert admin.connections.get("c").secrets_set == ["password"]


def test_the_asynchronous_client_manages_connections(
    live_url: str, committed_key: Callable[[str], str]
) -> None:
    """Connections are created, exported, imported, deleted and listed."""

    async def session() -> list[str]:
        async with AsyncPlatformClient(live_url, committed_key("admin")) as client:
            for name in ("a", "b"):
                await client.connections.create(name, "http", host="h")
            content = await client.connections.export()
            await client.connections.import_(content, on_conflict="skip")
            await client.connections.delete("a")
            return [item.connection_id async for item in client.connections.list(limit=1)]

    with delete_connections_afterwards():
        assert asyncio.run(session()) == ["b"]
