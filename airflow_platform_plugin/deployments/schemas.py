"""Deployments over HTTP."""

from datetime import timezone

from marshmallow import fields, validate

from airflow_platform_plugin.deployments import schedules
from airflow_platform_plugin.deployments.execution import contract
from airflow_platform_plugin.deployments.spec import LONGEST_SCHEDULE
from airflow_platform_plugin.deployments.status import LONGEST_WAIT, STATES
from airflow_platform_plugin.http.fields import (
    LONGEST_ID,
    LONGEST_LABEL,
    LONGEST_REASON,
    MOST_MEMBERS,
    Email,
    Flag,
    Items,
    JsonObject,
    Line,
    Moment,
    Number,
    Text,
    Whole,
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

_YEAR = 366 * 24 * 3600
_MOST_ADDRESSES = 50
# A part of the name of an environment variable, as Kubernetes allows it.
_VARIABLE = validate.Regexp(r"[A-Za-z0-9._-]{1,250}\Z", error="Cannot be in an environment variable's name.")


def _seconds(*, least: float) -> Number:
    return Number(least=least, most=_YEAR, allow_none=True)


def _number(*, least: int, most: int) -> Whole:
    return Whole(least=least, most=most, allow_none=True)


class NotificationsInput(InputSchema):
    """Who is told of a run's end."""

    on_success = Items(Email(), most=_MOST_ADDRESSES, allow_none=True)
    on_failure = Items(Email(), most=_MOST_ADDRESSES, allow_none=True)


class AutoRollback(InputSchema):
    """When a deployment goes back by itself."""

    after_failures = Whole(least=1, most=100, required=True)


class ReasonInput(InputSchema):
    """What something is done for."""

    reason = Text(most=LONGEST_REASON, load_default=None, allow_none=True)


class DeployInput(ReasonInput):
    """How a kit is deployed. What an existing deployment has stays where it is not given; null resets it."""

    environment = dns_label(required=True)
    namespace = dns_label(load_default=None)
    configuration = JsonObject(most=MOST_MEMBERS, most_bytes=contract.LONGEST_DOCUMENT, allow_none=True)
    schedule = Text(most=LONGEST_SCHEDULE, allow_none=True, validate=schedules.require_valid)
    notifications = fields.Nested(NotificationsInput, allow_none=True)
    catchup = Flag(allow_none=True)
    start_date = Moment(allow_none=True, default_timezone=timezone.utc)
    retries = _number(least=0, most=100)
    retry_delay = _seconds(least=0)
    timeout = _seconds(least=1)
    max_active_runs = _number(least=1, most=1000)
    connections = Items(Line(most=LONGEST_ID, validate=_VARIABLE), most=MOST_MEMBERS, allow_none=True)
    auto_rollback = fields.Nested(AutoRollback, allow_none=True)
    replace = Flag(load_default=False)
    dry_run = Flag(load_default=False)
    force = Flag(load_default=False)


class RollbackInput(ReasonInput):
    """Where to go back to: the last revision of a version, a revision, or else the one before."""

    version = Line(most=64)
    revision = Whole(least=1, most=2**31 - 1, load_default=None, allow_none=True)


class DeploymentQuery(PageQuery):
    """What narrows the list of deployments."""

    into = None

    datakit = Line(most=LONGEST_ID)
    environment = Line(most=LONGEST_LABEL)
    namespace = Line(most=LONGEST_LABEL)
    tenant_id = Line(most=LONGEST_LABEL)
    retired = Flag(load_default=False)
    order_by = order_by("id", "datakit", "environment", "namespace", "tenant_id", "dag_id", "revision")


class StatusQuery(QuerySchema):
    """How long to wait for what Airflow makes of it, in seconds."""

    wait = Whole(least=0, most=LONGEST_WAIT, load_default=0)


class Difference(ResponseSchema):
    """A field that differs from the revision before."""

    field = fields.String()
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class RevisionResponse(ResponseSchema):
    """A revision: what was deployed, how, by whom and why. Secrets are masked."""

    revision = fields.Integer()
    version = fields.String()
    configuration = fields.Dict()
    schedule = fields.String(allow_none=True)
    notifications = fields.Nested(NotificationsInput)
    catchup = fields.Boolean()
    start_date = Timestamp()
    retries = fields.Integer(allow_none=True)
    retry_delay = fields.Float(allow_none=True)
    timeout = fields.Float(allow_none=True)
    max_active_runs = fields.Integer(allow_none=True)
    connections = fields.List(fields.String())
    auto_rollback = fields.Nested(AutoRollback, allow_none=True)
    image_digest = fields.String(allow_none=True)
    action = fields.String(validate=validate.OneOf(["deploy", "redeploy", "rollback", "auto_rollback"]))
    source = fields.Integer(allow_none=True)
    reason = fields.String(allow_none=True)
    diff = fields.List(fields.Nested(Difference))
    created_at = Timestamp()
    created_by = fields.String()


class RevisionList(ResponseSchema):
    """A page of revisions."""

    revisions = fields.List(fields.Nested(RevisionResponse), attribute="items")
    total_entries = fields.Integer()


class DeploymentResponse(RevisionResponse):
    """A deployment and the revision in force."""

    id = fields.String()
    datakit = fields.String()
    environment = fields.String()
    namespace = fields.String()
    tenant_id = fields.String(allow_none=True)
    dag_id = fields.String()
    bad_versions = fields.List(fields.String())
    retired_at = Timestamp(allow_none=True)


class DeployResponse(DeploymentResponse):
    """What was deployed, or would be, and when it runs next; the id is null in a dry run of a new one."""

    id = fields.String(allow_none=True)
    next_runs = fields.List(Timestamp())
    warnings = fields.List(fields.String())


class DeploymentList(ResponseSchema):
    """A page of deployments."""

    deployments = fields.List(fields.Nested(DeploymentResponse), attribute="items")
    total_entries = fields.Integer()


class LastRun(ResponseSchema):
    """A run of a deployment."""

    dag_run_id = fields.String(attribute="run_id")
    state = fields.String()
    run_type = fields.String()
    logical_date = Timestamp()
    start_date = Timestamp(allow_none=True)
    end_date = Timestamp(allow_none=True)


class StatusResponse(ResponseSchema):
    """Where a deployment stands in Airflow."""

    deployment_id = fields.String()
    dag_id = fields.String()
    revision = fields.Integer()
    version = fields.String()
    status = fields.String(validate=validate.OneOf(STATES))
    message = fields.String(allow_none=True)
    next_run = Timestamp(allow_none=True)
    last_runs = fields.List(fields.Nested(LastRun))
    image_digest = fields.String(allow_none=True)
    bad_versions = fields.List(fields.String())
