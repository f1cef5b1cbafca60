"""``client.api_keys`` against the real application, over HTTP."""

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
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform remembers no key, so that a change counts at once."""
    monkeypatch.setattr(credentials, "CACHE_SECONDS", 0)


@pytest.fixture
def admin(live_url: str, committed_key: Callable[[str], str]) -> Iterator[PlatformClient]:
    """An administrator's client."""
    with PlatformClient(live_url, committed_key("admin")) as client:
        yield client


def test_key_and_its_limits(admin: PlatformClient, live_url: str) -> None:
    """A key is made with its limits, works, tells its text once, and ends when it is revoked."""
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    made = admin.api_keys.create(
        name="ci",
        owner="viewer",
        scopes=["dags:read"],
        allowed_dags={"dag_ids": ["sales_*"], "tags": ["sales"]},
        allowed_networks=["127.0.0.0/8"],
        expires_at=end,
    )
    assert (made.name, made.owner, made.created_by) == ("ci", "viewer", "admin")
    assert made.scopes == ["dags:read"]
    assert made.allowed_dags == {"dag_ids": ["sales_*"], "tags": ["sales"]}
    assert (made.allowed_networks, made.expires_at) == (["127.0.0.0/8"], end)
    assert made.key is not None
    assert made.key not in repr(made)
    assert admin.api_keys.get(made.id).key is None

    with PlatformClient(live_url, made.key) as viewer:
        assert viewer.dags.list().dags == []  # none of the DAGs that it is limited to is there
        admin.api_keys.update(made.id, allowed_dags=None)
        assert viewer.dags.list().dags == []
        with pytest.raises(PermissionDeniedError) as caught:
            viewer.tenants.list()
        assert caught.value.scope == "tenants:read"
        admin.api_keys.revoke(made.id)
        with pytest.raises(AuthenticationError):
            viewer.dags.list()


def test_update(admin: PlatformClient) -> None:
    """A change sets what is given, removes what is None, and leaves the rest."""
    made = admin.api_keys.create("n", scopes=["dags:read"], allowed_networks=["127.0.0.0/8"])
    changed = admin.api_keys.update(made.id, name="m", allowed_networks=None)
    assert (changed.name, changed.scopes, changed.allowed_networks) == ("m", ["dags:read"], None)
    assert admin.api_keys.get(made.id) == changed
    with pytest.raises(ValidationError) as caught:
        admin.api_keys.update(made.id, scopes=["everything"])
    assert caught.value.errors[0]["pointer"] == "/scopes/0"


def test_rotate(admin: PlatformClient, live_url: str) -> None:
    """A rotated key has a new text; the old one works for as long as was said."""
    made = admin.api_keys.create("n")
    overlapping = admin.api_keys.rotate(made.id)
    last = admin.api_keys.rotate(made.id, overlap_seconds=0)
    assert len({made.key, overlapping.key, last.key}) == 3
    assert last.id == made.id
    with PlatformClient(live_url, last.key) as client:
        client.dags.list()
    with PlatformClient(live_url, overlapping.key) as client, pytest.raises(AuthenticationError):
        client.dags.list()


def test_list(admin: PlatformClient) -> None:
    """Keys are listed by owner, and revoked ones if asked for."""
    made = admin.api_keys.create("n", owner="viewer")
    assert [key.id for key in admin.api_keys.list(owner="viewer")] == [made.id]
    admin.api_keys.revoke(made.id)
    assert list(admin.api_keys.list(owner="viewer")) == []
    assert [key.id for key in admin.api_keys.list(owner="viewer", revoked=True)] == [made.id]
    with pytest.raises(ConflictError):
        admin.api_keys.rotate(made.id)


def test_others(admin: PlatformClient, live_url: str, committed_key: Callable[[str], str]) -> None:
    """Who has no permission for it sees and makes no keys but the own."""
    key_of_admin = admin.api_keys.create("n")
    with PlatformClient(live_url, committed_key("viewer")) as viewer:
        assert viewer.api_keys.create("own").owner == "viewer"
        assert {key.owner for key in viewer.api_keys.list()} == {"viewer"}
        with pytest.raises(ResourceNotFoundError):
            viewer.api_keys.get(key_of_admin.id)
        with pytest.raises(PermissionDeniedError) as caught:
            viewer.api_keys.create("n", owner="admin")
    assert caught.value.scope == "api_keys:write"


def test_async(live_url: str, committed_key: Callable[[str], str]) -> None:
    """The asynchronous client does the same."""

    async def session() -> list[str | None]:
        async with AsyncPlatformClient(live_url, committed_key("admin")) as client:
            made = await client.api_keys.create("n", scopes=["dags:read"])
            changed = await client.api_keys.update(made.id, scopes=None)
            assert changed.scopes is None
            rotated = await client.api_keys.rotate(made.id)
            await client.api_keys.revoke(made.id)
            return [made.key, rotated.key]

    assert len(set(asyncio.run(session()))) == 2
