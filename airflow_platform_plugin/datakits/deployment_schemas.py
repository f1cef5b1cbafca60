"""Deployments over HTTP."""

from datetime import timezone

from croniter import CroniterBadDateError, croniter
from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.datakits.columns import LONGEST_SCHEDULE
from airflow_platform_plugin.datakits.manifest import ON_INPUTS
from airflow_platform_plugin.datakits.status import LONGEST_WAIT, STATES
from airflow_platform_plugin.fields import (
    DNS_LABEL,
    AnswerSchema,
    Flag,
    InputSchema,
    PageQuery,
    Timestamp,
    order_by,
)

_PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", ON_INPUTS)
_YEAR = 366 * 24 * 3600
# A part of the name of an environment variable, as Kubernetes allows it.
_VARIABLE = validate.Regexp(r"[A-Za-z0-9._-]{1,250}\Z", error="Cannot be in an environment variable's name.")
_REASON = validate.Length(max=1000)


def _schedule(value: str) -> None:
    if len(value) > LONGEST_SCHEDULE:  # before it is evaluated
        raise ValidationError(f"Longer than maximum length {LONGEST_SCHEDULE}.")
    # Five fields: croniter would take a sixth for seconds, which Airflow's timetables do not know.
    if value not in _PRESETS and not (len(value.split()) == 5 and croniter.is_valid(value)):  # noqa: PLR2004 - a cron line's fields
        raise ValidationError(
            f"Must be a cron expression such as '0 2 * * *', or one of {', '.join(_PRESETS)}."
        )
    if value not in _PRESETS:
        try:
            croniter(value).get_next()
        except CroniterBadDateError:
            raise ValidationError("Never comes, like the 30th of February.") from None


def _seconds(*, least: float) -> fields.Float:
    return fields.Float(allow_none=True, validate=validate.Range(min=least, max=_YEAR, min_inclusive=True))


def _number(*, least: int, most: int) -> fields.Integer:
    return fields.Integer(strict=True, allow_none=True, validate=validate.Range(min=least, max=most))


class NotificationsInput(InputSchema):
    """Who is told of a run's end."""

    on_success = fields.List(fields.Email(), allow_none=True)
    on_failure = fields.List(fields.Email(), allow_none=True)


class AutoRollback(InputSchema):
    """When a deployment goes back by itself."""

    after_failures = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=100))


class ReasonInput(InputSchema):
    """What something is done for."""

    reason = fields.String(load_default=None, allow_none=True, validate=_REASON)


class DeployInput(ReasonInput):
    """How a kit is deployed. What an existing deployment has stays where it is not given; null resets it."""

    environment = fields.String(required=True, validate=DNS_LABEL)
    namespace = fields.String(load_default="default", validate=DNS_LABEL)
    configuration = fields.Dict(keys=fields.String(), allow_none=True)
    schedule = fields.String(allow_none=True, validate=_schedule)
    notifications = fields.Nested(NotificationsInput, allow_none=True)
    catchup = Flag(allow_none=True)
    start_date = fields.AwareDateTime(allow_none=True, format="iso", default_timezone=timezone.utc)
    retries = _number(least=0, most=100)
    retry_delay = _seconds(least=0)
    timeout = _seconds(least=1)
    max_active_runs = _number(least=1, most=1000)
    connections = fields.List(
        fields.String(validate=_VARIABLE), allow_none=True, validate=validate.Length(max=100)
    )
    auto_rollback = fields.Nested(AutoRollback, allow_none=True)
    replace = Flag(load_default=False)
    dry_run = Flag(load_default=False)
    force = Flag(load_default=False)


class RollbackInput(ReasonInput):
    """Where to go back to: the last revision of a version, a revision, or else the one before."""

    version = fields.String()
    revision = fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=validate.Range(min=1, max=2**31 - 1)
    )


class DeploymentQuery(PageQuery):
    """What narrows the list of deployments."""

    datakit = fields.String()
    environment = fields.String()
    namespace = fields.String()
    tenant_id = fields.String()
    retired = fields.Boolean(load_default=False)
    order_by = order_by("id", "datakit", "environment", "namespace", "tenant_id", "dag_id", "revision")


class StatusQuery(InputSchema):
    """How long to wait for what Airflow makes of it, in seconds."""

    wait = fields.Integer(load_default=0, validate=validate.Range(min=0, max=LONGEST_WAIT))


class Difference(AnswerSchema):
    """A field that differs from the revision before."""

    field = fields.String()
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class RevisionAnswer(AnswerSchema):
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


class RevisionList(AnswerSchema):
    """A page of revisions."""

    revisions = fields.List(fields.Nested(RevisionAnswer), attribute="items")
    total_entries = fields.Integer()


class DeploymentAnswer(RevisionAnswer):
    """A deployment and the revision in force."""

    id = fields.String()
    datakit = fields.String()
    environment = fields.String()
    namespace = fields.String()
    tenant_id = fields.String(allow_none=True)
    dag_id = fields.String()
    bad_versions = fields.List(fields.String())
    retired_at = Timestamp(allow_none=True)


class DeployAnswer(DeploymentAnswer):
    """What was deployed, or would be, and when it runs next; the id is null in a dry run of a new one."""

    id = fields.String(allow_none=True)
    next_runs = fields.List(Timestamp())
    warnings = fields.List(fields.String())


class DeploymentList(AnswerSchema):
    """A page of deployments."""

    deployments = fields.List(fields.Nested(DeploymentAnswer), attribute="items")
    total_entries = fields.Integer()


class LastRun(AnswerSchema):
    """A run of a deployment."""

    dag_run_id = fields.String(attribute="run_id")
    state = fields.String()
    run_type = fields.String()
    logical_date = Timestamp(attribute="execution_date")
    start_date = Timestamp(allow_none=True)
    end_date = Timestamp(allow_none=True)


class StatusAnswer(AnswerSchema):
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
