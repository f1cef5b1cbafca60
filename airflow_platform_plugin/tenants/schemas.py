"""Tenants over HTTP."""

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin import quantities
from airflow_platform_plugin.fields import (
    DNS_LABEL,
    AnswerSchema,
    InputSchema,
    Mapping,
    RateLimits,
    Timestamp,
)

# What a tenant may be allowed; docs/tenants.md says what each gates.
FEATURES = ("datakits", "custom_operators", "external_connections", "gpu_support")
RESOURCES = ("cpu", "memory", "storage", "gpu")


def _quantity(value: str) -> None:
    try:
        quantities.amount(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _known(names: tuple[str, ...]) -> validate.OneOf:
    return validate.OneOf(names, error="Unknown; known are: {choices}.")


class TenantInput(InputSchema):
    """A tenant as it is created."""

    tenant_id = fields.String(required=True, validate=DNS_LABEL)
    display_name = fields.String(validate=validate.Length(min=1, max=256))
    namespace = fields.String(validate=DNS_LABEL)
    resource_limits = Mapping(
        keys=fields.String(validate=_known(RESOURCES)),
        values=fields.String(validate=_quantity),
        load_default=dict,
    )
    features = Mapping(
        keys=fields.String(validate=_known(FEATURES)),
        values=fields.Boolean(truthy={True}, falsy={False}),
        load_default=dict,
    )
    admin_users = fields.List(fields.String(validate=validate.Length(min=1, max=256)), load_default=list)
    metadata = Mapping(keys=fields.String(), values=fields.String(), load_default=dict)
    rate_limits = RateLimits(allow_none=True, load_default=None)


class TenantAnswer(AnswerSchema):
    """A tenant as it is stored."""

    tenant_id = fields.String()
    display_name = fields.String()
    namespace = fields.String()
    resource_limits = fields.Dict()
    features = fields.Dict()
    admin_users = fields.List(fields.String())
    metadata = fields.Dict(attribute="labels")
    rate_limits = fields.Dict()
    created_at = Timestamp()
    updated_at = Timestamp()


class TenantList(AnswerSchema):
    """A page of tenants."""

    tenants = fields.List(fields.Nested(TenantAnswer), attribute="items")
    total_entries = fields.Integer()
