"""Request and response bodies of API keys."""

from datetime import datetime
from ipaddress import ip_network

from marshmallow import ValidationError, fields

from airflow_platform_plugin.auth.fields import RateLimits
from airflow_platform_plugin.auth.inputs import ApiKeyFilter, NewApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core import scopes as all_scopes
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.http.fields import (
    LONGEST_ID,
    LONGEST_LABEL,
    LONGEST_USER,
    MOST_MEMBERS,
    Choice,
    Flag,
    Items,
    Line,
    Moment,
    Whole,
)
from airflow_platform_plugin.http.schemas import (
    InputSchema,
    PageQuery,
    ResponseSchema,
    Secret,
    Timestamp,
    order_by,
)

_LONGEST_OVERLAP = 30 * 86_400
_LONGEST_NETWORK = 64


def _name(**options: Option) -> Line:
    return Line(least=1, most=128, **options)


def _check_network(text: str) -> None:
    if len(text) > _LONGEST_NETWORK:
        raise ValidationError(f"Longer than maximum length {_LONGEST_NETWORK}.")
    try:
        ip_network(text)
    except ValueError as error:
        raise ValidationError(f"Is not a network such as 10.0.0.0/8: {error}") from error


def _check_future(moment: datetime) -> None:
    if moment <= db.now():
        raise ValidationError("Must be in the future. Send null for a key that never expires.")


class AllowedDags(InputSchema):
    """The DAGs that a key may reach: by shell patterns of their ids, or by tags."""

    dag_ids = Items(Line(least=1, most=LONGEST_ID), most=MOST_MEMBERS, load_default=list)
    tags = Items(Line(least=1, most=100), most=MOST_MEMBERS, load_default=list)


class ApiKeyChange(InputSchema):
    """Changes of a key. Null removes a limit."""

    name = _name()
    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)
    scopes = Items(Choice(all_scopes.known()), most=len(all_scopes.known()), allow_none=True)
    allowed_dags = fields.Nested(AllowedDags, allow_none=True)
    allowed_networks = Items(
        Line(most=_LONGEST_NETWORK, validate=_check_network), most=MOST_MEMBERS, allow_none=True
    )
    rate_limits = RateLimits(allow_none=True)
    expires_at = Moment(allow_none=True, validate=_check_future)


class ApiKeyInput(ApiKeyChange):
    """A key to create. Without ``scopes`` it may do all that its owner may do."""

    name = _name(required=True)
    owner = Line(least=1, most=LONGEST_USER)

    into = NewApiKey


class RotateInput(InputSchema):
    """How long the old secret works after the rotation."""

    overlap_seconds = Whole(least=0, most=_LONGEST_OVERLAP, load_default=3600)


class ApiKeyQuery(PageQuery):
    """Which keys to list, in which order."""

    into = ApiKeyFilter

    owner = Line(most=LONGEST_USER)
    tenant_id = Line(most=LONGEST_LABEL)
    revoked = Flag(load_default=False)
    order_by = order_by("id", "name", "tenant_id", "created_at", "expires_at", "last_used_at")


class ApiKeyResponse(ResponseSchema):
    """A key without its secret. The key's text begins with ``afp_`` and its id."""

    id = fields.String()
    name = fields.String()
    owner = fields.String(allow_none=True, attribute="owner_name")
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


class NewApiKeyResponse(ApiKeyResponse):
    """A new key or a rotated one, with its text, which is shown once."""

    key = Secret(attribute="text")


class ApiKeyList(ResponseSchema):
    """A page of keys."""

    api_keys = fields.List(fields.Nested(ApiKeyResponse), attribute="items")
    total_entries = fields.Integer()
