"""Queries over HTTP."""

from marshmallow import ValidationError, fields

from airflow_platform_plugin.analytics.inputs import NewQuery
from airflow_platform_plugin.http.fields import LONGEST_ID, JsonObject, Line, Number, Text, Whole
from airflow_platform_plugin.http.ijson import MAX_INTEGER
from airflow_platform_plugin.http.schemas import InputSchema, ResponseSchema

_LONGEST_TIMEOUT = 366 * 86_400  # seconds
_SHORTEST_TIMEOUT = 0.1
_MOST_PARAMETERS = 100
_MOST_ITEMS = 1000


def _parameter(value: object) -> None:
    items = value if isinstance(value, list) else [value]
    if not all(item is None or isinstance(item, (str, int, float, bool)) for item in items):
        raise ValidationError("Must be a string, a number, true, false, null, or a list of these.")
    if len(items) > _MOST_ITEMS:
        raise ValidationError(f"Must have at most {_MOST_ITEMS} items.")


class QueryInput(InputSchema):
    """A query and its limits. Limits above the operator's own are lowered to those."""

    into = NewQuery

    query = Text(least=1, most=100_000, required=True)
    database = Line(least=1, most=LONGEST_ID)
    limit = Whole(least=1, most=MAX_INTEGER, load_default=1000)
    timeout_seconds = Number(least=_SHORTEST_TIMEOUT, most=_LONGEST_TIMEOUT, load_default=30.0)
    parameters = JsonObject(
        values=fields.Raw(allow_none=True, validate=_parameter),
        most=_MOST_PARAMETERS,
        most_bytes=100_000,
        load_default=dict,
    )


class ColumnResponse(ResponseSchema):
    """A column, in the order of the query."""

    name = fields.String()
    type = fields.String(allow_none=True)


class MetadataResponse(ResponseSchema):
    """Facts about a query apart from its rows."""

    database = fields.String()
    schema = fields.String(allow_none=True)
    tables_accessed = fields.List(fields.String())
    columns = fields.List(fields.Nested(ColumnResponse))
    warnings = fields.List(fields.String())
    bytes_scanned = fields.Integer(allow_none=True)
    cache_hit = fields.Boolean()


class QueryResponse(ResponseSchema):
    """A query's result."""

    query_id = fields.String()
    status = fields.String()
    rows_returned = fields.Integer()
    truncated = fields.Boolean()
    execution_time_ms = fields.Integer()
    data = fields.List(fields.Dict())
    metadata = fields.Nested(MetadataResponse)
