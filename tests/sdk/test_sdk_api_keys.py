"""``client.api_keys`` with the real application, over HTTP."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient
from airflow_platform.exceptions import (
    AuthenticationError,
    ConflictError,
    PermissionDeniedError,
    ResourceNotFoundError,
    ValidationError,
)

from airflow_platform_plugin.auth import credentials


@pytest.fixture(autouse=True)
def no_credential_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off the platform's cache of credentials, so that changes count at once."""
    monkeypatch.setattr(credentials, "CACHE_SECONDS", 0)


@pytest.fixture
def admin(live_url: str, committed_key: Callable[[str], str]) -> Iterator[PlatformClient]:
    """Return a client of a platform admin."""
    with PlatformClient(live_url, committed_key("admin")) as client:
        yield client


def test_a_key_is_limited_and_revoked(admin: PlatformClient, live_url: str) -> None:
    """A key has its limits, shows its secret text once, and stops working when it is revoked."""
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    created = admin.api_keys.create(
        name="ci",
        owner="viewer",
        scopes=["dags:read"],
        allowed_dags={"dag_ids": ["sales_*"], "tags": ["sales"]},
        allowed_networks=["127.0.0.0/8"],
        expires_at=end,
    )
    assert (created.name, created.owner, created.created_by) == ("ci", "viewer", "admin")
    assert created.scopes == ["dags:read"]
    assert created.allowed_dags == {"dag_ids": ["sales_*"], "tags": ["sales"]}
    assert (created.allowed_networks, created.expires_at) == (["127.0.0.0/8"], end)
    assert created.key is not None
    assert created.key not in repr(created)
    assert admin.api_keys.get(created.id).key is None

    with PlatformClient(live_url, created.key) as viewer:
        assert viewer.dags.list().dags == []  # no DAG matches its limit
        admin.api_keys.update(created.id, allowed_dags=None)
        assert viewer.dags.list().dags == []
        with pytest.raises(PermissionDeniedError) as caught:
            viewer.tenants.list()
        assert caught.value.scope == "tenants:read"
        admin.api_keys.revoke(created.id)
        with pytest.raises(AuthenticationError):
            viewer.dags.list()


def test_update_changes_only_what_is_given(admin: PlatformClient) -> None:
    """Arguments are set, None removes a limit, and the rest stays."""
    created = admin.api_keys.create("n", scopes=["dags:read"], allowed_networks=["127.0.0.0/8"])
    changed = admin.api_keys.update(created.id, name="m", allowed_networks=None)
    assert (changed.name, changed.scopes, changed.allowed_networks) == ("m", ["dags:read"], None)
    assert admin.api_keys.get(created.id) == changed
    with pytest.raises(ValidationError) as caught:
        admin.api_keys.update(created.id, scopes=["everything"])
    assert caught.value.errors[0]["pointer"] == "/scopes/0"


def test_rotate_replaces_the_secret_text(admin: PlatformClient, live_url: str) -> None:
    """The old text works until the overlap ends."""
    created = admin.api_keys.create("n")
    overlapping = admin.api_keys.rotate(created.id)
    last = admin.api_keys.rotate(created.id, overlap_seconds=0)
    assert len({created.key, overlapping.key, last.key}) == 3
    assert last.id == created.id
    with PlatformClient(live_url, last.key) as client:
        client.dags.list()
    with PlatformClient(live_url, overlapping.key) as client, pytest.raises(AuthenticationError):
        client.dags.list()


def test_list_filters_by_owner_and_revocation(admin: PlatformClient) -> None:
    """Revoked keys are listed only with ``revoked=True`` and cannot be rotated."""
    created = admin.api_keys.create("n", owner="viewer")
    assert [key.id for key in admin.api_keys.list(owner="viewer")] == [created.id]
    admin.api_keys.revoke(created.id)
    assert list(admin.api_keys.list(owner="viewer")) == []
    assert [key.id for key in admin.api_keys.list(owner="viewer", revoked=True)] == [created.id]
    with pytest.raises(ConflictError):
        admin.api_keys.rotate(created.id)


def test_a_user_without_permission_has_only_their_own_keys(
    admin: PlatformClient, live_url: str, committed_key: Callable[[str], str]
) -> None:
    """Other users' keys are not listed, not found and not created."""
    key_of_admin = admin.api_keys.create("n")
    with PlatformClient(live_url, committed_key("viewer")) as viewer:
        assert viewer.api_keys.create("own").owner == "viewer"
        assert {key.owner for key in viewer.api_keys.list()} == {"viewer"}
        with pytest.raises(ResourceNotFoundError):
            viewer.api_keys.get(key_of_admin.id)
        with pytest.raises(PermissionDeniedError) as caught:
            viewer.api_keys.create("n", owner="admin")
    assert caught.value.scope == "api_keys:write"


def test_the_asynchronous_client_manages_keys(live_url: str, committed_key: Callable[[str], str]) -> None:
    """Keys are created, updated, rotated and revoked."""

    async def session() -> list[str | None]:
        async with AsyncPlatformClient(live_url, committed_key("admin")) as client:
            created = await client.api_keys.create("n", scopes=["dags:read"])
            changed = await client.api_keys.update(created.id, scopes=None)
            assert changed.scopes is None
            rotated = await client.api_keys.rotate(created.id)
            await client.api_keys.revoke(created.id)
            return [created.key, rotated.key]

    assert len(set(asyncio.run(session()))) == 2
