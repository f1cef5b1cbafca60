"""From a request to deploy to the desired state.

A field that is absent keeps its value, and null resets it; with ``replace``, absent fields are reset, too.
A new deployment has no values to keep.
"""

from dataclasses import replace
from typing import NamedTuple

from sqlalchemy.orm import Session

from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.deployments import configuration, connection_grants
from airflow_platform_plugin.deployments.configuration import StoredValues
from airflow_platform_plugin.deployments.desired_state import RUN_OPTIONS, DesiredState, RunOptions
from airflow_platform_plugin.deployments.inputs import DeployRequest
from airflow_platform_plugin.deployments.target import Target

_NOBODY: dict[str, list[str]] = {"on_success": [], "on_failure": []}


class Requested(NamedTuple):
    """The desired state of a request, and a sentence for each stored value that is dropped."""

    state: DesiredState
    warnings: list[str]


def to_desired_state(session: Session, request: DeployRequest, target: Target, *, by: Principal) -> Requested:
    """Return the desired state of a request.

    Raises:
        ValidationFailed: the configuration does not fit the manifest, or there is no such connection.
        PermissionDenied: the caller may not grant one of the connections.
    """
    manifest = Manifest.model_validate(target.kit.manifest)
    current = target.current
    kept = None if request["replace"] else current
    merged = configuration.merge(
        manifest,
        request.get("configuration", {}),
        StoredValues() if current is None else current.stored_values,
        replace=kept is None,
    )
    plain, secrets = configuration.resolve(manifest, merged.values)
    state = DesiredState(
        manifest=manifest,
        configuration=plain,
        secrets=secrets,
        chosen=sorted(merged.values),
        schedule=_choose_value(request, "schedule", None if kept is None else kept.schedule, None),
        start_date=request.get("start_date") or (None if current is None else current.start_date),
        options=_choose_options(request, kept),
        notifications=_merge_notifications(request, kept),
        auto_rollback_after=_choose_auto_rollback(request, kept),
        shared_connections={},
    )
    grants = _resolve_grants(session, state, None if "connections" in request else kept, target.tenant_id, by)
    return Requested(replace(state, shared_connections=grants), merged.warnings)


def _choose_options(request: DeployRequest, kept: DesiredState | None) -> RunOptions:
    stored = RunOptions() if kept is None else kept.options
    values = {
        name: _choose_value(request, name, getattr(stored, name), default)
        for name, default in RUN_OPTIONS.items()
    }
    return RunOptions(**values)


def _choose_value(request: DeployRequest, name: str, kept: Json, default: Json) -> Json:
    """Return the requested value, or else the kept one; for null, or if there is neither, the default."""
    found: Json = request.get(name, kept)
    return default if found is None else found


def _merge_notifications(request: DeployRequest, kept: DesiredState | None) -> dict[str, list[str]]:
    is_reset = "notifications" in request and request["notifications"] is None
    stored = _NOBODY if kept is None or is_reset else _NOBODY | kept.notifications
    given: dict[str, Json] = dict(request.get("notifications") or {})
    return stored | {name: addresses or [] for name, addresses in given.items()}


def _choose_auto_rollback(request: DeployRequest, kept: DesiredState | None) -> int | None:
    if "auto_rollback" not in request:
        return None if kept is None else kept.auto_rollback_after
    given = request["auto_rollback"]
    return None if given is None else given["after_failures"]


def _resolve_grants(
    session: Session, state: DesiredState, kept: DesiredState | None, tenant_id: str | None, by: Principal
) -> dict[str, int]:
    """Return the shared connections that the deployment may use.

    A caller who deploys other code or another configuration must grant all connections again, also those
    that the deployment keeps. Otherwise anybody who may deploy could read what was granted to other code.

    Args:
        session: the request's transaction.
        state: the desired state, without its grants.
        kept: the current state, whose grants are kept; None if the request sets the connections.
        tenant_id: the tenant that owns the deployment.
        by: the caller.
    """
    if kept is None:
        return connection_grants.grant(session, state.options.connections, tenant_id, by)
    if not state.runs_like(kept):
        return connection_grants.grant(
            session, state.options.connections, tenant_id, by, granted=kept.shared_connections
        )
    connection_grants.find(session, state.options.connections, tenant_id, granted=kept.shared_connections)
    return kept.shared_connections
