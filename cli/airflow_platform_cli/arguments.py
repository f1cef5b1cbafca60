"""How arguments are read; a wrong one ends the command with status 2."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, NamedTuple, TextIO

import typer
import yaml
from pydantic_core import to_jsonable_python


def identifier(text: str) -> str:
    """What names one thing in a URL."""
    if text in ("", ".", ".."):
        raise typer.BadParameter(f"{text!r} is no name.")
    return text


def names(text: str | None) -> list[str] | None:
    """``a,b`` as a list."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def json_object(text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"Not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('Not a JSON object such as {"batch_size": 5000}.')
    return value


def assignments(pairs: Sequence[str]) -> dict[str, Any]:
    """Each ``name=value``; a value that is JSON is what JSON says, any other is text."""
    result = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not (name and separator):
            raise typer.BadParameter(f"{pair!r} is not of the form name=value.")
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result


def document(file: TextIO, *required: str) -> dict[str, Any]:
    """A YAML (or JSON) file that holds one mapping."""
    try:
        # YAML has dates, the platform's JSON has not.
        value = to_jsonable_python(yaml.safe_load(file))
    except (yaml.YAMLError, ValueError) as error:
        raise typer.BadParameter(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{file.name} does not hold a mapping.")
    if missing := [name for name in required if name not in value]:
        raise typer.BadParameter(f"{file.name} lacks {', '.join(missing)}.")
    return value


class Period(NamedTuple):
    """From one point in time to another, both included."""

    text: str
    first: datetime
    last: datetime


def moment(text: str) -> datetime:
    """A point in time, in UTC unless it says otherwise; of a day, its first."""
    try:
        # Python 3.10 does not know the Z.
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date such as 2024-01-15 or 2024-01-15T06:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def period(text: str) -> Period:
    """A day, which lasts until the next, or a point in time; both in UTC unless they say otherwise."""
    first = moment(text)
    is_day = len(text) <= len("2024-01-15")
    return Period(text, first, first + timedelta(days=1, microseconds=-1) if is_day else first)


DagArgument = Annotated[str, typer.Argument(metavar="DAG", parser=identifier)]
DataKitArgument = Annotated[str, typer.Argument(metavar="DATAKIT", parser=identifier)]
FileOption = Annotated[typer.FileText, typer.Option("--file", "-f", encoding="utf-8", help="A YAML file.")]
ScopesOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="What for, such as dags:read,dag_runs:write.")
]
TagsOption = Annotated[str | None, typer.Option(metavar="A,B", help="Only what has any of these tags.")]
