"""The configuration file: settings and the login. Only its owner can read it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydantic
import yaml
from airflow_platform import Token
from filelock import FileLock, Timeout

from airflow_platform_cli.errors import CommandError

LOCK_TIMEOUT = 120.0  # seconds


class Login(pydantic.BaseModel):
    """The tokens of a login.

    Attributes:
        base_url: Platform that issued the tokens. They are sent to no other platform.
        token: The tokens.
    """

    base_url: str
    token: Token


class ConfigFile(pydantic.BaseModel):
    """The content of the file."""

    model_config = pydantic.ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    base_url: str | None = None
    api_key: str | None = pydantic.Field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = pydantic.Field(default=None, repr=False)
    login: Login | None = None


def get_path() -> Path:
    """Return the path of the file."""
    if chosen := os.environ.get("AIRFLOW_CLI_CONFIG"):
        return Path(chosen)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "airflow-platform" / "config.yaml"


def read() -> ConfigFile:
    """Return the content of the file, which is empty if there is no file."""
    try:
        return ConfigFile.model_validate(yaml.safe_load(get_path().read_text(encoding="utf-8")) or {})
    except FileNotFoundError:
        return ConfigFile()
    except OSError as error:
        raise CommandError(f"Cannot read {get_path()}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError):
        # The cause is left out: it may quote a secret.
        names = ", ".join(ConfigFile.model_fields)
        raise CommandError(f"{get_path()} is not a YAML mapping of {names}; correct or delete it") from None


@contextmanager
def lock() -> Iterator[None]:
    """Keep other commands from writing the file, and from renewing its tokens, inside a ``with`` block."""
    file_lock = FileLock(f"{get_path()}.lock", timeout=LOCK_TIMEOUT, mode=0o600)
    try:
        get_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file_lock.acquire()
    except Timeout:
        raise CommandError(
            f"Another command has locked {get_path()} for {LOCK_TIMEOUT:.0f} s; end it and try again"
        ) from None
    except OSError as error:
        raise CommandError(f"Cannot lock {get_path()}: {error.strerror}") from error
    try:
        yield
    finally:
        file_lock.release()


def write(content: ConfigFile) -> None:
    """Replace the file. The caller must hold ``lock`` since it read the file.

    Args:
        content: The new content.
    """
    document = content.model_dump(mode="json", exclude_none=True)
    try:
        # mkstemp creates the file with mode 0600; replace leaves either the old file or the whole new one.
        descriptor, temporary = tempfile.mkstemp(dir=get_path().parent, prefix=f".{get_path().name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                yaml.safe_dump(document, stream, sort_keys=False)
            Path(temporary).replace(get_path())
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"Cannot write {get_path()}: {error.strerror}") from error
