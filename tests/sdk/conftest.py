"""What the SDK's tests share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow_platform import PlatformClient, _http
from fake_platform import FakePlatform, serve
from live_platform import pipeline, serve_live


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    """A server without an answer yet."""
    with serve() as platform:
        yield platform


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[PlatformClient]:
    """A client of that server."""
    with PlatformClient(base_url=platform.url, api_key="key-of-tests") as client:
        yield client


@pytest.fixture
def live_url(app: Any) -> Iterator[str]:
    """Where the real application answers."""
    with serve_live(app) as url:
        yield url


@pytest.fixture
def finish(app: Any) -> Iterator[Callable[[], None]]:
    """The reference's DAG in that application; called, every run of it has finished."""
    with pipeline() as finish:
        yield finish


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests holds no credentials."""
    for name in ("BASE_URL", "API_KEY", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"AIRFLOW_PLATFORM_{name}", raising=False)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without waiting."""
    monkeypatch.setattr(_http, "INITIAL_DELAY", 0.0)
