"""Deployments over HTTP."""

from datetime import timezone

from marshmallow import fields, validate

from airflow_platform_plugin.deployments import schedules
from airflow_platform_plugin.deployments.execution import contract
from airflow_platform_plugin.deployments.inputs import DeploymentFilter, Rollback
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
    """The recipients of mails about the end of a run."""

    on_success = Items(Email(), most=_MOST_ADDRESSES, allow_none=True)
    on_failure = Items(Email(), most=_MOST_ADDRESSES, allow_none=True)


class AutoRollback(InputSchema):
    """When the worker rolls a deployment back."""

    after_failures = Whole(least=1, most=100, required=True)


class ReasonInput(InputSchema):
    """The reason for a change."""

    reason = Text(most=LONGEST_REASON, load_default=None, allow_none=True)


class DeployInput(ReasonInput):
    """How a kit is deployed. A field that is absent keeps its value; null resets it."""

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
    """The target of a rollback: the last revision of a version, a revision, or by default the one before."""

    into = Rollback

    version = Line(most=64)
    revision = Whole(least=1, most=2**31 - 1, load_default=None, allow_none=True)


class DeploymentQuery(PageQuery):
    """The filters of the list of deployments."""

    into = DeploymentFilter

    datakit = Line(most=LONGEST_ID)
    environment = Line(most=LONGEST_LABEL)
    namespace = Line(most=LONGEST_LABEL)
    tenant_id = Line(most=LONGEST_LABEL)
    retired = Flag(load_default=False)
    order_by = order_by("id", "datakit", "environment", "namespace", "tenant_id", "dag_id", "revision")


class StatusQuery(QuerySchema):
    """How many seconds to wait until Airflow has parsed the deployment."""

    wait = Whole(least=0, most=LONGEST_WAIT, load_default=0)


class Difference(ResponseSchema):
    """A field that differs from the revision before."""

    field = fields.String()
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class RevisionResponse(ResponseSchema):
    """A revision: what was deployed, how, why and by which user. Secrets are masked."""

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
    """What was deployed and when it runs next. In a dry run of a new deployment, the id is null."""

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
    """The status of a deployment in Airflow."""

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
