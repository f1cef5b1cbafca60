"""Rate limits over HTTP."""

from marshmallow import fields

from airflow_platform_plugin.http.schemas import ResponseSchema


class LimitResponse(ResponseSchema):
    """One limit as it stands."""

    rate = fields.String(data_key="class")
    limit = fields.Integer()
    window_seconds = fields.Integer()
    remaining = fields.Integer()
    reset = fields.Integer()  # Unix time, as in the headers


class RateLimitResponse(ResponseSchema):
    """Whether and by what the caller is counted, and what is left; no limits where none count."""

    enforced = fields.Boolean()
    counted_by = fields.String()
    id = fields.String()
    limits = fields.List(fields.Nested(LimitResponse))
    # What the user has with all credentials together.
    user_limits = fields.List(fields.Nested(LimitResponse))
