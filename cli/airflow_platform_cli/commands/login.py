"""``airflow-cli login`` and ``airflow-cli logout``."""

from typing import Annotated

import typer
from airflow_platform import PlatformError

from airflow_platform_cli import config_file, settings
from airflow_platform_cli.arguments import ScopesOption, names
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.login import LoginStore, log_in, log_out
from airflow_platform_cli.output import note


def login(
    scopes: ScopesOption = None,
    *,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Log in with a browser.

    The login is kept, and renewed, in the configuration file. An API key or OAuth client that is set
    there or in the environment is used in its stead.
    """
    base_url = settings.base_url()
    token = log_in(base_url, names(scopes), browser=browser)
    with config_file.locked():
        former = config_file.read().login
        LoginStore(base_url).save(token)
    # Of a login for everything, that would be a long list.
    note(f"Logged in to {base_url}" + (f" for {token.scope}" if scopes else ""))
    used = settings.credentials()
    if "tokens" not in used:
        note(f"It is not used as long as {' and '.join(used)} is set; see airflow-cli config list")
    if former:
        try:
            log_out(former)
        except PlatformError as error:
            note(f"The login before this one could not be ended: {error}")


def logout() -> None:
    """End the login, here and on the platform."""
    with config_file.locked():
        content = config_file.read()
        if content.login is None:
            note("Nobody is logged in.")
            return
        try:
            log_out(content.login)
        except PlatformError as error:
            raise CommandError(f"The login is forgotten here, but lives on the platform: {error}") from error
        finally:
            config_file.write(content.model_copy(update={"login": None}))
    note(f"Logged out of {content.login.base_url}")
