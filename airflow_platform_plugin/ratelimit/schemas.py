"""Response bodies of rate limits."""

from marshmallow import fields

from airflow_platform_plugin.http.schemas import ResponseSchema


class LimitResponse(ResponseSchema):
    """One limit and what is left of it."""

    request_class = fields.String(data_key="class")
    limit = fields.Integer()
    window_seconds = fields.Integer()
    remaining = fields.Integer()
    reset = fields.Integer()  # Unix time, as in the headers


class RateLimitResponse(ResponseSchema):
    """How the caller is counted, and what is left. ``limits`` is empty if the caller is not limited."""

    enforced = fields.Boolean()
    counted_by = fields.String()
    id = fields.String()
    limits = fields.List(fields.Nested(LimitResponse))
    # The limits of the user with all credentials together.
    user_limits = fields.List(fields.Nested(LimitResponse))
