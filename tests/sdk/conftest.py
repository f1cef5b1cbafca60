"""What the SDK's tests share."""

from collections.abc import Iterator

import pytest
from airflow_platform import PlatformClient, _http
from fake_platform import FakePlatform, serve


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


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without waiting."""
    monkeypatch.setattr(_http, "RETRY_DELAYS", (0.0, 0.0))
