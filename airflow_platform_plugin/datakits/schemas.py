"""DataKits over HTTP. A manifest is a document and has its own model in ``manifest``."""

from marshmallow import fields, validate

from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.fields import (
    AnswerSchema,
    CommaSeparated,
    Document,
    InputSchema,
    PageQuery,
    Timestamp,
    order_by,
)


class DataKitChange(InputSchema):
    """Whether a version is withdrawn, which is all of it that can change."""

    withdrawn = fields.Boolean(required=True, truthy={True}, falsy={False})
    reason = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=1000))


class DataKitQuery(PageQuery):
    """What narrows the list of kits."""

    type = fields.String(validate=validate.OneOf(["transformation", "ingestion", "export"]))
    tags = CommaSeparated(fields.String())
    search = fields.String(validate=validate.Length(min=1, max=200))
    tenant_id = fields.String()
    order_by = order_by("id", "name", "type", "tenant_id", "created_at", "created_by")


class DataKitAnswer(AnswerSchema):
    """A version: its manifest, and what the registry knows of it."""

    id = fields.String()
    manifest = Document(Manifest, flat=True)
    tenant_id = fields.String(allow_none=True)
    withdrawn_at = Timestamp(allow_none=True)
    withdrawn_reason = fields.String(allow_none=True)
    created_at = Timestamp()
    created_by = fields.String()


class DataKitList(AnswerSchema):
    """A page of kits."""

    datakits = fields.List(fields.Nested(DataKitAnswer), attribute="items")
    total_entries = fields.Integer()
