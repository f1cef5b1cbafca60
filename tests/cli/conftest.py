"""Fixtures of the CLI's tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow_platform_cli.main import main
from command_line import Result, Run

sys.path.append(str(Path(__file__).parents[1] / "sdk"))  # for fake_platform and live_platform
from fake_platform import FakePlatform, serve
from live_platform import create_pipeline, serve_live
from reference_answers import ROUTES


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    """Return a fake platform without answers."""
    with serve() as platform:
        yield platform


@pytest.fixture
def reference_routes(platform: FakePlatform) -> None:
    """Answer all requests of the API reference's commands."""
    platform.routes = dict(ROUTES)


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


@pytest.fixture
def config_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a configuration file that does not exist yet."""
    path = tmp_path / "new" / "config.yaml"
    monkeypatch.setenv("AIRFLOW_CLI_CONFIG", str(path))
    for name in ("BASE_URL", "API_KEY", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"AIRFLOW_PLATFORM_{name}", raising=False)
    return path


@pytest.fixture
def unconfigured(
    config_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs ``airflow-cli`` without configuration."""
    assert not config_path.exists()

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["airflow-cli", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Result(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def cli(unconfigured: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs ``airflow-cli`` with the fake platform."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", platform.url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", "key-of-tests")
    return unconfigured
