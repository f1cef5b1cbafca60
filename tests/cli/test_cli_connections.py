"""The commands ``airflow-cli connections``, with the fake platform and with the real application."""

import io
import json
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Run
from fake_platform import FakePlatform
from live_platform import delete_connections_afterwards
from reference import commands

COMMANDS = [command for command in commands() if command[0] == "connections"]
CONNECTIONS = "/api/v1/platform/connections"


@pytest.fixture
def admin(
    unconfigured: Run, live_url: str, committed_key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Return a function that runs ``airflow-cli`` as a platform admin."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", live_url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", committed_key("admin"))
    with delete_connections_afterwards():
        yield unconfigured


@pytest.fixture
def set_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory of the commands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_json(result: Any) -> Any:
    """Return the JSON that a successful command printed."""
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_of_the_api_reference_work(
    command: list[str],
    cli: Run,
    platform: FakePlatform,
    set_stdin: Callable[[str], None],
    folder: Path,
) -> None:
    """Each command runs unchanged; ``< password.txt`` becomes standard input."""
    connection = {"connection_id": "warehouse_prod", "connection_type": "postgres"}
    outcome = {"status": "success", "message": "Connection successfully tested", "latency_ms": 45}
    platform.routes = {
        ("GET", CONNECTIONS): {"connections": [connection], "total_entries": 1},
        ("POST", CONNECTIONS): connection,
        ("POST", f"{CONNECTIONS}/warehouse_prod/test"): outcome,
        ("GET", f"{CONNECTIONS}/export"): "warehouse_prod: {conn_type: postgres}\n",
        ("POST", f"{CONNECTIONS}/import"): {
            "connections": [{"connection_id": "warehouse_prod", "result": "created"}]
        },
    }
    file = folder / "connections.yaml"
    if command[1] == "import":
        file.write_text("warehouse_prod: {conn_type: postgres}\n")
    if "<" in command:
        command = command[: command.index("<")]
        set_stdin("pass word\n")
    result = cli(*command)
    assert result.status == 0
    match command[1]:
        case "create":
            assert platform.last.body == {
                "connection_id": "warehouse_prod",
                "connection_type": "postgres",
                "host": "warehouse.example.com",
                "port": 5432,
                "schema": "analytics",
                "login": "airflow",
                "password": "pass word",
            }
        case "export":
            assert file.read_text() == "warehouse_prod: {conn_type: postgres}\n"
            assert (result.out, platform.last.query) == ("", {"format": ["yaml"]})
        case "import":
            assert platform.last.body["content"] == file.read_text()
            assert platform.last.body["format"] == "yaml"
        case "test":
            assert "success" in result.out
        case _:
            assert "warehouse_prod" in result.out


def test_a_connection_is_created_updated_tested_and_deleted(
    admin: Run, set_stdin: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No output contains the password."""
    file = tmp_path / "a.db"
    set_stdin("secret-word")
    created = admin("connections", "create", "c", "--type", "sqlite", "--host", str(file), "--password-stdin")
    assert created.status == 0
    shown = read_json(admin("connections", "get", "c", "-o", "json"))
    assert shown["secrets_set"] == ["password"]
    assert "secret-word" not in created.out + str(shown)
    change = ["--extra", '{"a": 1}', "--description", "d", "--remove", "password", "-o", "json"]
    changed = read_json(admin("connections", "update", "c", *change))
    assert (changed["extra"], changed["description"], changed["secrets_set"]) == ({"a": 1}, "d", [])
    assert "c" in admin("connections", "list", "--type", "sqlite").out
    assert admin("connections", "test", "c").status == 1
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    failed = admin("connections", "test", "c", "-o", "json")
    assert (failed.status, json.loads(failed.out)["status"]) == (1, "failed")
    file.touch()
    assert (
        read_json(admin("connections", "test", "c", "--timeout", "30", "-o", "json"))["status"] == "success"
    )
    used_by = read_json(admin("connections", "usage", "c", "-o", "json"))["used_by"]
    assert used_by == {"dags": [], "deployments": []}
    assert read_json(admin("connections", "delete", "c", "-o", "json")) == {
        "connection_id": "c",
        "deleted": True,
    }
    assert "RESOURCE_NOT_FOUND" in admin("connections", "get", "c").err


def test_export_and_import_keep_secrets_with_a_passphrase(
    admin: Run, set_stdin: Callable[[str], None], tmp_path: Path
) -> None:
    """Without a passphrase the file has no secrets; only its owner can read it."""
    set_stdin("secret-word")
    admin("connections", "create", "c", "--type", "http", "--password-stdin")
    encrypted, plain = tmp_path / "encrypted.yaml", tmp_path / "plain.json"
    set_stdin("a long passphrase\n")
    result = admin("connections", "export", "--output", str(encrypted), "--passphrase-stdin")
    assert (result.status, result.out) == (0, "")
    assert admin("connections", "export", "--output", str(plain)).status == 0
    assert "secret-word" not in encrypted.read_text() + plain.read_text()
    assert stat.S_IMODE(encrypted.stat().st_mode) == 0o600
    assert json.loads(plain.read_text())["c"]["password"] == "***"
    again = admin("connections", "import", "--file", str(plain), "-o", "json")
    ((name, result, message),) = [
        (row["connection_id"], row["result"], row["message"]) for row in json.loads(again.out)
    ]
    assert (again.status, name, result) == (0, "c", "skipped")
    assert "already exists" in message
    fail = ("--on-conflict", "fail")
    assert "CONFLICT" in admin("connections", "import", "--file", str(plain), *fail).err
    dry = admin("connections", "import", "--file", str(plain), *fail, "--dry-run", "-o", "json")
    assert (dry.status, json.loads(dry.out)[0]["result"]) == (1, "failed")
    admin("connections", "delete", "c")
    assert "passphrase" in admin("connections", "import", "--file", str(encrypted)).err
    set_stdin("a long passphrase")
    rows = yaml.safe_load(
        admin("connections", "import", "--file", str(encrypted), "--passphrase-stdin", "-o", "yaml").out
    )
    assert [(row["connection_id"], row["result"], row["missing_secrets"]) for row in rows] == [
        ("c", "created", [])
    ]
    assert read_json(admin("connections", "get", "c", "-o", "json"))["secrets_set"] == ["password"]


def test_import_reads_an_env_file(admin: Run, tmp_path: Path) -> None:
    """The file name extension decides the format of Airflow's own exports."""
    file = tmp_path / ".env"
    file.write_text("c=postgres://u:p@h:5432/s\n")
    assert "created" in admin("connections", "import", "--file", str(file)).out
    result = admin("connections", "import", "--file", str(file), "--on-conflict", "overwrite")
    assert "overwritten" in result.out


def test_shared_shares_a_connection_with_all_tenants(admin: Run) -> None:
    """``--shared`` and ``--tenant`` exclude each other."""
    assert read_json(admin("connections", "create", "c", "--type", "http", "-o", "json"))["shared"] is True
    assert read_json(admin("connections", "update", "c", "--shared", "-o", "json"))["shared"] is True
    assert admin("connections", "update", "c", "--shared", "--tenant", "a").status == 2


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["create", "c"], 2),
        (["create", "..", "--type", "http"], 2),
        (["create", "c", "--type", "http", "--extra", "[]"], 2),
        (["update", "c"], 2),
        (["export", "--output", "connections.env"], 2),
        (["import", "--file", "connections.toml"], 2),
        (["import", "--file", "missing.yaml"], 1),
        (["export", "--output", "no/such/folder/c.yaml"], 1),
    ],
)
def test_invalid_arguments_change_nothing(
    command: list[str], status: int, cli: Run, platform: FakePlatform, folder: Path
) -> None:
    """Invalid arguments exit with 2, unusable files with 1; nothing is sent by POST."""
    platform.routes = {("GET", f"{CONNECTIONS}/export"): "{}"}
    assert cli("connections", *command).status == status
    assert not any(request.method == "POST" for request in platform.requests)
