"""Queries over HTTP."""

from marshmallow import fields, validate

from airflow_platform_plugin.fields import AnswerSchema, InputSchema


class QueryInput(InputSchema):
    """A query and its bounds. Bounds above the operator's own are lowered to those."""

    query = fields.String(required=True, validate=validate.Length(min=1, max=100_000))
    database = fields.String(validate=validate.Length(min=1, max=250))
    limit = fields.Integer(strict=True, load_default=1000, validate=validate.Range(min=1))
    timeout_seconds = fields.Float(load_default=30.0, validate=validate.Range(min=0, min_inclusive=False))
    parameters = fields.Dict(keys=fields.String(), load_default=dict)


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
