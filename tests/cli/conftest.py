"""What the CLI's tests share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_platform_cli.main import main
from command_line import Result, Run

sys.path.append(str(Path(__file__).parents[1] / "sdk"))  # where fake_platform is
from fake_platform import FakePlatform, serve


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    """A server without an answer yet."""
    with serve() as platform:
        yield platform


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that is not there yet."""
    path = tmp_path / "new" / "config.yaml"
    monkeypatch.setenv("AIRFLOW_CLI_CONFIG", str(path))
    monkeypatch.delenv("AIRFLOW_PLATFORM_BASE_URL", raising=False)
    monkeypatch.delenv("AIRFLOW_PLATFORM_API_KEY", raising=False)
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
