"""DataKits over HTTP. A manifest has its own pydantic model in ``manifest``."""

from marshmallow import fields

from airflow_platform_plugin.datakits.inputs import DataKitFilter
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.http.fields import (
    LONGEST_LABEL,
    LONGEST_REASON,
    LONGEST_SEARCH,
    MOST_MEMBERS,
    Choice,
    CommaSeparated,
    Flag,
    Line,
    Text,
)
from airflow_platform_plugin.http.schemas import (
    Document,
    InputSchema,
    PageQuery,
    ResponseSchema,
    Timestamp,
    order_by,
)


class DataKitChange(InputSchema):
    """The change of a version: only whether it is withdrawn can change."""

    withdrawn = Flag(required=True)
    reason = Text(most=LONGEST_REASON, load_default=None, allow_none=True)


class DataKitQuery(PageQuery):
    """The filters of the list of kits."""

    into = DataKitFilter

    type = Choice(["transformation", "ingestion", "export"])
    tags = CommaSeparated(Line(most=100), most=MOST_MEMBERS)
    search = Text(least=1, most=LONGEST_SEARCH)
    tenant_id = Line(most=LONGEST_LABEL)
    order_by = order_by("id", "name", "type", "tenant_id", "created_at", "created_by")


class DataKitResponse(ResponseSchema):
    """A version: its manifest, and its state in the registry."""

    id = fields.String()
    manifest = Document(Manifest, flat=True)
    tenant_id = fields.String(allow_none=True)
    withdrawn_at = Timestamp(allow_none=True)
    withdrawn_reason = fields.String(allow_none=True)
    created_at = Timestamp()
    created_by = fields.String()


class DataKitList(ResponseSchema):
    """A page of kits."""

    datakits = fields.List(fields.Nested(DataKitResponse), attribute="items")
    total_entries = fields.Integer()
