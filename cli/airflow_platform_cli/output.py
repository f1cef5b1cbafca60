"""How answers are printed."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Item = BaseModel | Mapping[str, Any]


class Format(str, Enum):
    """What an answer can be printed as."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"

    def __str__(self) -> str:
        return self.value


def _of_the_command_or_all(context: typer.Context, parameter: typer.CallbackParam, output: Format) -> Format:
    """The command's own option, or else the one before the command, which holds for every command."""
    source = context.get_parameter_source(str(parameter.name))
    everywhere: Format | None = context.find_root().params.get("output")
    return everywhere if everywhere and source and source.name == "DEFAULT" else output


OutputOption = Annotated[
    Format,
    typer.Option("--output", "-o", help="How to print the answer.", callback=_of_the_command_or_all),
]


def show(item: Item, output: Format) -> None:
    """Print one thing: as a table, a line for each field that has a value."""
    if output is not Format.TABLE:
        _dump(_plain(item), output)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in dict(item).items():
        if value not in (None, [], {}, ""):
            table.add_row(name, _cell(value))
    _print(table)


def show_list(items: Iterable[Item], columns: Sequence[str], output: Format) -> None:
    """Print several things of a kind: as a table, some columns of each."""
    if output is not Format.TABLE:
        _dump([_plain(item) for item in items], output)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(_printable(name)), overflow="fold")
    for item in items:
        fields = dict(item)
        table.add_row(*(_cell(fields.get(name)) for name in columns))
    _print(table)


def note(text: str) -> None:
    """Say something that is no part of the answer."""
    print(text, file=sys.stderr)


def _plain(item: Item) -> Any:  # noqa: ANN401 - any JSON
    return item.model_dump(mode="json") if isinstance(item, BaseModel) else dict(item)


def _dump(document: Any, output: Format) -> None:  # noqa: ANN401 - any JSON
    if output is Format.JSON:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")


def _print(table: Table) -> None:
    # Rich takes what is no terminal for one of 80 columns; whoever reads a pipe wants whole lines.
    console = Console() if sys.stdout.isatty() else Console(width=100_000)
    console.print(table, crop=False)


def _cell(value: Any) -> Text:  # noqa: ANN401 - any JSON
    return Text(_printable(_words(value)))


def _words(value: Any) -> str:  # noqa: ANN401 - any JSON
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ", ".join(_words(part) for part in value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _printable(text: str) -> str:
    # What the platform stores must not steer the user's terminal.
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
