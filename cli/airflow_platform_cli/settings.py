"""Which platform to talk to, and as whom: from the environment, or else from a file."""

import os
import tempfile
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import yaml
from airflow_platform import PlatformClient

from airflow_platform_cli.errors import CommandError


class Key(str, Enum):
    """What can be set."""

    BASE_URL = "base_url"
    API_KEY = "api_key"

    @property
    def variable(self) -> str:
        """The environment variable that overrides the file."""
        return f"AIRFLOW_PLATFORM_{self.name}"


class Setting(NamedTuple):
    """A value and where it comes from."""

    value: str
    source: str


def connect() -> PlatformClient:
    """A client of the platform that is set."""
    found = effective()
    values = {key: found[key].value if key in found else None for key in Key}
    return PlatformClient(base_url=values[Key.BASE_URL], api_key=values[Key.API_KEY])


def effective() -> dict[Key, Setting]:
    """What holds now."""
    settings = {key: Setting(value, str(file())) for key, value in stored().items()}
    for key in Key:
        if value := os.environ.get(key.variable):
            settings[key] = Setting(value, f"${key.variable}")
    return settings


def stored() -> dict[Key, str]:
    """What the file holds."""
    try:
        content = yaml.safe_load(file().read_text(encoding="utf-8")) or {}
        return {Key(key): str(value) for key, value in content.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError(f"Cannot read {file()}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, AttributeError):
        # The cause is left out, as it may quote the API key.
        names = " and ".join(Key)
        raise CommandError(f"{file()} is not a YAML mapping of {names}; correct or remove it") from None


def store(key: Key, value: str) -> None:
    """Write one value to the file, which is then readable by its owner alone."""
    values = {known.value: kept for known, kept in (stored() | {key: value}).items()}
    try:
        file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp creates with mode 0600, and replace leaves either the old file or the whole new one.
        descriptor, temporary = tempfile.mkstemp(dir=file().parent, prefix=f".{file().name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                yaml.safe_dump(values, stream)
            Path(temporary).replace(file())
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"Cannot write {file()}: {error.strerror}") from error


def file() -> Path:
    """Where the file is."""
    if path := os.environ.get("AIRFLOW_CLI_CONFIG"):
        return Path(path)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "airflow-platform" / "config.yaml"
