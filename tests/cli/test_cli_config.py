"""The commands ``airflow-cli config``, and the configuration file."""

import stat
from pathlib import Path

import pytest
from airflow_platform_cli import config_file
from command_line import Run
from fake_platform import FakePlatform
from reference import commands

KEY = "plk_0123456789abcdef"


def test_stored_settings_are_used(unconfigured: Run, platform: FakePlatform) -> None:
    """Commands use the settings that ``config set`` stored."""
    assert unconfigured("config", "set", "api_key", KEY).status == 0
    assert unconfigured("config", "set", "base_url", platform.url).status == 0
    platform.answer(200, {"dags": [], "total_entries": 0})
    assert unconfigured("dags", "list").status == 0
    assert platform.last.headers["x-api-key"] == KEY


def test_the_commands_of_the_api_reference_work(unconfigured: Run) -> None:
    """The ``config`` commands of the API reference run unchanged."""
    for command in [command for command in commands() if command[0] == "config"]:
        assert unconfigured(*command).status == 0
    assert config_file.read().base_url == "https://airflow.example.com"
    assert config_file.read().api_key == "your-api-key"


def test_the_environment_takes_precedence(
    unconfigured: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment variables override the configuration file."""
    unconfigured("config", "set", "base_url", "http://127.0.0.1:1")
    unconfigured("config", "set", "api_key", "of-the-file")
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", platform.url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", "of-the-environment")
    platform.answer(200, {"dags": [], "total_entries": 0})
    assert unconfigured("dags", "list").status == 0
    assert platform.last.headers["x-api-key"] == "of-the-environment"


def test_only_the_owner_can_read_the_file(unconfigured: Run, config_path: Path) -> None:
    """The file's mode is 0600, even if it was another; the only other file is its lock."""
    unconfigured("config", "set", "api_key", KEY)
    config_path.chmod(0o644)
    unconfigured("config", "set", "base_url", "http://a")
    assert stat.S_IMODE(config_path.stat().st_mode) == 0o600
    assert {path.name for path in config_path.parent.iterdir()} == {"config.yaml", "config.yaml.lock"}


def test_the_file_is_in_xdg_config_home(
    unconfigured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without AIRFLOW_CLI_CONFIG the file is in XDG_CONFIG_HOME."""
    monkeypatch.delenv("AIRFLOW_CLI_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unconfigured("config", "set", "base_url", "http://a")
    assert (tmp_path / "airflow-platform" / "config.yaml").read_text() == "base_url: http://a\n"


@pytest.mark.parametrize("name", ["api_key", "client_secret"])
def test_secrets_are_masked(name: str, unconfigured: Run) -> None:
    """No ``config`` command prints a whole key or secret."""
    outputs = [unconfigured("config", "set", name, KEY).out]
    for command in (["get", name], ["list"], ["list", "-o", "json"], ["get", name, "-o", "yaml"]):
        outputs.append(unconfigured("config", *command).out)
        assert "****cdef" in outputs[-1]
    assert KEY[:-4] not in "".join(outputs)


def test_a_short_key_is_masked_completely(unconfigured: Run) -> None:
    """The end of a short key is not shown, because it would reveal too much."""
    unconfigured("config", "set", "api_key", "sesame")
    shown = unconfigured("config", "get", "api_key").out
    assert "****" in shown
    assert "same" not in shown


def test_an_unknown_setting_is_refused(unconfigured: Run, config_path: Path) -> None:
    """The error names the settings that exist."""
    result = unconfigured("config", "set", "api-key", KEY)
    assert result.status == 2
    assert "'base_url', 'api_key', 'client_id', 'client_secret'" in result.err
    assert not config_path.exists()


def test_unset_removes_one_setting(unconfigured: Run) -> None:
    """``config unset`` removes a setting and leaves the others."""
    unconfigured("config", "set", "base_url", "http://a")
    unconfigured("config", "set", "api_key", KEY)
    assert unconfigured("config", "unset", "api_key").status == 0
    assert unconfigured("config", "get", "api_key").status == 1
    assert "http://a" in unconfigured("config", "get", "base_url").out
    assert unconfigured("config", "unset", "api_key").status == 0


def test_get_of_a_missing_setting_fails(unconfigured: Run) -> None:
    """``config get`` exits with 1 if the setting is not set."""
    result = unconfigured("config", "get", "base_url")
    assert (result.status, result.out, result.err) == (1, "", "Error: base_url is not set\n")


@pytest.mark.parametrize(
    "content",
    ["[", "- a\n", "\x00", "api-key: plk_1", "login: plk_1"],
    ids=["YAML", "list", "control", "key", "login"],
)
def test_an_invalid_file_is_a_short_error(content: str, unconfigured: Run, config_path: Path) -> None:
    """The error is one line that names the file and quotes nothing of it."""
    config_path.parent.mkdir()
    config_path.write_text(content)
    result = unconfigured("dags", "list")
    assert result.status == 1
    assert result.err.startswith(f"Error: {config_path}")
    assert "plk_1" not in result.err
    assert result.err.count("\n") == 1
