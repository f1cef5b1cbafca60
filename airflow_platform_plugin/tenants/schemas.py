"""Schemas of tenants over HTTP."""

from marshmallow import ValidationError, fields

from airflow_platform_plugin.auth.fields import RateLimits
from airflow_platform_plugin.core import kubernetes_quantities
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.http.fields import (
    DNS_LABEL,
    LONGEST_LABEL,
    LONGEST_SEARCH,
    LONGEST_USER,
    MOST_MEMBERS,
    Choice,
    Flag,
    Items,
    Line,
    Mapping,
    Text,
    dns_label,
)
from airflow_platform_plugin.http.schemas import (
    InputSchema,
    PageQuery,
    QuerySchema,
    ResponseSchema,
    Timestamp,
    order_by,
)
from airflow_platform_plugin.tenants.inputs import NewTenant, TenantFilter
from airflow_platform_plugin.tenants.quota import COMPUTE_RESOURCES
from airflow_platform_plugin.tenants.service import MOST_LABELS, TENANT_FEATURES


def _quantity(value: str) -> None:
    try:
        kubernetes_quantities.amount(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _limits(*, allow_none: bool = False, **options: Option) -> Mapping:
    quantity = Line(
        most=kubernetes_quantities.LONGEST,
        validate=_quantity,
        allow_none=allow_none,
        metadata={"pattern": kubernetes_quantities.PATTERN},
    )
    return Mapping(keys=Choice(COMPUTE_RESOURCES), values=quantity, most=len(COMPUTE_RESOURCES), **options)


def _features(*, allow_none: bool = False, **options: Option) -> Mapping:
    return Mapping(
        keys=Choice(TENANT_FEATURES), values=Flag(allow_none=allow_none), most=len(TENANT_FEATURES), **options
    )


def _labels(*, allow_none: bool = False, **options: Option) -> Mapping:
    value = Text(most=1000, allow_none=allow_none)
    return Mapping(keys=Line(least=1, most=LONGEST_LABEL), values=value, most=MOST_LABELS, **options)


def _users(**options: Option) -> Items:
    return Items(Line(least=1, most=LONGEST_USER), most=MOST_MEMBERS, **options)


class TenantInput(InputSchema):
    """A tenant to create."""

    into = NewTenant

    # Shorter than a DNS label: names of Airflow's roles have at most 64 characters.
    tenant_id = Text(most=50, required=True, validate=DNS_LABEL)
    display_name = Line(least=1, most=256)
    namespace = dns_label()
    resource_limits = _limits(load_default=dict)
    features = _features(load_default=dict)
    admin_users = _users(load_default=list)
    metadata = _labels(load_default=dict)
    rate_limits = RateLimits(allow_none=True, load_default=None)


class TenantChange(InputSchema):
    """Fields of a tenant to change. Objects are merged key by key; null removes a key."""

    display_name = Line(least=1, most=256)
    resource_limits = _limits(allow_none=True)
    features = _features(allow_none=True)
    admin_users = _users()
    metadata = _labels(allow_none=True)
    rate_limits = RateLimits(allow_none=True)


class TenantQuery(PageQuery):
    """Which tenants to list."""

    into = TenantFilter

    namespace = Line(most=LONGEST_LABEL)
    search = Text(least=1, most=LONGEST_SEARCH)
    order_by = order_by("tenant_id", "display_name", "namespace", "created_at", "updated_at")


class DeleteTenantQuery(QuerySchema):
    """Whether to delete also what the tenant owns."""

    cascade = Flag(load_default=False)


class TenantUsageResponse(ResponseSchema):
    """What a tenant owns, what its active deployments need, and what is left of its limits."""

    tenant_id = fields.String()
    resource_limits = fields.Dict()
    used = fields.Dict()
    left = fields.Dict()
    owned = fields.Dict()


class TenantResponse(ResponseSchema):
    """A tenant."""

    tenant_id = fields.String()
    display_name = fields.String()
    namespace = fields.String()
    resource_limits = fields.Dict()
    features = fields.Dict()
    admin_users = fields.List(fields.String())
    metadata = fields.Dict(attribute="labels")
    rate_limits = fields.Dict(allow_none=True)
    created_at = Timestamp()
    updated_at = Timestamp()


class TenantList(ResponseSchema):
    """A page of tenants."""

    tenants = fields.List(fields.Nested(TenantResponse), attribute="items")
    total_entries = fields.Integer()
