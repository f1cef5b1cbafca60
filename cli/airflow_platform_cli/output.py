"""How results are printed."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer
import yaml
from airflow_platform.types import Json
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Item = BaseModel | Mapping[str, Any]


class Format(str, Enum):
    """The formats of results."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"

    def __str__(self) -> str:
        return self.value


def _resolve_format(context: typer.Context, parameter: typer.CallbackParam, output: Format) -> Format:
    """Return the command's own option, or else the option that stands before the command."""
    source = context.get_parameter_source(str(parameter.name))
    general: Format | None = context.find_root().params.get("output")
    return general if general and source and source.name == "DEFAULT" else output


OutputOption = Annotated[
    Format,
    typer.Option("--output", "-o", help="Format of the result.", callback=_resolve_format),
]


def show(item: Item, output: Format) -> None:
    """Print one item. The table has one line for each field that has a value.

    Args:
        item: The item.
        output: The format.
    """
    if output is not Format.TABLE:
        _dump(_to_document(item), output)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in dict(item).items():
        if value not in (None, [], {}, ""):
            table.add_row(name, _format_cell(value))
    _print_table(table)


def show_list(items: Iterable[Item], columns: Sequence[str], output: Format) -> None:
    """Print several items of one kind.

    Args:
        items: The items.
        columns: Names of the fields that the table shows. The other formats show all fields.
        output: The format.
    """
    if output is not Format.TABLE:
        _dump([_to_document(item) for item in items], output)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(_replace_unprintable(name)), overflow="fold")
    for item in items:
        fields = dict(item)
        table.add_row(*(_format_cell(fields.get(name)) for name in columns))
    _print_table(table)


def print_message(text: str) -> None:
    """Print a message on standard error, because it is not part of the result."""
    print(text, file=sys.stderr)


def _to_document(item: Item) -> Json:
    return item.model_dump(mode="json") if isinstance(item, BaseModel) else dict(item)


def _dump(document: Json, output: Format) -> None:
    if output is Format.JSON:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")


def _print_table(table: Table) -> None:
    # Without a terminal Rich assumes 80 columns, but programs that read a pipe need whole lines.
    console = Console() if sys.stdout.isatty() else Console(width=100_000)
    console.print(table, crop=False)


def _format_cell(value: Json) -> Text:
    return Text(_replace_unprintable(_format_value(value)))


def _format_value(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ", ".join(_format_value(part) for part in value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _replace_unprintable(text: str) -> str:
    # Stored text must not control the user's terminal.
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
