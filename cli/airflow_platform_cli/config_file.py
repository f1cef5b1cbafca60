"""The file that keeps settings and the login, which only its owner can read."""

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

LOCK_TIMEOUT = 120.0


class Login(pydantic.BaseModel):
    """The tokens of a user, and the platform that they are for, as no other must see them."""

    base_url: str
    token: Token


class Content(pydantic.BaseModel):
    """All that the file can hold."""

    model_config = pydantic.ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    base_url: str | None = None
    api_key: str | None = pydantic.Field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = pydantic.Field(default=None, repr=False)
    login: Login | None = None


def path() -> Path:
    """Where the file is."""
    if chosen := os.environ.get("AIRFLOW_CLI_CONFIG"):
        return Path(chosen)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "airflow-platform" / "config.yaml"


def read() -> Content:
    """What the file holds."""
    try:
        return Content.model_validate(yaml.safe_load(path().read_text(encoding="utf-8")) or {})
    except FileNotFoundError:
        return Content()
    except OSError as error:
        raise CommandError(f"Cannot read {path()}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError):
        # The cause is left out, as it may quote a secret.
        names = ", ".join(Content.model_fields)
        raise CommandError(f"{path()} is not a YAML mapping of {names}; correct or remove it") from None


@contextmanager
def locked() -> Iterator[None]:
    """Let no other command write the file meanwhile, nor renew the tokens that are in it."""
    lock = FileLock(f"{path()}.lock", timeout=LOCK_TIMEOUT, mode=0o600)
    try:
        path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise CommandError(f"Another command has locked {path()} for {LOCK_TIMEOUT:.0f} s") from None
    except OSError as error:
        raise CommandError(f"Cannot lock {path()}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def write(content: Content) -> None:
    """Replace the file; the caller has locked it since it was read."""
    document = content.model_dump(mode="json", exclude_none=True)
    try:
        # mkstemp creates with mode 0600, and replace leaves either the old file or the whole new one.
        descriptor, temporary = tempfile.mkstemp(dir=path().parent, prefix=f".{path().name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                yaml.safe_dump(document, stream, sort_keys=False)
            Path(temporary).replace(path())
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"Cannot write {path()}: {error.strerror}") from error
