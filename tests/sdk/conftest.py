"""Fixtures of the SDK's tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow_platform import PlatformClient, _http
from fake_oauth import FakeOAuth
from fake_platform import FakePlatform, serve
from live_platform import create_pipeline, serve_live


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    """Return a fake platform without answers."""
    with serve() as platform:
        yield platform


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[PlatformClient]:
    """Return a client of the fake platform."""
    with PlatformClient(base_url=platform.url, api_key="key-of-tests") as client:
        yield client


@pytest.fixture
def oauth(platform: FakePlatform) -> FakeOAuth:
    """Return a fake OAuth server; its tokens give access to a DAG."""
    oauth = FakeOAuth(platform)
    platform.routes["GET", "/api/v1/dags/a"] = oauth.protect({"dag_id": "a"})
    return oauth


@pytest.fixture
def live_url(app: Any) -> Iterator[str]:
    """Return the URL of the real application."""
    with serve_live(app) as url:
        yield url


@pytest.fixture
def finish(app: Any) -> Iterator[Callable[[], None]]:
    """Create the DAG of the API reference; return a function that finishes all its runs."""
    with create_pipeline() as finish:
        yield finish


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove credentials from the environment."""
    for name in ("BASE_URL", "API_KEY", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"AIRFLOW_PLATFORM_{name}", raising=False)


@pytest.fixture(autouse=True)
def no_retry_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without delay."""
    monkeypatch.setattr(_http, "INITIAL_DELAY", 0.0)
