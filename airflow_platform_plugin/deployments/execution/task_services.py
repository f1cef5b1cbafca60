"""What a run asks and tells the platform, in the task's process: a runner calls these.

Light to import, and each call is one short transaction.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.records import copy_detached
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import connection_grants
from airflow_platform_plugin.deployments.configuration import decrypt_secrets
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec

# The XCom of the task under which a runner leaves what went wrong, in a sentence: mails tell it.
ERROR_XCOM = "datakit_error"


def _row(deployment_id: str, number: int | None) -> Any:  # noqa: ANN401 - an SQL expression
    return (DeploymentRevision.deployment_id == deployment_id) & (DeploymentRevision.number == number)


def revision(spec: DeploymentSpec, number: int | None) -> DeploymentSpec:
    """The same deployment at the revision of that number; None for the one that is given."""
    if number in (None, spec.revision):
        return spec
    with db.transaction() as session:
        found = session.scalar(select(DeploymentRevision.spec).where(_row(spec.deployment_id, number)))
    return spec if found is None else DeploymentSpec.model_validate(found)


def load_connections(spec: DeploymentSpec) -> tuple[dict[str, Any], dict[str, str]]:
    """What a run gets of secrets: the values of secret options, and its connections as JSON, by id.

    From then on Airflow's masker knows them, so that the task's log does not show them.

    Raises:
        ValidationFailed: a connection is not one any more that the deployment may have, or leads where its
            tenant must not go.
        PermissionDenied: a connection's type is not for tenants.
    """
    from airflow_platform_plugin.connections.tenant_rules.reachability import require_reachable

    with db.transaction() as session:
        sealed = session.scalar(
            select(DeploymentRevision.encrypted_secrets).where(_row(spec.deployment_id, spec.revision))
        )
        tenant_id, rows = _connections(session, spec)
    shared = spec.shared_connections.values()
    for row in rows.values():
        # A row may be older than a rule, or changed since in Airflow's pages. A kit asks a DNS of its own.
        require_reachable(row, None if row.id in shared else tenant_id, look_up=False)
    connections = {name: row.as_json() for name, row in rows.items()}
    secrets = decrypt_secrets(sealed)
    _mask(secrets, connections)
    return secrets, connections


def mask(spec: DeploymentSpec, private: dict[str, str]) -> None:
    """Let the masker of this process know what a kit was told that another process has started.

    Args:
        spec: the deployment.
        private: the kit's variables with secrets in them.
    """
    configuration = json.loads(private.get("DATAKIT_CONFIGURATION", "{}"))
    options = spec.manifest.configuration
    secrets = {
        name: value for name, value in configuration.items() if name in options and options[name].secret
    }
    _mask(secrets, {name: text for name, text in private.items() if name.startswith("AIRFLOW_CONN_")})


def _mask(secrets: dict[str, Any], connections: dict[str, str]) -> None:
    documents = [json.loads(text) for text in connections.values()]
    for form in ((secrets, documents), (_printed(secrets), _printed(documents))):
        airflow_compat.masking.mask_secrets([*_texts(form[0]), *form[1]])


def _printed(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same with each text as it stands in JSON, in which a kit is told it and may print it."""
    match value:
        case str():
            return json.dumps(value)[1:-1]
        case dict():
            return {name: _printed(item) for name, item in value.items()}
        case list():
            return [_printed(item) for item in value]
    return value


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    match value:
        case str():
            yield value
        case dict():
            yield from _texts(list(value.values()))
        case list():
            for item in value:
                yield from _texts(item)


def _connections(session: Session, spec: DeploymentSpec) -> tuple[str | None, dict[str, Connection]]:
    """Whose the deployment is, and copies of its connections."""
    if not spec.connections:
        return None, {}
    tenant_id = session.scalar(select(Deployment.tenant_id).where(Deployment.id == spec.deployment_id))
    rows = connection_grants.find(session, spec.connections, tenant_id, spec.shared_connections)
    return tenant_id, {name: copy_detached(row) for name, row in rows.items()}


def report_image_digest(deployment_id: str, number: int, digest: str) -> None:
    """Keep what a revision's image was when a run pulled it: ``sha256:…``."""
    with db.transaction() as session:
        session.execute(
            update(DeploymentRevision)
            .where(_row(deployment_id, number), DeploymentRevision.image_digest.is_(None))
            .values(image_digest=digest)
            .execution_options(synchronize_session=False)
        )
