"""Base schemas of bodies, query strings and responses, and the fields that only responses have."""

from datetime import datetime
from typing import Any, ClassVar

from marshmallow import EXCLUDE, RAISE, Schema, fields, post_dump, post_load
from pydantic import BaseModel

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.timestamps import timestamp
from airflow_platform_plugin.core.types import Loaded, Option
from airflow_platform_plugin.http.fields import MAX_LIMIT, Choice, QueryString, Whole
from airflow_platform_plugin.http.ijson import MAX_INTEGER


class InputSchema(Schema):
    """A JSON body. An unknown field is an error that names the field.

    Attributes:
        into: the class of the service's input, whose fields have the same names. If None, the input is a
            dict with the fields that were sent, such as the ``TypedDict`` of a partial change.
        ignored: fields that a caller may send, as a response has them, but cannot set.
    """

    into: ClassVar[type | None] = None
    ignored: ClassVar[tuple[str, ...]] = ()

    class Meta:  # noqa: D106 - marshmallow's own
        unknown = RAISE

    @post_load
    def _build_input(self, loaded: dict[str, Any], **_: Option) -> Loaded:
        for name in self.ignored:
            loaded.pop(name, None)
        return loaded if self.into is None else self.into(**loaded)


class QuerySchema(QueryString, InputSchema):
    """A query string. Numbers and flags arrive as text."""


class PageQuery(QuerySchema):
    """The parameters of every list. A list that can be ordered adds ``order_by``."""

    into: ClassVar[type | None] = pagination.Query

    limit = Whole(load_default=min(100, MAX_LIMIT), least=1, most=MAX_LIMIT)
    offset = Whole(load_default=0, least=0, most=MAX_INTEGER)


def order_by(*columns: str) -> Choice:
    """Return the parameter ``order_by`` of a list; ``-column`` means descending order."""
    choices = [f"{sign}{column}" for column in columns for sign in ("", "-")]
    return Choice(choices, error="Cannot order by this; known are: {choices}.")


class Timestamp(fields.Field):
    """A time in a response, as RFC 3339 in UTC."""

    def _serialize(self, value: datetime | None, *_: object, **__: object) -> str | None:
        return None if value is None else timestamp(value)


class Secret(fields.String):
    """A secret in a response. It is shown once; a repeated ``Idempotency-Key`` does not show it again."""


class Document(fields.Dict):
    """A stored document in a response.

    Attributes:
        model: the pydantic model of the document.
        flat: whether the document's fields are placed next to the response's own fields.
    """

    def __init__(self, model: type[BaseModel], *, flat: bool = False, **kwargs: Option) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.flat = flat


class ResponseSchema(Schema):
    """A response body; it is only dumped."""

    class Meta:  # noqa: D106 - marshmallow's own
        unknown = EXCLUDE

    @post_dump
    def _flatten(self, dumped: dict[str, Any], **_: object) -> dict[str, Any]:
        for name, declared in self.fields.items():
            if isinstance(declared, Document) and declared.flat:
                dumped |= dumped.pop(name)
        return dumped
