"""Documents of connections, as ``airflow connections export`` writes them: JSON, YAML, .env. Pure.

The document has an object for each connection, by its name, with Airflow's names of the fields:
``conn_type``, ``description``, ``login``, ``password``, ``host``, ``port``, ``schema``, ``extra``. In a
.env file, and where the value is a text, a connection is its URI or an object in JSON.
"""

import json
import re
from typing import Any

import yaml

from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.http import ijson

FORMATS = ("json", "yaml", "env")
YAML = "application/yaml"  # RFC 9512

ConnectionDocument = dict[str, Any]

# YAML reads 1:30:00 as a number to the base of 60, in time that grows with the square.
_NUMBER = re.compile(r"[-+0-9_.:xXa-fA-F]+")
_LONGEST_NUMBER = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(content: str, form: str) -> ConnectionDocument:
    """What a file of that format holds.

    Raises:
        ValidationFailed: it is not of the format, or no object; what it holds is not told.
    """
    document: Any = {"json": _parse_json, "yaml": _parse_yaml, "env": _parse_env}[form](content)
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise ValidationFailed.of("content", message="must be an object with names of connections")
    return document


def render_yaml(document: ConnectionDocument) -> str:
    """The document in YAML."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def fields_of(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The fields of one connection of a document, which is an object, the same in JSON, or a URI.

    Raises:
        ValueError: it is none of these; says nothing of what it is.
    """
    if isinstance(value, str):
        value = _of_json(value) if value.lstrip().startswith("{") else _of_uri(value)
    if not isinstance(value, dict):
        raise ValueError("must be an object or a URI")  # noqa: TRY004 - a document's error, no program's
    value = dict(value)
    if isinstance(extra := value.get("extra"), str):
        value["extra"] = _of_json(extra) if extra.strip() else None
        if not isinstance(value["extra"], dict | None):
            raise ValueError("extra must be a JSON object")  # noqa: TRY004 - the same
    found: dict[str, Any] = value
    return found


def _parse_json(content: str) -> Any:  # noqa: ANN401 - any JSON
    return ijson.parse(content.encode())


def _parse_yaml(content: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        _require_plain(content)
        document = yaml.load(content, Loader=_LOADER)  # noqa: S506 - a safe loader
        # Through JSON: dates become texts, and what no JSON has is refused.
        return ijson.parse(json.dumps(document, default=str).encode())
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        raise ValidationFailed.of("content", message="is not valid YAML") from error


def _require_plain(content: str) -> None:
    """Refuse what no export has and what would take a parser long, before anything is built of it.

    Raises:
        ValidationFailed: it has aliases, of which a few stand for more than memory holds; tags; numbers
            without an end; or is nested too deeply, for which libyaml's time grows with the square.
        yaml.YAMLError: it is not YAML.
    """
    depth = 0
    for event in yaml.parse(content, Loader=_LOADER):  # lazy: nothing behind the first offence is read
        match event:
            case yaml.AliasEvent():
                raise ValidationFailed.of("content", message="must have no YAML aliases")
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.ScalarEvent(implicit=(True, _), value=value) if _is_endless(value):
                raise ValidationFailed.of("content", message="has a number that is too long")
        if depth > ijson.MAX_DEPTH:
            raise ValidationFailed.of("content", message=f"is nested deeper than {ijson.MAX_DEPTH} levels")
        if getattr(event, "tag", None):
            raise ValidationFailed.of("content", message="must have no YAML tags")


def _is_endless(value: str) -> bool:
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


def _of_json(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return ijson.parse(text.encode())
    except ValidationFailed as error:
        raise ValueError("must be valid JSON") from error


def _of_uri(text: str) -> dict[str, Any]:
    try:
        parsed = Connection(uri=text)
        extra = json.loads(parsed.extra) if parsed.extra else None
    except (AirflowException, ValueError) as error:
        raise ValueError("must be a valid URI of a connection") from error
    if not parsed.conn_type:
        raise ValueError("must be an object or a URI")
    plain = ("conn_type", "login", "password", "host", "port", "schema")
    # A URI has an empty text for what it has not.
    return {**{name: getattr(parsed, name) or None for name in plain}, "extra": extra}
