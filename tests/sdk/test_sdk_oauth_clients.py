"""``client.oauth_clients``, and what updates and permission errors have in common."""

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow_platform import PlatformClient
from airflow_platform.exceptions import PermissionDeniedError
from fake_platform import FakePlatform


def test_a_permission_error_names_the_missing_scope(client: PlatformClient, platform: FakePlatform) -> None:
    """``scope`` is the missing scope, or None if the response has none."""
    platform.answer(403, {"error": {"message": "no", "details": {"scope": "dags:write"}}})
    platform.answer(403, {"detail": "no"})
    scopes: list[str | None] = []
    for _ in range(2):
        with pytest.raises(PermissionDeniedError) as caught:
            client.dags.pause("a")
        scopes.append(caught.value.scope)
    assert scopes == ["dags:write", None]


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (lambda keys: keys.update("k", name="n"), {"name": "n"}),
        (lambda keys: keys.update("k", scopes=None), {"scopes": None}),
        (lambda keys: keys.update("k", expires_at=None, scopes=[]), {"scopes": [], "expires_at": None}),
        (
            lambda keys: keys.update("k", expires_at=datetime(2030, 1, 1, tzinfo=timezone.utc)),
            {"expires_at": "2030-01-01T00:00:00+00:00"},
        ),
        (lambda keys: keys.update("k"), {}),
    ],
)
def test_an_update_sends_only_what_is_given(
    change: Callable[[Any], Any], sent: dict[str, Any], client: PlatformClient, platform: FakePlatform
) -> None:
    """None is sent as null; arguments that are left out are not sent."""
    platform.answer(200, {"id": "k", "name": "n"})
    change(client.api_keys)
    assert platform.last.body == sent


def test_an_oauth_client_from_creation_to_deletion(client: PlatformClient, platform: FakePlatform) -> None:
    """Each method sends its request; the repr does not contain the secret."""
    url = "/api/v1/platform/oauth-clients"
    fields = {"client_id": "c_1", "name": "n", "grant_types": ["client_credentials"], "public": False}
    platform.routes |= {
        ("POST", url): fields | {"client_secret": "do_not_tell"},
        ("GET", url): {"oauth_clients": [fields], "total_entries": 1},
        ("GET", f"{url}/c_1"): fields,
        ("PATCH", f"{url}/c_1"): lambda request: fields | request.body,
        ("POST", f"{url}/c_1/rotate-secret"): fields | {"client_secret": "another"},
    }
    created = client.oauth_clients.create(
        "n", scopes=None, grant_types=["client_credentials"], acting_user="bot"
    )
    assert platform.last.body == {
        "name": "n",
        "scopes": None,
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "public": False,
        "acting_user": "bot",
    }
    assert created.client_secret == "do_not_tell"
    assert "do_not_tell" not in repr(created)
    assert [each.client_id for each in client.oauth_clients.list()] == ["c_1"]
    assert client.oauth_clients.get("c_1").client_secret is None
    assert client.oauth_clients.update("c_1", scopes=["dags:read"]).scopes == ["dags:read"]
    assert platform.last.body == {"scopes": ["dags:read"]}
    assert client.oauth_clients.rotate_secret("c_1").client_secret == "another"
    platform.answer(204, b"")
    client.oauth_clients.delete("c_1")
    assert (platform.last.method, platform.last.path) == ("DELETE", f"{url}/c_1")
