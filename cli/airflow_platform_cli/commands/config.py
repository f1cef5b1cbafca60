"""``airflow-cli config``."""

from typing import Annotated

import typer

from airflow_platform_cli import config_file, settings
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, note, show, show_list

app = typer.Typer(
    help=f"Which platform to talk to, and as whom.\n\n{settings.PRECEDENCE}", no_args_is_help=True
)

SHOWN = 4


@app.command("set")
def set_(key: settings.Key, value: Annotated[str, typer.Argument()]) -> None:
    """Keep a value in the configuration file."""
    value = value.strip()
    if not value:
        raise typer.BadParameter("An empty value.")
    if key is settings.Key.BASE_URL and not value.startswith(("http://", "https://")):
        raise typer.BadParameter("A base_url begins with http:// or https://.")
    settings.store(key, value)
    note(f"{key.value} is kept in {config_file.path()}")


@app.command()
def unset(key: settings.Key) -> None:
    """Remove a value from the configuration file."""
    settings.store(key, None)
    note(f"{key.value} is not in {config_file.path()}")


@app.command("list")
def list_(output: OutputOption = Format.TABLE) -> None:
    """Show the values that hold now, and where they come from."""
    rows = [_row(key, setting) for key, setting in settings.effective().items()]
    if login := config_file.read().login:
        rows.append({"key": "login", "value": login.base_url, "source": str(config_file.path())})
    show_list(rows, ("key", "value", "source"), output)


@app.command()
def get(key: settings.Key, output: OutputOption = Format.TABLE) -> None:
    """Show one value that holds now."""
    setting = settings.effective().get(key)
    if setting is None:
        raise CommandError(f"{key.value} is not set")
    show(_row(key, setting), output)


def _row(key: settings.Key, setting: settings.Setting) -> dict[str, str]:
    return {"key": key.value, "value": _masked(key, setting.value), "source": setting.source}


def _masked(key: settings.Key, value: str) -> str:
    if not key.is_secret:
        return value
    # The end of a secret tells one's own apart; of a short one it would tell too much.
    return "****" + (value[-SHOWN:] if len(value) >= SHOWN * 4 else "")
