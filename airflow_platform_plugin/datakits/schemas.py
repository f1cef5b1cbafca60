"""DataKits over HTTP. A manifest is a document and has its own model in ``manifest``."""

from croniter import croniter
from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.fields import (
    DNS_LABEL,
    AnswerSchema,
    CommaSeparated,
    Document,
    InputSchema,
    PageQuery,
    Timestamp,
    order_by,
)

_PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


def _schedule(value: str) -> None:
    # Five fields: croniter would take a sixth for seconds, which Airflow's timetables do not know.
    if value not in _PRESETS and not (len(value.split()) == 5 and croniter.is_valid(value)):  # noqa: PLR2004 - a cron line's fields
        raise ValidationError(
            f"Must be a cron expression such as '0 2 * * *', or one of {', '.join(_PRESETS)}."
        )


class NotificationsInput(InputSchema):
    """Who is told of a run's end."""

    on_success = fields.List(fields.Email(), load_default=list)
    on_failure = fields.List(fields.Email(), load_default=list)


class DataKitChange(InputSchema):
    """Whether a version is withdrawn, which is all of it that can change."""

    withdrawn = fields.Boolean(required=True, truthy={True}, falsy={False})
    reason = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=1000))


class DeployInput(InputSchema):
    """How a kit is deployed."""

    environment = fields.String(required=True, validate=DNS_LABEL)
    namespace = fields.String(load_default="default", validate=DNS_LABEL)
    configuration = fields.Dict(keys=fields.String(), load_default=dict)
    schedule = fields.String(load_default=None, allow_none=True, validate=_schedule)
    notifications = fields.Nested(
        NotificationsInput, load_default=lambda: {"on_success": [], "on_failure": []}
    )


class DataKitQuery(PageQuery):
    """What narrows the list of kits."""

    type = fields.String(validate=validate.OneOf(["transformation", "ingestion", "export"]))
    tags = CommaSeparated(fields.String())
    search = fields.String(validate=validate.Length(min=1, max=200))
    tenant_id = fields.String()
    order_by = order_by("id", "name", "type", "tenant_id", "created_at", "created_by")


class DeploymentQuery(PageQuery):
    """What narrows the list of deployments."""

    datakit = fields.String()
    environment = fields.String()
    namespace = fields.String()
    order_by = order_by("id", "datakit", "environment", "namespace", "tenant_id", "dag_id", "revision")


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


class DeploymentAnswer(AnswerSchema):
    """A deployment and the revision in force."""

    id = fields.String()
    datakit = fields.String()
    version = fields.String(attribute="current.version")
    environment = fields.String()
    namespace = fields.String()
    tenant_id = fields.String(allow_none=True)
    revision = fields.Integer()
    dag_id = fields.String()
    configuration = fields.Dict(attribute="current.spec.configuration")
    schedule = fields.String(attribute="current.spec.schedule", allow_none=True)
    notifications = fields.Nested(NotificationsInput, attribute="current.notifications")
    created_at = Timestamp(attribute="current.created_at")
    created_by = fields.String(attribute="current.created_by")


class DeploymentList(AnswerSchema):
    """A page of deployments."""

    deployments = fields.List(fields.Nested(DeploymentAnswer), attribute="items")
    total_entries = fields.Integer()


class StatusAnswer(AnswerSchema):
    """Where a deployment stands in Airflow."""

    deployment_id = fields.String()
    dag_id = fields.String()
    revision = fields.Integer()
    version = fields.String()
    status = fields.String(validate=validate.OneOf(["pending", "active", "paused", "import_error"]))
    message = fields.String(allow_none=True)
