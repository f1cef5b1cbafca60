"""Webhooks over HTTP."""

from marshmallow import fields, validate

from airflow_platform_plugin import events
from airflow_platform_plugin.fields import AnswerSchema, InputSchema, PageQuery, Secret, Timestamp, order_by

_HEADER_NAME = validate.Regexp(r"\A[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z", error="Is not an HTTP header's name.")
_HEADER_VALUE = validate.Regexp(r"\A[\x20-\x7e]*\Z", error="Must be printable ASCII.")

_NAME = validate.Length(min=1, max=256)
_SCHEMES = {"http", "https"}
_URL_LENGTH = validate.Length(max=2000)
_EVENT = fields.String(validate=validate.OneOf(list(events.TYPES), error="Unknown; known are: {choices}."))


class FiltersInput(InputSchema):
    """Which DAGs' events are wanted; each list that is given must have a match."""

    dag_ids = fields.List(fields.String())
    tags = fields.List(fields.String())


class RetryPolicyInput(InputSchema):
    """How often and after how many seconds a delivery is attempted again."""

    max_attempts = fields.Integer(load_default=3, strict=True, validate=validate.Range(min=1, max=20))
    backoff_seconds = fields.List(
        fields.Integer(strict=True, validate=validate.Range(min=1, max=86_400)),
        load_default=lambda: [10, 30, 60],
        validate=validate.Length(min=1, max=20),
    )


class WebhookChange(InputSchema):
    """What of a webhook can be changed; what is given replaces what was."""

    name = fields.String(validate=_NAME)
    url = fields.Url(schemes=_SCHEMES, require_tld=False, validate=_URL_LENGTH)
    events = fields.List(_EVENT, validate=validate.Length(min=1))
    filters = fields.Nested(FiltersInput)
    headers = fields.Dict(
        keys=fields.String(validate=_HEADER_NAME), values=fields.String(validate=_HEADER_VALUE)
    )
    retry_policy = fields.Nested(RetryPolicyInput)


class WebhookInput(WebhookChange):
    """A webhook as it is created, of a tenant or of all."""

    tenant_id = fields.String(allow_none=True)
    name = fields.String(required=True, validate=_NAME)
    url = fields.Url(required=True, schemes=_SCHEMES, require_tld=False, validate=_URL_LENGTH)
    events = fields.List(_EVENT, required=True, validate=validate.Length(min=1))
    filters = fields.Nested(FiltersInput, load_default=dict)
    headers = fields.Dict(
        keys=fields.String(validate=_HEADER_NAME),
        values=fields.String(validate=_HEADER_VALUE),
        load_default=dict,
    )
    retry_policy = fields.Nested(RetryPolicyInput, load_default=lambda: RetryPolicyInput().load({}))


class WebhookQuery(PageQuery):
    """How the list of webhooks is ordered."""

    order_by = order_by("webhook_id", "name", "url", "created_at", "created_by")


class WebhookAnswer(AnswerSchema):
    """A webhook without its secrets."""

    webhook_id = fields.String()
    tenant_id = fields.String(allow_none=True)
    name = fields.String()
    url = fields.String()
    events = fields.List(fields.String())
    filters = fields.Nested(FiltersInput)
    retry_policy = fields.Nested(RetryPolicyInput)
    created_at = Timestamp()
    created_by = fields.String()


class NewWebhookAnswer(WebhookAnswer):
    """A webhook as its maker sees it, once: with the secret that deliveries are signed with."""

    secret = Secret()


class WebhookList(AnswerSchema):
    """A page of webhooks."""

    webhooks = fields.List(fields.Nested(WebhookAnswer), attribute="items")
    total_entries = fields.Integer()
