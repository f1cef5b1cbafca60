"""What the CLI's tests share."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow_platform_cli.main import main
from command_line import Result, Run

sys.path.append(str(Path(__file__).parents[1] / "sdk"))  # where fake_platform is
from fake_platform import FakePlatform, serve
from live_platform import pipeline, serve_live


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    """A server without an answer yet."""
    with serve() as platform:
        yield platform


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


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that is not there yet."""
    path = tmp_path / "new" / "config.yaml"
    monkeypatch.setenv("AIRFLOW_CLI_CONFIG", str(path))
    for name in ("BASE_URL", "API_KEY", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"AIRFLOW_PLATFORM_{name}", raising=False)
    return path


@pytest.fixture
def unconfigured(nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``airflow-cli``, without settings."""
    assert not nowhere.exists()

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["airflow-cli", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Result(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def cli(unconfigured: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``airflow-cli``, with settings that lead to the server."""
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", platform.url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", "key-of-tests")
    return unconfigured
