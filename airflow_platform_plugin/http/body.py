"""Load the inputs of a request with a schema: its path, its query string and its JSON body."""

from typing import Any

from flask import request
from marshmallow import Schema
from marshmallow import ValidationError as MarshmallowError
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.errors import (
    FieldError,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)
from airflow_platform_plugin.core.types import Json, Loaded
from airflow_platform_plugin.http import ijson
from airflow_platform_plugin.http.fields import LONGEST_IN_PATH, LONGEST_NAME

Body = type[Schema] | type[BaseModel]
_Messages = dict[str | int, Any] | list[str]  # marshmallow's errors, nested as the fields are


def require_names(path: dict[str, str]) -> None:
    """Check the values in the path.

    Raises:
        ValidationFailed: one is too long, or has characters that some database cannot store.
    """
    ijson.require_text(path.items())
    errors = [
        FieldError.at((name,), f"is longer than {longest} characters")
        for name, value in path.items()
        if len(value) > (longest := LONGEST_IN_PATH.get(name, LONGEST_NAME))
    ]
    if errors:
        raise ValidationFailed(errors)


def load_body(schema: Body) -> Loaded:
    """Load the JSON body.

    Raises:
        UnsupportedMediaType: the content type is not JSON.
        PayloadTooLarge: it is longer than the settings allow.
        ValidationFailed: it does not match the schema; every wrong field is named.
    """
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON, sent as Content-Type: application/json.")
    document = ijson.parse(_read_body())
    if not isinstance(document, dict):
        raise ValidationFailed.of(message="must be a JSON object")
    if issubclass(schema, BaseModel):
        try:
            return schema.model_validate(document)
        except PydanticError as error:
            raise ValidationFailed(
                [
                    # pydantic adds a last step if the name is wrong, not its value.
                    FieldError.at(
                        [step for step in item["loc"] if step != "[key]"],
                        item["msg"].removeprefix("Value error, "),
                    )
                    for item in error.errors()
                ]
            ) from error
    return load(schema, document)


def _read_body() -> bytes:
    longest = settings.get(settings.CoreSettings).max_body_bytes
    # Check the announced length first, so that a longer body is not read. A body without one comes in chunks,
    # and werkzeug truncates it silently at Airflow's own limit.
    announced = request.content_length
    if announced is None and request.max_content_length is not None:
        longest = min(longest, int(request.max_content_length) - 1)
    if (announced or 0) > longest or len(data := request.get_data()) > longest:
        raise PayloadTooLarge(f"The body is longer than {longest} bytes.", max_body_bytes=longest)
    return data


def load_query(schema: type[Schema]) -> Loaded:
    """Load the query string.

    Raises:
        ValidationFailed: it does not match the schema; every wrong parameter is named.
    """
    ijson.require_text(request.args.items(multi=True))
    # A repeated parameter becomes a list; the schema's field decides whether it accepts one.
    given = {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
    return load(schema, given)


def load(schema: type[Schema], document: Json) -> Loaded:
    """Load a document with a schema.

    Raises:
        ValidationFailed: it does not match the schema; every wrong field is named.
    """
    try:
        return schema().load(document)
    except MarshmallowError as error:
        raise ValidationFailed(list(_flatten(error.messages, ()))) from error


def _flatten(messages: _Messages, path: tuple[str | int, ...]) -> list[FieldError]:
    if isinstance(messages, dict):
        # marshmallow calls errors of the whole document "_schema", of a mapping's entry "key" and "value".
        return [
            error
            for key, inner in messages.items()
            for error in _flatten(inner, path if key == "_schema" else (*path, key))
        ]
    return [FieldError.at(path, str(message)) for message in messages]
