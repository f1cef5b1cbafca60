"""Tenants over HTTP."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin import quantities
from airflow_platform_plugin.fields import (
    DNS_LABEL,
    AnswerSchema,
    Flag,
    InputSchema,
    PageQuery,
    Timestamp,
    order_by,
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


class _Mapping(fields.Dict):
    """A mapping whose errors lie at the key itself, not at ``key`` or ``value`` below it."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - marshmallow's signature
        try:
            return super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            flat = {
                key: [m for part in parts.values() for m in part] for key, parts in error.messages.items()
            }
            raise ValidationError(flat) from error


class TenantInput(InputSchema):
    """A tenant as it is created."""

    tenant_id = fields.String(required=True, validate=DNS_LABEL)
    display_name = fields.String(validate=validate.Length(min=1, max=256))
    namespace = fields.String(validate=DNS_LABEL)
    resource_limits = _Mapping(
        keys=fields.String(validate=_known(RESOURCES)),
        values=fields.String(validate=_quantity, metadata={"pattern": quantities.PATTERN}),
        load_default=dict,
    )
    features = _Mapping(
        keys=fields.String(validate=_known(FEATURES)),
        values=Flag(),
        load_default=dict,
    )
    admin_users = fields.List(fields.String(validate=validate.Length(min=1, max=256)), load_default=list)
    metadata = _Mapping(keys=fields.String(), values=fields.String(), load_default=dict)


class TenantQuery(PageQuery):
    """How the list of tenants is ordered."""

    order_by = order_by("tenant_id", "display_name", "namespace", "created_at", "updated_at")


class TenantAnswer(AnswerSchema):
    """A tenant as it is stored."""

    tenant_id = fields.String()
    display_name = fields.String()
    namespace = fields.String()
    resource_limits = fields.Dict()
    features = fields.Dict()
    admin_users = fields.List(fields.String())
    metadata = fields.Dict(attribute="labels")
    created_at = Timestamp()
    updated_at = Timestamp()


class TenantList(AnswerSchema):
    """A page of tenants."""

    tenants = fields.List(fields.Nested(TenantAnswer), attribute="items")
    total_entries = fields.Integer()
