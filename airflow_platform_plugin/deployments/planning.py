"""What a deploy would do, found out before anything is written.

``Wanted`` is what is to run and how, of a request or of an earlier revision; ``plan`` holds it against the
manifest, the tenant, Airflow and what runs now. ``service`` writes a plan down, or shows it and goes.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, NamedTuple

from croniter import CroniterBadDateError, croniter
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import crypto, db, settings
from airflow_platform_plugin.core.errors import (
    Conflict,
    FieldError,
    PermissionDenied,
    ServiceUnavailable,
    ValidationFailed,
)
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.deployments import column_limits
from airflow_platform_plugin.deployments.configuration import MASK, Kept, decrypt_secrets, is_secret, split
from airflow_platform_plugin.deployments.execution import contract
from airflow_platform_plugin.deployments.execution.dag import Owner, build
from airflow_platform_plugin.deployments.execution.runners import base
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.settings import DeploymentSettings
from airflow_platform_plugin.deployments.spec import ON_INPUTS, DeploymentSpec, dag_id
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant

# Of a spec, what a request may say beside configuration and schedule, and what it is where nobody says.
OPTIONS: dict[str, Any] = {
    "catchup": False,
    "retries": None,
    "retry_delay": None,
    "timeout": None,
    "max_active_runs": None,
    "connections": [],
}
NEXT_RUNS = 5
# Bytes of a deployment's document: each parsing of the loader file reads those of all.
_LONGEST_SPEC = 256 * 1024
# Of a start_date: what every database that Airflow runs on knows of times, and a schedule's next runs fit.
_FIRST_START = datetime(1970, 1, 2, tzinfo=timezone.utc)
_LAST_START = datetime(2037, 12, 31, tzinfo=timezone.utc)


@dataclass(frozen=True)
class DesiredState:
    """What is to run and how; the configuration has its secrets.

    Attributes:
        options: of a spec, those named in ``OPTIONS``.
        start_date: None for as it was, or for now.
    """

    manifest: Manifest
    configuration: dict[str, Any]
    schedule: str | None
    start_date: datetime | None
    options: dict[str, Any]
    notifications: dict[str, list[str]]
    auto_rollback_after: int | None
    # Of the connections among the options, those that are shared by all tenants and were granted: their rows.
    shared_connections: dict[str, int]
    # Of the configuration, what was given; the rest are the manifest's defaults.
    chosen: list[str]

    @classmethod
    def again(cls, revision: DeploymentRevision) -> "DesiredState":
        """What a revision has had."""
        spec = DeploymentSpec.model_validate(revision.spec)
        return cls(
            manifest=spec.manifest,
            configuration=spec.configuration | decrypt_secrets(revision.encrypted_secrets),
            schedule=spec.schedule,
            start_date=None,
            options={name: getattr(spec, name) for name in OPTIONS},
            notifications=revision.notifications,
            auto_rollback_after=revision.auto_rollback_after,
            shared_connections=spec.shared_connections,
            chosen=_chosen(spec),
        )

    def granted(self, shared_connections: dict[str, int]) -> "DesiredState":
        """The same, with those grants."""
        return replace(self, shared_connections=shared_connections)

    @property
    def kept(self) -> Kept:
        """Of the configuration, what stays where the next deploy does not say otherwise."""
        values = {name: self.configuration[name] for name in self.chosen if name in self.configuration}
        return Kept(values, frozenset(name for name in values if is_secret(self.manifest, name)))

    def fields(self) -> dict[str, Any]:
        """All that two revisions may differ in, flat, secrets as they are."""
        return {
            "version": self.manifest.version,
            "image": self.manifest.image,
            "schedule": self.schedule,
            "auto_rollback.after_failures": self.auto_rollback_after,
            **{f"configuration.{name}": value for name, value in self.configuration.items()},
            **{f"notifications.{name}": value for name, value in self.notifications.items()},
            **self.options,
        }

    @property
    def secret_fields(self) -> set[str]:
        """Those of ``fields`` that nobody is shown."""
        options = self.manifest.configuration.items()
        return {f"configuration.{name}" for name, option in options if option.secret}


def _chosen(spec: DeploymentSpec) -> list[str]:
    """What was given of the configuration; where nobody wrote that down, what is no default."""
    if spec.chosen is not None:
        return spec.chosen
    options = spec.manifest.configuration
    plain = [
        name
        for name, value in spec.configuration.items()
        if not (name in options and value == options[name].default)
    ]
    return plain + spec.secrets


class Target(NamedTuple):
    """Where it is to run: a namespace, the tenant that owns it, an environment, and what is there now."""

    namespace: str
    tenant: Tenant | None
    environment: str
    deployment: Deployment | None


@dataclass(frozen=True)
class Plan:
    """A deploy that can be made."""

    deployment: Deployment | None
    tenant: Tenant | None
    spec: DeploymentSpec
    wanted: DesiredState
    secrets: dict[str, Any]
    diff: list[dict[str, Any]]
    next_runs: list[datetime]
    warnings: list[str]

    @property
    def is_new(self) -> bool:
        """Whether there is no such deployment yet."""
        return self.deployment is None


def plan(session: Session, wanted: DesiredState, place: Target) -> Plan:
    """Check all that can be known before.

    Raises:
        ValidationFailed: the schedule, the configuration's length or something of the DAG does not fit.
        PermissionDenied: the tenant lacks a feature.
        Conflict: the kit needs more than the tenant has left.
    """
    manifest = wanted.manifest
    namespace, tenant, environment, deployment = place
    if wanted.schedule == ON_INPUTS and not manifest.inputs:
        raise ValidationFailed.of("schedule", message="the kit has no inputs that could start it")
    runner_name = _runner(environment)
    if tenant is not None:
        _require_features(tenant, manifest, runner_name)
        _require_needs(tenant, manifest, runner_name)
    before = None if deployment is None else DesiredState.again(deployment.current)
    plain, secrets = split(manifest, wanted.configuration)
    if len(json.dumps(secrets)) > crypto.LONGEST:
        raise ValidationFailed.of(
            "configuration", message=f"its secrets have more than {crypto.LONGEST} bytes of JSON"
        )
    spec = DeploymentSpec(
        dag_id=dag_id(namespace, environment, manifest.name),
        manifest=manifest,
        environment=environment,
        namespace=namespace,
        configuration=plain,
        secrets=sorted(secrets),
        schedule=wanted.schedule,
        start_date=_start_date(wanted, deployment),
        deployment_id=db.new_id("dep") if deployment is None else deployment.id,
        revision=1 if deployment is None else deployment.revision + 1,
        shared_connections=wanted.shared_connections,
        chosen=sorted(wanted.chosen),
        **wanted.options,
    )
    if (size := contract.size(spec, secrets)) > contract.LONGEST_DOCUMENT:
        raise ValidationFailed.of(
            "configuration",
            message=f"with the manifest's inputs and outputs it has {size} bytes of JSON, "
            f"of which a run can be told {contract.LONGEST_DOCUMENT}",
        )
    if (size := len(spec.model_dump_json())) > _LONGEST_SPEC:
        raise ValidationFailed.of(
            message=f"the kit's manifest and the configuration have {size} bytes of JSON together, "
            f"of which a deployment may have {_LONGEST_SPEC}"
        )
    next_runs = _next_runs(session, spec, tenant)
    if tenant is not None:
        # Last of all: from here on nobody else deploys for the tenant, and on SQLite nobody else writes.
        _require_quota(session, tenant, manifest, replaced=deployment)
        _require_number(session, tenant, deployment)
    return Plan(
        deployment=deployment,
        tenant=tenant,
        spec=spec,
        wanted=wanted,
        secrets=secrets,
        diff=[] if before is None else difference(before, wanted),
        next_runs=next_runs,
        warnings=_missing(manifest, runner_name),
    )


def difference(before: DesiredState, after: DesiredState) -> list[dict[str, Any]]:
    """Each field that differs: its name, and its values; a secret's only as having changed."""
    old, new = before.fields(), after.fields()
    hidden = before.secret_fields | after.secret_fields

    def shown(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
        return MASK if name in hidden and value is not None else value

    return [
        {"field": name, "before": shown(name, old.get(name)), "after": shown(name, new.get(name))}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _start_date(wanted: DesiredState, deployment: Deployment | None) -> datetime:
    if wanted.start_date is not None:
        if not _FIRST_START <= wanted.start_date <= _LAST_START:
            raise ValidationFailed.of("start_date", message="must be from 1970-01-02 to 2037-12-31")
        return wanted.start_date
    if deployment is not None:
        # The first one in every revision: moving it would make Airflow skip or repeat intervals.
        return DeploymentSpec.model_validate(deployment.current.spec).start_date
    now = db.now()
    if wanted.schedule is None or wanted.schedule in (ON_INPUTS, "@once"):
        return now
    # The interval that is under way, so that the first run is at the schedule's next time and not one later.
    cron = airflow_compat.timetables.cron_presets().get(wanted.schedule, wanted.schedule)
    try:
        last: datetime = croniter(cron, now.replace(microsecond=0)).get_prev(datetime)
    except CroniterBadDateError:  # it begins later than now
        return now
    return last.astimezone(timezone.utc)


def _runner(environment: str) -> str:
    try:
        return base.runner_for(environment)
    except ValueError as error:
        raise ServiceUnavailable(str(error)) from error


def _missing(manifest: Manifest, runner_name: str) -> list[str]:
    """What to say of a kit that runs as a process and is not installed: here, which the workers may be not.

    Raises:
        Conflict: it is not, and the operator says that here is where it must be.
    """
    from airflow_platform_plugin.deployments.execution.runners import process

    if runner_name != base.PROCESS or process.find(manifest.image) is not None:
        return []
    told = process.missing(manifest.image)
    if settings.get(DeploymentSettings).require_installed_kits:
        raise Conflict(told, image=manifest.image)
    return [f"{told} Unless the workers have it, its runs fail."]


def _require_features(tenant: Tenant, manifest: Manifest, runner_name: str) -> None:
    needed = {
        "datakits": True,
        "gpu_support": manifest.requirements.gpu,
        # A process has the rights of Airflow's own tasks: its database, its keys, all connections.
        "custom_operators": runner_name == base.PROCESS,
    }
    for feature, is_needed in needed.items():
        if is_needed and not tenants.has_feature(tenant, feature):
            reason = (
                " In this environment kits run inside Airflow's own." if feature == "custom_operators" else ""
            )
            raise PermissionDenied(
                f"Tenant '{tenant.tenant_id}' has not the feature {feature}.{reason}", feature=feature
            )


def _require_needs(tenant: Tenant, manifest: Manifest, runner_name: str) -> None:
    """Refuse a container that would be held to nothing, as Kubernetes' ResourceQuota does."""
    needs = manifest.requirements.amounts
    missing = [name for name in ("cpu", "memory") if name in tenant.resource_limits and name not in needs]
    if missing and runner_name != base.PROCESS:
        raise Conflict(
            f"Tenant '{tenant.tenant_id}' has a limit of {' and '.join(missing)}, so the kit's requirements "
            "must say how much it needs.",
            missing=missing,
        )


def _require_quota(
    session: Session, tenant: Tenant, manifest: Manifest, *, replaced: Deployment | None
) -> None:
    tenant_id = str(tenant.tenant_id)
    quota.lock_tenant(session, tenant_id)
    used = tenants.sum_requirements(session, tenant_id)
    if replaced is not None and replaced.retired_at is None:  # what it needs now is given back
        former = Manifest.model_validate(replaced.current.spec["manifest"]).requirements.amounts
        used = {name: amount - former.get(name, 0) for name, amount in used.items()}
    quota.require_within_limits(tenant.resource_limits, used, manifest.requirements.amounts)


def _require_number(session: Session, tenant: Tenant, deployment: Deployment | None) -> None:
    if deployment is not None and deployment.retired_at is None:
        return
    active = select(func.count()).where(
        Deployment.tenant_id == tenant.tenant_id, Deployment.retired_at.is_(None)
    )
    most = settings.get(DeploymentSettings).tenant_max_deployments
    if session.scalar(active) >= most:
        raise Conflict(
            f"Tenant '{tenant.tenant_id}' has {most} deployments, which is the most that one may have; "
            "retire one first.",
            tenant_max_deployments=most,
        )


def _next_runs(session: Session, spec: DeploymentSpec, tenant: Tenant | None) -> list[datetime]:
    """When Airflow would start its next runs: the timetable itself says, of the DAG that would be built."""
    owner = None if tenant is None else Owner(str(tenant.tenant_id), tenant.resource_limits)
    _require_fit(column_limits.early(spec))
    try:
        dag = build(spec, owner)
        column_limits.require_storable(dag)
    except Exception as error:
        raise ValidationFailed.of(message=f"no DAG can be made of this: {error}") from error
    _require_fit(column_limits.misfits(dag, spec, session.connection().dialect.name))
    try:
        return airflow_compat.dags.next_runs(session, dag, NEXT_RUNS)
    except SQLAlchemyError:
        raise
    except Exception as error:
        raise ValidationFailed.of("schedule", message=f"has no next run: {error}") from error


def _require_fit(misfits: Iterable[column_limits.Misfit]) -> None:
    if errors := [FieldError.at([misfit.field], misfit.message) for misfit in misfits]:
        raise ValidationFailed(errors)


def require_good(deployment: Deployment | None, version: str) -> None:
    """Let pass a version that was not rolled back from by itself.

    Raises:
        Conflict: it was; ``force`` deploys it nevertheless.
    """
    if deployment is not None and version in deployment.bad_versions:
        raise Conflict(
            f"{deployment.datakit} {version} was rolled back here because its runs failed; "
            '"force": true deploys it nevertheless.',
            bad_versions=deployment.bad_versions,
        )
