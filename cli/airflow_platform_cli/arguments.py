"""Parsers for arguments and options. An invalid value ends the command with exit status 2."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, NamedTuple, TextIO

import typer
import yaml
from pydantic_core import to_jsonable_python


def parse_identifier(text: str) -> str:
    """Return an identifier that a URL's path can hold."""
    if text in ("", ".", ".."):
        raise typer.BadParameter(f"{text!r} is not a valid name.")
    return text


def split_names(text: str | None) -> list[str] | None:
    """Return the names in a text like ``a,b``; None if there is no text."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def parse_json_object(text: str) -> dict[str, Any]:
    """Return the JSON object in a text."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"Not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('Not a JSON object such as {"batch_size": 5000}.')
    return value


def parse_assignments(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of texts like ``name=value``. A value that is not JSON is text."""
    result = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not (name and separator):
            raise typer.BadParameter(f"{pair!r} does not have the form NAME=VALUE.")
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result


def read_document(file: TextIO, *required: str) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file.

    Args:
        file: The open file.
        required: Keys that the mapping must have.
    """
    try:
        # YAML has dates; JSON does not.
        value = to_jsonable_python(yaml.safe_load(file))
    except (yaml.YAMLError, ValueError) as error:
        raise typer.BadParameter(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{file.name} does not contain a mapping.")
    if missing := [name for name in required if name not in value]:
        raise typer.BadParameter(f"{file.name} lacks {', '.join(missing)}.")
    return value


def read_secret_from_stdin() -> str:
    """Return standard input without the line break at its end, which editors add."""
    text = sys.stdin.read()
    return text.removesuffix("\n").removesuffix("\r")


class Period(NamedTuple):
    """A period of time.

    Attributes:
        text: The argument, as it was given.
        first: First moment of the period.
        last: Last moment of the period, included.
    """

    text: str
    first: datetime
    last: datetime


def parse_timestamp(text: str) -> datetime:
    """Return a timestamp. The default time zone is UTC; a day means its first moment."""
    try:
        # Python 3.10 does not know the Z.
        timestamp = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date such as 2024-01-15 or 2024-01-15T06:00Z.") from None
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)


def parse_period(text: str) -> Period:
    """Return the period of a day, or of a single moment. The default time zone is UTC."""
    first = parse_timestamp(text)
    is_day = len(text) <= len("2024-01-15")
    return Period(text, first, first + timedelta(days=1, microseconds=-1) if is_day else first)


DagArgument = Annotated[str, typer.Argument(metavar="DAG", parser=parse_identifier, help="Id of the DAG.")]
DataKitArgument = Annotated[
    str, typer.Argument(metavar="DATAKIT", parser=parse_identifier, help="Name of the DataKit.")
]
FileOption = Annotated[
    typer.FileText, typer.Option("--file", "-f", encoding="utf-8", help="YAML or JSON file; - for stdin.")
]
ScopesOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Scopes, such as dags:read,dag_runs:write.")
]
TagsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only DAGs with at least one of these tags.")
]
