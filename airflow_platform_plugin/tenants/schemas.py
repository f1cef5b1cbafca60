"""Tenants over HTTP."""

from collections.abc import Collection

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin import quantities
from airflow_platform_plugin.fields import (
    DNS_LABEL,
    AnswerSchema,
    Flag,
    InputSchema,
    Mapping,
    PageQuery,
    RateLimits,
    Timestamp,
    order_by,
)
from airflow_platform_plugin.tenants.service import FEATURES

RESOURCES = ("cpu", "memory", "storage", "gpu")


def _quantity(value: str) -> None:
    try:
        quantities.amount(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _known(names: Collection[str]) -> validate.OneOf:
    return validate.OneOf(names, error="Unknown; known are: {choices}.")


class TenantInput(InputSchema):
    """A tenant as it is created."""

    # Shorter than a DNS label: the names of Airflow's roles end at 64 characters.
    tenant_id = fields.String(required=True, validate=[DNS_LABEL, validate.Length(max=50)])
    display_name = fields.String(validate=validate.Length(min=1, max=256))
    namespace = fields.String(validate=DNS_LABEL)
    resource_limits = Mapping(
        keys=fields.String(validate=_known(RESOURCES)),
        values=fields.String(validate=_quantity, metadata={"pattern": quantities.PATTERN}),
        load_default=dict,
    )
    features = Mapping(
        keys=fields.String(validate=_known(FEATURES)),
        values=Flag(),
        load_default=dict,
    )
    admin_users = fields.List(fields.String(validate=validate.Length(min=1, max=256)), load_default=list)
    metadata = Mapping(keys=fields.String(), values=fields.String(), load_default=dict)
    rate_limits = RateLimits(allow_none=True, load_default=None)


class TenantChange(InputSchema):
    """What of a tenant can be changed. Objects are merged key by key; null removes a key."""

    display_name = fields.String(validate=validate.Length(min=1, max=256))
    resource_limits = Mapping(
        keys=fields.String(validate=_known(RESOURCES)),
        values=fields.String(validate=_quantity, allow_none=True),
    )
    features = Mapping(
        keys=fields.String(validate=_known(FEATURES)),
        values=fields.Boolean(truthy={True}, falsy={False}, allow_none=True),
    )
    admin_users = fields.List(fields.String(validate=validate.Length(min=1, max=256)))
    metadata = Mapping(keys=fields.String(), values=fields.String(allow_none=True))
    rate_limits = RateLimits(allow_none=True)


class TenantQuery(PageQuery):
    """Which tenants are wanted."""

    namespace = fields.String()
    search = fields.String(validate=validate.Length(min=1, max=200))
    order_by = order_by("tenant_id", "display_name", "namespace", "created_at", "updated_at")


class DeleteTenantQuery(InputSchema):
    """Whether what a tenant owns goes with it."""

    cascade = fields.Boolean(load_default=False)


class TenantUsageAnswer(AnswerSchema):
    """What a tenant owns, and what of its limits its active deployments need."""

    tenant_id = fields.String()
    resource_limits = fields.Dict()
    used = fields.Dict()
    left = fields.Dict()
    owned = fields.Dict()


class TenantAnswer(AnswerSchema):
    """A tenant as it is stored."""

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


class TenantList(AnswerSchema):
    """A page of tenants."""

    tenants = fields.List(fields.Nested(TenantAnswer), attribute="items")
    total_entries = fields.Integer()
