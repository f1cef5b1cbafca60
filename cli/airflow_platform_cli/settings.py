"""The platform's URL and the credentials, from the environment and the configuration file."""

import os
from enum import Enum
from typing import NamedTuple, TypedDict

from airflow_platform import DEFAULT_BASE_URL, PlatformClient, TokenStore

from airflow_platform_cli import config_file
from airflow_platform_cli.login import CLIENT_ID, LoginStore

PRECEDENCE = (
    "Credentials are the first of these that are set: $AIRFLOW_PLATFORM_API_KEY; "
    "$AIRFLOW_PLATFORM_CLIENT_ID with $AIRFLOW_PLATFORM_CLIENT_SECRET; in the configuration file, api_key, "
    "then client_id with client_secret, then the login."
)


class Key(str, Enum):
    """The settings that a user can set."""

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
        """Whether the value is masked in output."""
        return self in (Key.API_KEY, Key.CLIENT_SECRET)


class Setting(NamedTuple):
    """A setting in effect.

    Attributes:
        value: Its value.
        source: The environment variable or file that it comes from.
    """

    value: str
    source: str


class Credentials(TypedDict, total=False):
    """One kind of credentials, as arguments of ``PlatformClient``.

    Attributes:
        api_key: API key.
        client_id: Id of an OAuth client.
        client_secret: Secret of the OAuth client.
        tokens: Tokens of the login.
    """

    api_key: str
    client_id: str
    client_secret: str
    tokens: TokenStore


def connect() -> PlatformClient:
    """Return a client for the configured platform, with the configured credentials."""
    return PlatformClient(get_base_url(), **resolve_credentials())


def get_base_url() -> str:
    """Return the URL of the platform."""
    setting = get_effective().get(Key.BASE_URL)
    return (setting.value if setting else DEFAULT_BASE_URL).rstrip("/")


def resolve_credentials() -> Credentials:
    """Return the credentials that PRECEDENCE selects; none if nothing is set."""
    effective = get_effective()
    for values in (_read_environment(), _read_file()):
        if Key.API_KEY in values:
            return {"api_key": values[Key.API_KEY]}
        if Key.CLIENT_ID in values or Key.CLIENT_SECRET in values:
            # One of the two may come from the environment and the other from the file.
            credentials = Credentials()
            if Key.CLIENT_ID in effective:
                credentials["client_id"] = effective[Key.CLIENT_ID].value
            if Key.CLIENT_SECRET in effective:
                credentials["client_secret"] = effective[Key.CLIENT_SECRET].value
            return credentials
    store = LoginStore(get_base_url())
    return {"client_id": CLIENT_ID, "tokens": store} if store.load() else {}


def get_effective() -> dict[Key, Setting]:
    """Return the settings in effect; the environment overrides the file."""
    settings = {key: Setting(value, str(config_file.get_path())) for key, value in _read_file().items()}
    return settings | {key: Setting(value, f"${key.variable}") for key, value in _read_environment().items()}


def store(key: Key, value: str | None) -> None:
    """Write a setting to the file, or remove it.

    Args:
        key: The setting.
        value: Its new value; None removes it.
    """
    with config_file.lock():
        config_file.write(config_file.read().model_copy(update={key.value: value}))


def _read_environment() -> dict[Key, str]:
    return {key: value for key in Key if (value := os.environ.get(key.variable))}


def _read_file() -> dict[Key, str]:
    content = config_file.read()
    return {key: value for key in Key if (value := getattr(content, key.value))}
