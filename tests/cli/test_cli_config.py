"""``airflow-cli config`` and the settings file."""

import stat
from pathlib import Path

import pytest
from airflow_platform_cli import config_file
from command_line import Run
from fake_platform import FakePlatform
from reference import commands

KEY = "plk_0123456789abcdef"


def test_settings_are_used(unconfigured: Run, platform: FakePlatform) -> None:
    """What was stored is what later commands go by."""
    assert unconfigured("config", "set", "api_key", KEY).status == 0
    assert unconfigured("config", "set", "base_url", platform.url).status == 0
    platform.answer(200, {"dags": [], "total_entries": 0})
    assert unconfigured("dags", "list").status == 0
    assert platform.last.headers["x-api-key"] == KEY


def test_reference(unconfigured: Run) -> None:
    """The commands of the reference that configure run as they stand."""
    for command in [command for command in commands() if command[0] == "config"]:
        assert unconfigured(*command).status == 0
    assert config_file.read().base_url == "https://airflow.example.com"
    assert config_file.read().api_key == "your-api-key"


def test_environment_wins(unconfigured: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment overrides the file."""
    unconfigured("config", "set", "base_url", "http://127.0.0.1:1")
    unconfigured("config", "set", "api_key", "of-the-file")
    monkeypatch.setenv("AIRFLOW_PLATFORM_BASE_URL", platform.url)
    monkeypatch.setenv("AIRFLOW_PLATFORM_API_KEY", "of-the-environment")
    platform.answer(200, {"dags": [], "total_entries": 0})
    assert unconfigured("dags", "list").status == 0
    assert platform.last.headers["x-api-key"] == "of-the-environment"


def test_only_the_owner_reads_the_file(unconfigured: Run, nowhere: Path) -> None:
    """The file holds a key, so its mode is 0600, also where it had another; beside it is its lock alone."""
    unconfigured("config", "set", "api_key", KEY)
    nowhere.chmod(0o644)
    unconfigured("config", "set", "base_url", "http://a")
    assert stat.S_IMODE(nowhere.stat().st_mode) == 0o600
    assert {path.name for path in nowhere.parent.iterdir()} == {"config.yaml", "config.yaml.lock"}


def test_file_below_xdg_config_home(
    unconfigured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it is chosen, the file's place is the platform's usual one."""
    monkeypatch.delenv("AIRFLOW_CLI_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unconfigured("config", "set", "base_url", "http://a")
    assert (tmp_path / "airflow-platform" / "config.yaml").read_text() == "base_url: http://a\n"


@pytest.mark.parametrize("name", ["api_key", "client_secret"])
def test_secrets_are_masked(name: str, unconfigured: Run) -> None:
    """No config command shows a key or secret."""
    outputs = [unconfigured("config", "set", name, KEY).out]
    for command in (["get", name], ["list"], ["list", "-o", "json"], ["get", name, "-o", "yaml"]):
        outputs.append(unconfigured("config", *command).out)
        assert "****cdef" in outputs[-1]
    assert KEY[:-4] not in "".join(outputs)


def test_short_key_is_masked_whole(unconfigured: Run) -> None:
    """The end of a short key would say too much of it."""
    unconfigured("config", "set", "api_key", "sesame")
    shown = unconfigured("config", "get", "api_key").out
    assert "****" in shown
    assert "same" not in shown


def test_unknown_setting(unconfigured: Run, nowhere: Path) -> None:
    """A setting that nothing would read is refused."""
    result = unconfigured("config", "set", "api-key", KEY)
    assert result.status == 2
    assert "'base_url', 'api_key', 'client_id', 'client_secret'" in result.err
    assert not nowhere.exists()


def test_unset(unconfigured: Run) -> None:
    """A value can be removed, and the rest stays."""
    unconfigured("config", "set", "base_url", "http://a")
    unconfigured("config", "set", "api_key", KEY)
    assert unconfigured("config", "unset", "api_key").status == 0
    assert unconfigured("config", "get", "api_key").status == 1
    assert "http://a" in unconfigured("config", "get", "base_url").out
    assert unconfigured("config", "unset", "api_key").status == 0


def test_nothing_set(unconfigured: Run) -> None:
    """A setting that is not there is an error."""
    result = unconfigured("config", "get", "base_url")
    assert (result.status, result.out, result.err) == (1, "", "Error: base_url is not set\n")


@pytest.mark.parametrize(
    "content",
    ["[", "- a\n", "\x00", "api-key: plk_1", "login: plk_1"],
    ids=["YAML", "list", "control", "key", "login"],
)
def test_broken_file(content: str, unconfigured: Run, nowhere: Path) -> None:
    """A file that cannot be read is one line of error."""
    nowhere.parent.mkdir()
    nowhere.write_text(content)
    result = unconfigured("dags", "list")
    assert result.status == 1
    assert result.err.startswith(f"Error: {nowhere}")
    assert "plk_1" not in result.err
    assert result.err.count("\n") == 1
