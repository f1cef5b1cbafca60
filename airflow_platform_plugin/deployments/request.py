"""What a deploy's request asks for, over what the deployment has.

A field that is not given stays what it was, and null resets it; with ``replace`` what is not given is reset
too. A new deployment has nothing yet, so all that is not given is the default.
"""

from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.deployments import connection_grants
from airflow_platform_plugin.deployments.configuration import Kept, merge, resolve
from airflow_platform_plugin.deployments.planning import OPTIONS, DesiredState, Target

_NOBODY: dict[str, list[str]] = {"on_success": [], "on_failure": []}


class Asked(NamedTuple):
    """What is to run, and what of before does not stay, in sentences."""

    wanted: DesiredState
    warnings: list[str]


def ask(
    session: Session, manifest: Manifest, request: dict[str, Any], place: Target, *, by: Principal
) -> Asked:
    """What is to run and how.

    Raises:
        ValidationFailed: the configuration does not fit the manifest, or there is no such connection.
        PermissionDenied: the caller may not hand over one of the connections.
    """
    there = None if place.deployment is None else DesiredState.again(place.deployment.current)
    before = None if request["replace"] else there
    given = request.get("configuration", {})
    merged = merge(manifest, given, Kept() if there is None else there.kept, replace=before is None)
    configuration = resolve(manifest, merged.values)
    options = {
        name: _value(request, name, before and before.options[name], default)
        for name, default in OPTIONS.items()
    }
    auto_rollback = request.get("auto_rollback") or {}
    after = before.auto_rollback_after if before and "auto_rollback" not in request else None
    wanted = DesiredState(
        manifest=manifest,
        configuration=configuration,
        schedule=_value(request, "schedule", before and before.schedule, None),
        start_date=request.get("start_date"),
        options=options,
        notifications=_notifications(request.get("notifications", {}), before),
        auto_rollback_after=auto_rollback.get("after_failures", after),
        shared_connections={},
        chosen=sorted(merged.values),
    )
    return Asked(wanted.granted(_grants(session, wanted, request, before, place, by)), merged.warnings)


def _value(request: dict[str, Any], name: str, before: Any, default: Any) -> Any:  # noqa: ANN401 - any field
    """What is given; else what was before; and for null, or where there was nothing, the default."""
    found = request.get(name, before)
    return default if found is None else found


def _notifications(given: dict[str, Any] | None, before: DesiredState | None) -> dict[str, list[str]]:
    kept = _NOBODY if before is None or given is None else _NOBODY | before.notifications
    return kept | {name: addresses or [] for name, addresses in (given or {}).items()}


def _grants(  # noqa: PLR0913, PLR0917 - what a grant depends on
    session: Session,
    wanted: DesiredState,
    request: dict[str, Any],
    before: DesiredState | None,
    place: Target,
    by: Principal,
) -> dict[str, int]:
    """The shared connections that are granted.

    Who deploys other code, or tells it something else, gives it the connections anew, also those that stay:
    or else everybody who may deploy could read what was given to the code before.
    """
    names = wanted.options["connections"]
    tenant_id = None if place.tenant is None else str(place.tenant.tenant_id)
    if before is None or "connections" in request:
        return connection_grants.grant(session, names, tenant_id, by)
    kept = before.shared_connections
    if (wanted.manifest, wanted.configuration) != (before.manifest, before.configuration):
        return connection_grants.grant(session, names, tenant_id, by, granted=kept)
    connection_grants.find(session, names, tenant_id, granted=kept)
    return kept
