"""``plan``: everything that a deploy checks and decides before it writes."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from croniter import CroniterBadDateError, croniter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.errors import FieldError, ServiceUnavailable, ValidationFailed
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.deployments import column_limits, preconditions
from airflow_platform_plugin.deployments.desired_state import DesiredState, compare
from airflow_platform_plugin.deployments.execution import contract
from airflow_platform_plugin.deployments.execution.dag import Owner, build
from airflow_platform_plugin.deployments.execution.runners import base
from airflow_platform_plugin.deployments.spec import ON_INPUTS, DeploymentSpec, build_dag_id
from airflow_platform_plugin.deployments.target import Target

NEXT_RUNS = 5
# Bytes of a deployment's document. Each parsing of the loader file reads the documents of all deployments.
_LONGEST_SPEC = 256 * 1024
# Start dates for which every database of Airflow can store the next runs, too.
_FIRST_START = datetime(1970, 1, 2, tzinfo=timezone.utc)
_LAST_START = datetime(2037, 12, 31, tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A deploy that has passed all checks.

    Attributes:
        target: the version, and where it is to run.
        desired: the desired state.
        spec: the document of the new revision.
        diff: the differences from the current revision.
        next_runs: when Airflow starts the next runs.
        warnings: sentences for the caller.
    """

    target: Target
    desired: DesiredState
    spec: DeploymentSpec
    diff: list[dict[str, Json]]
    next_runs: list[datetime]
    warnings: list[str]

    @property
    def is_new(self) -> bool:
        """Return whether the deployment does not exist yet."""
        return self.target.deployment is None


def plan(session: Session, desired: DesiredState, target: Target, *, force: bool = False) -> Plan:
    """Check everything that can be checked before a deploy, and build the new revision's document.

    Args:
        session: the transaction.
        desired: the desired state.
        target: the version, and where it is to run.
        force: allow a version that was rolled back automatically there.

    Raises:
        ValidationFailed: the schedule, the size of the configuration or something else does not fit.
        PermissionDenied: the tenant does not have a feature, or may not use the image.
        Conflict: the version may not be deployed there, or the tenant's limits do not allow it.
        ServiceUnavailable: the setting ``datakit_runners`` is wrong.
    """
    manifest = desired.manifest
    preconditions.require_deployable(target, force=force)
    if desired.schedule == ON_INPUTS and not manifest.inputs:
        raise ValidationFailed.of("schedule", message="the kit has no inputs that could start it")
    runner_name = _find_runner(target.environment)
    if target.tenant is not None:
        preconditions.require_features(target.tenant, manifest, runner_name)
        preconditions.require_declared_needs(target.tenant, manifest, runner_name)
    _require_short_secrets(desired)
    spec = _build_spec(desired, target)
    if target.deployment is None:
        preconditions.require_unknown_dag(session, spec.dag_id)
    _require_short_documents(spec, desired)
    next_runs = _find_next_runs(session, spec, target)
    if target.tenant is not None:  # last, because it locks
        preconditions.require_quota(session, target.tenant, manifest, target)
    return Plan(
        target=target,
        desired=desired,
        spec=spec,
        diff=[] if target.current is None else compare(target.current, desired),
        next_runs=next_runs,
        warnings=preconditions.check_installation(manifest, runner_name),
    )


def _find_runner(environment: str) -> str:
    try:
        return base.runner_for(environment)
    except ValueError as error:
        raise ServiceUnavailable(str(error)) from error


def _require_short_secrets(desired: DesiredState) -> None:
    if len(json.dumps(desired.secrets)) > crypto.LONGEST:
        raise ValidationFailed.of(
            "configuration", message=f"its secrets have more than {crypto.LONGEST} bytes of JSON"
        )


def _build_spec(desired: DesiredState, target: Target) -> DeploymentSpec:
    deployment = target.deployment
    return DeploymentSpec(
        dag_id=build_dag_id(target.namespace, target.environment, desired.manifest.name),
        manifest=desired.manifest,
        environment=target.environment,
        namespace=target.namespace,
        configuration=desired.configuration,
        secrets=sorted(desired.secrets),
        schedule=desired.schedule,
        start_date=_choose_start_date(desired, target.current),
        deployment_id=db.new_id("dep") if deployment is None else deployment.id,
        revision=1 if deployment is None else deployment.revision + 1,
        shared_connections=desired.shared_connections,
        chosen=sorted(desired.chosen),
        **asdict(desired.options),
    )


def _require_short_documents(spec: DeploymentSpec, desired: DesiredState) -> None:
    if (size := contract.measure_document(spec, desired.secrets)) > contract.LONGEST_DOCUMENT:
        raise ValidationFailed.of(
            "configuration",
            message=f"with the manifest's inputs and outputs it has {size} bytes of JSON; "
            f"a run can get at most {contract.LONGEST_DOCUMENT}",
        )
    if (size := len(spec.model_dump_json())) > _LONGEST_SPEC:
        raise ValidationFailed.of(
            message=f"the kit's manifest and the configuration have {size} bytes of JSON together; "
            f"a deployment may have at most {_LONGEST_SPEC}"
        )


def _choose_start_date(desired: DesiredState, current: DesiredState | None) -> datetime:
    """Return the start of the first interval.

    It stays the same in all revisions unless a request changes it: Airflow would skip or repeat intervals.
    """
    start = desired.start_date
    if start is None:
        return _find_current_interval(desired.schedule)
    if not _FIRST_START <= start <= _LAST_START and (current is None or start != current.start_date):
        raise ValidationFailed.of("start_date", message="must be from 1970-01-02 to 2037-12-31")
    return start


def _find_current_interval(schedule: str | None) -> datetime:
    """Return the start of the current interval, so that the first run is at the schedule's next time."""
    now = db.now()
    if schedule is None or schedule in (ON_INPUTS, "@once"):
        return now
    cron = airflow_compat.timetables.cron_presets().get(schedule, schedule)
    try:
        start: datetime = croniter(cron, now.replace(microsecond=0)).get_prev(datetime)
    except CroniterBadDateError:  # the schedule has no time before now
        return now
    return start.astimezone(timezone.utc)


def _find_next_runs(session: Session, spec: DeploymentSpec, target: Target) -> list[datetime]:
    """Return when Airflow starts the next runs, by the timetable of the DAG that the loader will build."""
    tenant = target.tenant
    owner = None if tenant is None else Owner(str(tenant.tenant_id), tenant.resource_limits)
    _require_fit(column_limits.find_long_inputs(spec))
    try:
        dag = build(spec, owner)
        column_limits.require_storable(dag)
    except Exception as error:
        raise ValidationFailed.of(message=f"no DAG can be built from this: {error}") from error
    _require_fit(column_limits.find_misfits(dag, spec, session.connection().dialect.name))
    try:
        return airflow_compat.dags.next_runs(session, dag, NEXT_RUNS)
    except SQLAlchemyError:
        raise
    except Exception as error:
        raise ValidationFailed.of("schedule", message=f"has no next run: {error}") from error


def _require_fit(misfits: Iterable[column_limits.Misfit]) -> None:
    if errors := [FieldError.at([misfit.field], misfit.message) for misfit in misfits]:
        raise ValidationFailed(errors)
