"""Parse and render documents in the formats of ``airflow connections export``: JSON, YAML, .env. Pure.

The document has an object for each connection, by its name, with Airflow's names of the fields:
``conn_type``, ``description``, ``login``, ``password``, ``host``, ``port``, ``schema``, ``extra``. A value
that is a text, as in a .env file, is the connection's URI or an object in JSON.
"""

import json
import re
from typing import TypeAlias

import yaml

from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.http import ijson

FORMATS = ("json", "yaml", "env")
YAML = "application/yaml"  # RFC 9512

ConnectionDocument: TypeAlias = dict[str, Json]

# YAML reads 1:30:00 as a number to base 60, which takes time that grows with the square of its length.
_NUMBER = re.compile(r"[-+0-9_.:xXa-fA-F]+")
_LONGEST_NUMBER = 100

_LOADER: Json = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(content: str, form: str) -> ConnectionDocument:
    """Parse the text of a file.

    Args:
        content: the text.
        form: its format, one of ``FORMATS``.

    Raises:
        ValidationFailed: the text is not in that format, or not an object. The error does not repeat it.
    """
    document: Json = {"json": _parse_json, "yaml": _parse_yaml, "env": _parse_env}[form](content)
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise ValidationFailed.of("content", message="must be an object with names of connections")
    return document


def render_yaml(document: ConnectionDocument) -> str:
    """Return the document in YAML."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def parse_connection(value: Json) -> dict[str, Json]:
    """Return the fields of one connection of a document, under Airflow's names.

    Args:
        value: an object, the same object as JSON text, or a URI.

    Raises:
        ValueError: the value is something else. The error does not repeat it.
    """
    if isinstance(value, str):
        value = _parse_json_value(value) if value.lstrip().startswith("{") else _parse_uri(value)
    if not isinstance(value, dict):
        raise ValueError("must be an object or a URI")  # noqa: TRY004 - an error of the document, not of the program
    value = dict(value)
    if isinstance(extra := value.get("extra"), str):
        value["extra"] = _parse_json_value(extra) if extra.strip() else None
        if not isinstance(value["extra"], dict | None):
            raise ValueError("extra must be a JSON object")  # noqa: TRY004 - the same
    found: dict[str, Json] = value
    return found


def _parse_json(content: str) -> Json:
    return ijson.parse(content.encode())


def _parse_yaml(content: str) -> Json:
    try:
        _require_plain(content)
        document = yaml.load(content, Loader=_LOADER)  # noqa: S506 - a safe loader
        # Through JSON: dates become text, and values that JSON does not have are refused.
        return ijson.parse(json.dumps(document, default=str).encode())
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        raise ValidationFailed.of("content", message="is not valid YAML") from error


def _require_plain(content: str) -> None:
    """Refuse YAML that no export has and that takes long to parse, before an object is built from it.

    Raises:
        ValidationFailed: it has aliases (a few can stand for more than memory holds), tags or very long
            numbers; or is nested too deeply (libyaml's time grows with the square of the depth).
        yaml.YAMLError: it is not YAML.
    """
    depth = 0
    for event in yaml.parse(content, Loader=_LOADER):  # lazy: stops at the first problem
        match event:
            case yaml.AliasEvent():
                raise ValidationFailed.of("content", message="must have no YAML aliases")
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.ScalarEvent(implicit=(True, _), value=value) if _is_long_number(value):
                raise ValidationFailed.of("content", message="has a number that is too long")
        if depth > ijson.MAX_DEPTH:
            raise ValidationFailed.of("content", message=f"is nested deeper than {ijson.MAX_DEPTH} levels")
        if getattr(event, "tag", None):
            raise ValidationFailed.of("content", message="must have no YAML tags")


def _is_long_number(value: str) -> bool:
    return len(value) > _LONGEST_NUMBER and bool(_NUMBER.fullmatch(value))


def _parse_env(content: str) -> ConnectionDocument:
    document: ConnectionDocument = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not (separator and name.strip() and value.strip()):
            raise ValidationFailed.of("content", message=f"line {number} is not of the form name=value")
        if name.strip() in document:
            raise ValidationFailed.of("content", message=f"line {number} repeats a name")
        document[name.strip()] = value.strip()
    return document


def _parse_json_value(text: str) -> Json:
    try:
        return ijson.parse(text.encode())
    except ValidationFailed as error:
        raise ValueError("must be valid JSON") from error


def _parse_uri(text: str) -> dict[str, Json]:
    try:
        parsed = Connection(uri=text)
        extra = json.loads(parsed.extra) if parsed.extra else None
    except (AirflowException, ValueError) as error:
        raise ValueError("must be a valid URI of a connection") from error
    if not parsed.conn_type:
        raise ValueError("must be an object or a URI")
    plain = ("conn_type", "login", "password", "host", "port", "schema")
    # A missing part of a URI is an empty text.
    return {**{name: getattr(parsed, name) or None for name in plain}, "extra": extra}
