"""``airflow-cli api-keys`` with the real application, ``oauth-clients`` with the fake platform."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from command_line import Run
from fake_platform import FakePlatform

CLIENTS = "/api/v1/platform/oauth-clients"


@pytest.fixture
def admin(
    unconfigured: Run, live_url: str, committed_key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a function that runs ``airflow-cli`` as a platform admin."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", live_url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", committed_key("admin"))
    return unconfigured


def read_json(result: Any) -> Any:
    """Return the JSON that a successful command printed."""
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


def test_a_key_is_created_updated_rotated_and_revoked(admin: Run) -> None:
    """All options are sent, and limits can be removed."""
    limits = "--scopes dags:read,tasks:read --dags sales_*,x --tags sales --networks 10.0.0.0/8"
    words = ["--name", "ci", "--owner", "viewer", *limits.split(), "--expires-at", "2037-01-01"]
    created = read_json(admin("api-keys", "create", *words, "-o", "json"))
    assert created["key"].startswith(f"afp_{created['id']}_")
    assert (created["owner"], created["scopes"]) == ("viewer", ["dags:read", "tasks:read"])
    assert created["allowed_dags"] == {"dag_ids": ["sales_*", "x"], "tags": ["sales"]}
    assert (created["allowed_networks"], created["expires_at"]) == (["10.0.0.0/8"], "2037-01-01T00:00:00Z")

    change = ["--name", "cd", "--scopes", "dags:read", "--remove", "allowed_dags", "--remove", "expires_at"]
    read_json(admin("api-keys", "update", created["id"], *change, "-o", "json"))
    shown = yaml.safe_load(admin("api-keys", "get", created["id"], "-o", "yaml").out)
    assert (shown["name"], shown["scopes"], shown["key"]) == ("cd", ["dags:read"], None)
    assert (shown["allowed_dags"], shown["expires_at"]) == (None, None)
    assert shown["allowed_networks"] == ["10.0.0.0/8"]

    rotated = read_json(admin("api-keys", "rotate", created["id"], "--overlap-seconds", "0", "-o", "json"))
    assert rotated["key"] not in (None, created["key"])
    assert "viewer" in admin("api-keys", "list", "--owner", "viewer").out
    assert read_json(admin("api-keys", "revoke", created["id"], "-o", "json")) == {
        "id": created["id"],
        "revoked": True,
    }
    assert created["id"] not in admin("api-keys", "list", "--owner", "viewer").out
    assert created["id"] in admin("api-keys", "list", "--owner", "viewer", "--revoked").out


def test_errors_of_the_platform_are_printed(admin: Run) -> None:
    """An unknown scope and an unknown key print the platform's error."""
    result = admin("api-keys", "create", "--name", "n", "--scopes", "everything")
    assert result.status == 1
    assert "/scopes/0" in result.err
    assert "RESOURCE_NOT_FOUND" in admin("api-keys", "get", "none").err


@pytest.mark.parametrize(
    "command",
    [["update", "k"], ["update", "k", "--remove", "name"], ["create", "--name", "n", "--expires-at", "x"]],
)
def test_invalid_arguments_send_nothing(command: list[str], cli: Run, platform: FakePlatform) -> None:
    """An update without changes, an unknown limit and an invalid date exit with 2."""
    assert cli("api-keys", *command).status == 2
    assert not platform.requests


def test_an_oauth_client_is_created_listed_shown_and_deleted(cli: Run, platform: FakePlatform) -> None:
    """``create`` needs scopes and shows the secret."""
    assert cli("oauth-clients", "create", "--name", "n").status == 2
    assert cli("oauth-clients", "create", "--name", "n", "--scopes", "a", "--all-scopes").status == 2
    client = {"client_id": "c_1", "name": "n", "grant_types": ["authorization_code"], "public": True}
    platform.routes = {
        ("POST", CLIENTS): lambda request: request.body | {"client_id": "c_1", "client_secret": "sesame"},
        ("GET", CLIENTS): {"oauth_clients": [client], "total_entries": 1},
        ("GET", f"{CLIENTS}/c_1"): client,
    }
    options = (
        "--redirect-uris https://a/x,https://b/y --scopes dags:read --grant-types authorization_code --public"
    )
    created = read_json(cli("oauth-clients", "create", "--name", "n", *options.split(), "-o", "json"))
    assert created["client_secret"] == "sesame"
    assert platform.last.body == {
        "name": "n",
        "redirect_uris": ["https://a/x", "https://b/y"],
        "scopes": ["dags:read"],
        "grant_types": ["authorization_code"],
        "public": True,
        "acting_user": None,
    }
    assert read_json(cli("oauth-clients", "create", "--name", "n", "--all-scopes", "-o", "json"))
    assert platform.last.body["scopes"] is None
    assert "grant_types" not in platform.last.body
    assert "authorization_code" in cli("oauth-clients", "list").out
    assert read_json(cli("oauth-clients", "get", "c_1", "-o", "json"))["client_id"] == "c_1"
    platform.answer(204, b"")
    assert read_json(cli("oauth-clients", "delete", "c_1", "-o", "json")) == {
        "client_id": "c_1",
        "deleted": True,
    }
