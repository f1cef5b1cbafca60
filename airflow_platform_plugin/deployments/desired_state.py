"""``DesiredState``: which kit a deployment runs, and how."""

from dataclasses import asdict, dataclass, field
from datetime import datetime

from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.deployments.configuration import (
    MASK,
    StoredValues,
    Values,
    decrypt_secrets,
    is_secret,
)
from airflow_platform_plugin.deployments.models import DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the runs of a deployment are created and tried; the fields of a spec with these names.

    Attributes:
        catchup: whether missed intervals are run.
        retries: how often a failed try is repeated; None for Airflow's default.
        retry_delay: seconds between tries; None for Airflow's default.
        timeout: seconds for each try; None for no limit.
        max_active_runs: how many runs may be active at a time; None for Airflow's default.
        connections: the ids of Airflow connections that the kit gets.
    """

    catchup: bool = False
    retries: int | None = None
    retry_delay: float | None = None
    timeout: float | None = None
    max_active_runs: int | None = None
    connections: list[str] = field(default_factory=list)


RUN_OPTIONS: dict[str, Json] = asdict(RunOptions())


@dataclass(frozen=True, kw_only=True)
class DesiredState:
    """Which kit a deployment runs, and how.

    Attributes:
        manifest: of the version to run.
        configuration: the values of options that are not secret, defaults included.
        secrets: the values of secret options that are set.
        chosen: the names of options that were set; the others follow the manifest's defaults.
        schedule: a cron expression, a preset, ``@inputs``, or None for runs by hand only.
        start_date: the start of the first interval; None for a new deployment to start now.
        options: how runs are created and tried.
        notifications: mail addresses by ``on_success`` and ``on_failure``.
        auto_rollback_after: the number of consecutive failed runs that triggers a rollback.
        shared_connections: the connections in ``options`` that belong to no tenant and were granted: the ids
            of their rows, by name.
    """

    manifest: Manifest
    configuration: Values
    secrets: Values
    chosen: list[str]
    schedule: str | None
    start_date: datetime | None
    options: RunOptions
    notifications: dict[str, list[str]]
    auto_rollback_after: int | None
    shared_connections: dict[str, int]

    @classmethod
    def from_revision(cls, revision: DeploymentRevision) -> "DesiredState":
        """Return the desired state that a revision has stored."""
        spec = DeploymentSpec.model_validate(revision.spec)
        return cls(
            manifest=spec.manifest,
            configuration=spec.configuration,
            secrets=decrypt_secrets(revision.encrypted_secrets),
            chosen=_chosen(spec),
            schedule=spec.schedule,
            start_date=spec.start_date,
            options=RunOptions(**{name: getattr(spec, name) for name in RUN_OPTIONS}),
            notifications=revision.notifications,
            auto_rollback_after=revision.auto_rollback_after,
            shared_connections=spec.shared_connections,
        )

    @property
    def stored_values(self) -> StoredValues:
        """Return the values that the next deploy keeps unless its request changes them."""
        complete = self.configuration | self.secrets
        values = {name: complete[name] for name in self.chosen if name in complete}
        return StoredValues(values, frozenset(name for name in values if is_secret(self.manifest, name)))

    def runs_like(self, other: "DesiredState") -> bool:
        """Return whether both run the same code with the same configuration."""
        return (self.manifest, self.configuration, self.secrets) == (
            other.manifest,
            other.configuration,
            other.secrets,
        )


def _chosen(spec: DeploymentSpec) -> list[str]:
    """Return the names of options that were set; early revisions did not store them."""
    if spec.chosen is not None:
        return spec.chosen
    options = spec.manifest.configuration
    plain = [
        name
        for name, value in spec.configuration.items()
        if not (name in options and value == options[name].default)
    ]
    return plain + spec.secrets


def compare(before: DesiredState, after: DesiredState) -> list[dict[str, Json]]:
    """Return the fields that differ, each as ``{field, before, after}``. Secrets are masked."""
    old, new = _fields(before), _fields(after)
    hidden = _secret_fields(before) | _secret_fields(after)

    def shown(name: str, value: Json) -> Json:
        return MASK if name in hidden and value is not None else value

    return [
        {"field": name, "before": shown(name, old.get(name)), "after": shown(name, new.get(name))}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _fields(state: DesiredState) -> dict[str, Json]:
    """Return all fields in which two revisions may differ, with secrets in plain text."""
    configuration = state.configuration | state.secrets
    return {
        "version": state.manifest.version,
        "image": state.manifest.image,
        "schedule": state.schedule,
        "auto_rollback.after_failures": state.auto_rollback_after,
        **{f"configuration.{name}": value for name, value in configuration.items()},
        **{f"notifications.{name}": value for name, value in state.notifications.items()},
        **asdict(state.options),
    }


def _secret_fields(state: DesiredState) -> set[str]:
    secret = {name for name, option in state.manifest.configuration.items() if option.secret}
    return {f"configuration.{name}" for name in secret | state.secrets.keys()}
