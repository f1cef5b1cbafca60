"""Queries over HTTP."""

from marshmallow import fields

from airflow_platform_plugin.fields import (
    LONGEST_ID,
    AnswerSchema,
    InputSchema,
    JsonObject,
    Line,
    Number,
    Text,
    Whole,
)
from airflow_platform_plugin.strict_json import MAX_INTEGER

_LONGEST_TIMEOUT = 366 * 86_400  # seconds


class QueryInput(InputSchema):
    """A query and its bounds. Bounds above the operator's own are lowered to those."""

    query = Text(least=1, most=100_000, required=True)
    database = Line(least=1, most=LONGEST_ID)
    limit = Whole(least=1, most=MAX_INTEGER, load_default=1000)
    timeout_seconds = Number(least=0.001, most=_LONGEST_TIMEOUT, load_default=30.0)
    parameters = JsonObject(most_bytes=100_000, load_default=dict)


class MetadataAnswer(AnswerSchema):
    """What is known about a query beside its rows."""

    database = fields.String()
    schema = fields.String(allow_none=True)
    tables_accessed = fields.List(fields.String())
    bytes_scanned = fields.Integer(allow_none=True)
    cache_hit = fields.Boolean()


class QueryAnswer(AnswerSchema):
    """A query's outcome."""

    query_id = fields.String()
    status = fields.String()
    rows_returned = fields.Integer()
    truncated = fields.Boolean()
    execution_time_ms = fields.Integer()
    data = fields.List(fields.Dict())
    metadata = fields.Nested(MetadataAnswer)
