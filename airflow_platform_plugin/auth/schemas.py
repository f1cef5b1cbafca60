"""API keys over HTTP."""

from datetime import datetime
from ipaddress import ip_network
from typing import Any

from marshmallow import ValidationError, fields

from airflow_platform_plugin.auth.fields import RateLimits
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core import scopes as all_scopes
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


def _name(**options: Any) -> Line:  # noqa: ANN401 - marshmallow's
    return Line(least=1, most=128, **options)


def _network(text: str) -> None:
    if len(text) > _LONGEST_NETWORK:
        raise ValidationError(f"Longer than maximum length {_LONGEST_NETWORK}.")
    try:
        ip_network(text)
    except ValueError as error:
        raise ValidationError(f"Is not a network such as 10.0.0.0/8: {error}") from error


def _future(moment: datetime) -> None:
    if moment <= db.now():
        raise ValidationError("Must lie in the future; null is for never.")


class AllowedDags(InputSchema):
    """The DAGs a key is limited to: by shell patterns of ids, or by tags."""

    dag_ids = Items(Line(least=1, most=LONGEST_ID), most=MOST_MEMBERS, load_default=list)
    tags = Items(Line(least=1, most=100), most=MOST_MEMBERS, load_default=list)


class ApiKeyChange(InputSchema):
    """What of a key can be changed; null removes a limit."""

    name = _name()
    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)
    scopes = Items(Choice(all_scopes.known()), most=len(all_scopes.known()), allow_none=True)
    allowed_dags = fields.Nested(AllowedDags, allow_none=True)
    allowed_networks = Items(
        Line(most=_LONGEST_NETWORK, validate=_network), most=MOST_MEMBERS, allow_none=True
    )
    rate_limits = RateLimits(allow_none=True)
    expires_at = Moment(allow_none=True, validate=_future)


class ApiKeyInput(ApiKeyChange):
    """A key as it is asked for; without ``scopes`` it is for everything that its owner may."""

    name = _name(required=True)
    owner = Line(least=1, most=LONGEST_USER)


class RotateInput(InputSchema):
    """For how long the old secret works beside the new one."""

    overlap_seconds = Whole(least=0, most=_LONGEST_OVERLAP, load_default=3600)


class ApiKeyQuery(PageQuery):
    """Which keys are wanted."""

    into = None

    owner = Line(most=LONGEST_USER)
    tenant_id = Line(most=LONGEST_LABEL)
    revoked = Flag(load_default=False)
    order_by = order_by("id", "name", "tenant_id", "created_at", "expires_at", "last_used_at")


class ApiKeyResponse(ResponseSchema):
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


class NewApiKeyResponse(ApiKeyResponse):
    """A key as its maker sees it, once."""

    key = Secret()


class ApiKeyList(ResponseSchema):
    """A page of keys."""

    api_keys = fields.List(fields.Nested(ApiKeyResponse), attribute="items")
    total_entries = fields.Integer()
