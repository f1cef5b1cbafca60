"""API keys over HTTP."""

from datetime import datetime, timezone
from ipaddress import ip_network

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin import db
from airflow_platform_plugin.fields import (
    AnswerSchema,
    InputSchema,
    PageQuery,
    RateLimits,
    Secret,
    Timestamp,
    order_by,
)
from airflow_platform_plugin.scopes import SCOPES

_LONGEST_OVERLAP = 30 * 86_400
_LATEST = datetime(2038, 1, 1, tzinfo=timezone.utc)
_LONGEST_NETWORK = 100
_NAME = validate.Length(min=1, max=128)
# Each request with a key is held against them all.
_MOST_LISTED = validate.Length(max=100)


def _network(text: str) -> None:
    if len(text) > _LONGEST_NETWORK:
        raise ValidationError(f"Longer than maximum length {_LONGEST_NETWORK}.")
    try:
        ip_network(text)
    except ValueError as error:
        raise ValidationError(f"Is not a network such as 10.0.0.0/8: {error}") from error


def _future(moment: datetime) -> None:
    if moment <= db.now():
        raise ValidationError("Must lie in the future.")
    if moment >= _LATEST:
        raise ValidationError("Must lie before 2038, as far as MySQL's timestamps go; null is for never.")


class AllowedDags(InputSchema):
    """The DAGs a key is limited to: by shell patterns of ids, or by tags."""

    dag_ids = fields.List(
        fields.String(validate=validate.Length(min=1, max=250)), load_default=list, validate=_MOST_LISTED
    )
    tags = fields.List(
        fields.String(validate=validate.Length(min=1, max=100)), load_default=list, validate=_MOST_LISTED
    )


class ApiKeyChange(InputSchema):
    """What of a key can be changed; null removes a limit."""

    name = fields.String(validate=_NAME)
    tenant_id = fields.String(allow_none=True)
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES, error="Unknown; known are: {choices}.")),
        allow_none=True,
        validate=_MOST_LISTED,
    )
    allowed_dags = fields.Nested(AllowedDags, allow_none=True)
    allowed_networks = fields.List(fields.String(validate=_network), allow_none=True, validate=_MOST_LISTED)
    rate_limits = RateLimits(allow_none=True)
    expires_at = fields.AwareDateTime(format="iso", allow_none=True, validate=_future)


class ApiKeyInput(ApiKeyChange):
    """A key as it is asked for; without ``scopes`` it is for everything that its owner may."""

    name = fields.String(required=True, validate=_NAME)
    owner = fields.String(validate=validate.Length(min=1, max=256))


class RotateInput(InputSchema):
    """For how long the old secret works beside the new one."""

    overlap_seconds = fields.Integer(
        strict=True, load_default=3600, validate=validate.Range(min=0, max=_LONGEST_OVERLAP)
    )


class ApiKeyQuery(PageQuery):
    """Which keys are wanted."""

    owner = fields.String()
    tenant_id = fields.String()
    revoked = fields.Boolean(load_default=False)
    order_by = order_by("id", "name", "tenant_id", "created_at", "expires_at", "last_used_at")


class ApiKeyAnswer(AnswerSchema):
    """A key without its secret; what scanners find in code begins with ``afp_`` and this id."""

    id = fields.String()
    name = fields.String()
    owner = fields.String(allow_none=True)
    tenant_id = fields.String(allow_none=True)
    scopes = fields.List(fields.String(), allow_none=True)
    allowed_dags = fields.Nested(AllowedDags, allow_none=True)
    allowed_networks = fields.List(fields.String(), allow_none=True)
    rate_limits = fields.Dict(allow_none=True)
    created_at = Timestamp()
    created_by = fields.String(allow_none=True)
    parent = fields.String(allow_none=True)
    expires_at = Timestamp(allow_none=True)
    last_used_at = Timestamp(allow_none=True)
    previous_expires_at = Timestamp(allow_none=True)
    revoked_at = Timestamp(allow_none=True)


class NewApiKeyAnswer(ApiKeyAnswer):
    """A key as its maker sees it, once."""

    key = Secret()


class ApiKeyList(AnswerSchema):
    """A page of keys."""

    api_keys = fields.List(fields.Nested(ApiKeyAnswer), attribute="items")
    total_entries = fields.Integer()
