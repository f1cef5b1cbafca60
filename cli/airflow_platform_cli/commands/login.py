"""The commands ``airflow-cli login`` and ``airflow-cli logout``."""

from typing import Annotated

import typer
from airflow_platform import PlatformError

from airflow_platform_cli import config_file, settings
from airflow_platform_cli.arguments import ScopesOption, split_names
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.login import LoginStore, log_in, log_out
from airflow_platform_cli.output import print_message


def login(
    scopes: ScopesOption = None,
    *,
    browser: Annotated[bool, typer.Option(help="Open the login page in a browser.")] = True,
) -> None:
    """Log in with a browser.

    The configuration file stores the login, and commands renew it there. An API key or an OAuth client in the
    environment or the file takes precedence over the login.
    """
    base_url = settings.get_base_url()
    token = log_in(base_url, split_names(scopes), browser=browser)
    with config_file.lock():
        former = config_file.read().login
        LoginStore(base_url).save(token)
    # Without --scopes the list of scopes would be long.
    print_message(f"Logged in to {base_url}" + (f" for {token.scope}" if scopes else ""))
    used = settings.resolve_credentials()
    if "tokens" not in used:
        names = ", ".join(used)
        print_message(f"The login is not used: {names} takes precedence; see airflow-cli config list")
    if former:
        try:
            log_out(former)
        except PlatformError as error:
            print_message(f"The previous login could not be ended on the platform: {error}")


def logout() -> None:
    """End the login on the platform and remove it from the configuration file."""
    with config_file.lock():
        content = config_file.read()
        if content.login is None:
            print_message("You are not logged in.")
            return
        try:
            log_out(content.login)
        except PlatformError as error:
            raise CommandError(
                f"The login was removed from the file, but it could not be ended on the platform: {error}"
            ) from error
        finally:
            config_file.write(content.model_copy(update={"login": None}))
    print_message(f"Logged out of {content.login.base_url}")
