"""Queries over HTTP."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.fields import AnswerSchema, InputSchema, Mapping

_MOST_PARAMETERS = 100
_MOST_ITEMS = 1000
_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 0.1, 86_400.0


class _Seconds(fields.Float):
    """A number; marshmallow's own field takes texts and booleans too."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - marshmallow's signature
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.make_error("invalid", input=value)
        return float(super()._deserialize(value, *args, **kwargs))  # type: ignore[arg-type]  # float or None


def _parameter(value: object) -> None:
    items = value if isinstance(value, list) else [value]
    if not all(item is None or isinstance(item, (str, int, float, bool)) for item in items):
        raise ValidationError("Must be a string, a number, true, false, null, or a list of these.")
    if len(items) > _MOST_ITEMS:
        raise ValidationError(f"Must have at most {_MOST_ITEMS} items.")


class QueryInput(InputSchema):
    """A query and its bounds. Bounds above the operator's own are lowered to those."""

    query = fields.String(required=True, validate=validate.Length(min=1, max=100_000))
    database = fields.String(validate=validate.Length(min=1, max=250))
    limit = fields.Integer(strict=True, load_default=1000, validate=validate.Range(min=1, max=2**31 - 1))
    timeout_seconds = _Seconds(
        load_default=30.0, validate=validate.Range(min=_SHORTEST_TIMEOUT, max=_LONGEST_TIMEOUT)
    )
    parameters = Mapping(
        keys=fields.String(validate=validate.Length(max=250)),
        values=fields.Raw(allow_none=True, validate=_parameter),
        load_default=dict,
        validate=validate.Length(max=_MOST_PARAMETERS),
    )


class ColumnAnswer(AnswerSchema):
    """A column, in the order of the query."""

    name = fields.String()
    type = fields.String(allow_none=True)


class MetadataAnswer(AnswerSchema):
    """What is known about a query apart from its rows."""

    database = fields.String()
    schema = fields.String(allow_none=True)
    tables_accessed = fields.List(fields.String())
    columns = fields.List(fields.Nested(ColumnAnswer))
    warnings = fields.List(fields.String())
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
