"""Which platform to talk to, and as whom: from the environment, or else from a file."""

import os
from enum import Enum
from typing import Any, NamedTuple

from airflow_platform import DEFAULT_BASE_URL, PlatformClient

from airflow_platform_cli import config_file
from airflow_platform_cli.login import CLIENT_ID, LoginStore

PRECEDENCE = (
    "Commands act as what the environment says ($AIRFLOW_PLATFORM_API_KEY, or else "
    "$AIRFLOW_PLATFORM_CLIENT_ID and $AIRFLOW_PLATFORM_CLIENT_SECRET), or else the configuration file: "
    "api_key, or else client_id and client_secret, or else the login."
)


class Key(str, Enum):
    """What can be set."""

    BASE_URL = "base_url"
    API_KEY = "api_key"
    CLIENT_ID = "client_id"
    CLIENT_SECRET = "client_secret"  # noqa: S105 - a name

    @property
    def variable(self) -> str:
        """The environment variable that overrides the file."""
        return f"AIRFLOW_PLATFORM_{self.name}"

    @property
    def is_secret(self) -> bool:
        """Whether it is never shown."""
        return self in (Key.API_KEY, Key.CLIENT_SECRET)


class Setting(NamedTuple):
    """A value and where it comes from."""

    value: str
    source: str


def connect() -> PlatformClient:
    """A client of the platform that is set, as whom is set."""
    return PlatformClient(base_url(), **credentials())


def base_url() -> str:
    """Which platform."""
    found = effective().get(Key.BASE_URL)
    return (found.value if found else DEFAULT_BASE_URL).rstrip("/")


def credentials() -> dict[str, Any]:
    """As whom, in the order of PRECEDENCE: what PlatformClient takes."""
    both = effective()
    for values in (_environment(), _stored()):
        if Key.API_KEY in values:
            return {"api_key": values[Key.API_KEY]}
        if Key.CLIENT_ID in values or Key.CLIENT_SECRET in values:
            # One half may come from the environment, the other from the file.
            return {key.value: both[key].value for key in (Key.CLIENT_ID, Key.CLIENT_SECRET) if key in both}
    login = LoginStore(base_url())
    return {"client_id": CLIENT_ID, "tokens": login} if login.load() else {}


def effective() -> dict[Key, Setting]:
    """What holds now."""
    settings = {key: Setting(value, str(config_file.path())) for key, value in _stored().items()}
    return settings | {key: Setting(value, f"${key.variable}") for key, value in _environment().items()}


def store(key: Key, value: str | None) -> None:
    """Write one value to the file, or remove it."""
    with config_file.locked():
        config_file.write(config_file.read().model_copy(update={key.value: value}))


def _environment() -> dict[Key, str]:
    return {key: value for key in Key if (value := os.environ.get(key.variable))}


def _stored() -> dict[Key, str]:
    content = config_file.read()
    return {key: value for key in Key if (value := getattr(content, key.value))}
