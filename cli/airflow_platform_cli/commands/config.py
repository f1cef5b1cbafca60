"""The commands ``airflow-cli config``."""

from typing import Annotated

import typer

from airflow_platform_cli import config_file, settings
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, print_message, show, show_list

app = typer.Typer(
    help=f"Configuration: the platform's URL and your credentials.\n\n{settings.PRECEDENCE}",
    no_args_is_help=True,
)

SHOWN_CHARACTERS = 4

KeyArgument = Annotated[settings.Key, typer.Argument(help="Name of the setting.")]


@app.command("set")
def set_(key: KeyArgument, value: Annotated[str, typer.Argument(help="Value of the setting.")]) -> None:
    """Store a setting in the configuration file."""
    value = value.strip()
    if not value:
        raise typer.BadParameter(f"The value is empty; airflow-cli config unset {key.value} removes it.")
    if key is settings.Key.BASE_URL and not value.startswith(("http://", "https://")):
        raise typer.BadParameter("A base_url must begin with http:// or https://.")
    settings.store(key, value)
    print_message(f"{key.value} is now set in {config_file.get_path()}")


@app.command()
def unset(key: KeyArgument) -> None:
    """Remove a setting from the configuration file."""
    settings.store(key, None)
    print_message(f"{key.value} is no longer set in {config_file.get_path()}")


@app.command("list")
def list_(output: OutputOption = Format.TABLE) -> None:
    """Show the settings in effect and where they come from. Secrets are masked."""
    rows = [_build_row(key, setting) for key, setting in settings.get_effective().items()]
    if login := config_file.read().login:
        rows.append({"key": "login", "value": login.base_url, "source": str(config_file.get_path())})
    show_list(rows, ("key", "value", "source"), output)


@app.command()
def get(key: KeyArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a setting in effect and where it comes from. Secrets are masked."""
    setting = settings.get_effective().get(key)
    if setting is None:
        raise CommandError(f"{key.value} is not set")
    show(_build_row(key, setting), output)


def _build_row(key: settings.Key, setting: settings.Setting) -> dict[str, str]:
    return {"key": key.value, "value": _mask(key, setting.value), "source": setting.source}


def _mask(key: settings.Key, value: str) -> str:
    if not key.is_secret:
        return value
    # The end of a secret identifies it. It would reveal too much of a short one.
    return "****" + (value[-SHOWN_CHARACTERS:] if len(value) >= SHOWN_CHARACTERS * 4 else "")
