"""Access to the platform's tables from a task's process.

The module is light to import, and each call is one short transaction.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.connections.records import DetachedConnection
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.deployments import connection_grants
from airflow_platform_plugin.deployments.configuration import decrypt_secrets
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec

# The key of the task's XCom that has the error message for mails.
ERROR_XCOM = "datakit_error"


class TaskSecrets(NamedTuple):
    """The secrets of a run.

    Attributes:
        options: the values of secret options by name.
        connections: Airflow connections as JSON, by id.
    """

    options: dict[str, Any]
    connections: dict[str, str]


def _is_revision(deployment_id: str, number: int | None) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = (DeploymentRevision.deployment_id == deployment_id) & (
        DeploymentRevision.number == number
    )
    return condition


def load_spec(spec: DeploymentSpec, number: int | None) -> DeploymentSpec:
    """Return the spec of the same deployment at another revision; ``spec`` itself if ``number`` is None."""
    if number in (None, spec.revision):
        return spec
    with db.transaction() as session:
        found = session.scalar(
            select(DeploymentRevision.spec).where(_is_revision(spec.deployment_id, number))
        )
    return spec if found is None else DeploymentSpec.model_validate(found)


def load_secrets(spec: DeploymentSpec) -> TaskSecrets:
    """Load the secrets of a run, and mask them in the task's log.

    Raises:
        ValidationFailed: the deployment may no longer use a connection, or its tenant may not reach its host.
        PermissionDenied: tenants may not use connections of that type.
    """
    from airflow_platform_plugin.connections.tenant_rules.reachability import require_reachable

    with db.transaction() as session:
        encrypted = session.scalar(
            select(DeploymentRevision.encrypted_secrets).where(
                _is_revision(spec.deployment_id, spec.revision)
            )
        )
        checked = _load_connections(session, spec)
    for one in checked.values():
        # A row may be older than a rule, or was changed in Airflow's pages. A kit resolves names by itself.
        require_reachable(one, look_up=False)
    connections = {name: one.connection.as_json() for name, one in checked.items()}
    secrets = decrypt_secrets(encrypted)
    _mask(secrets, connections)
    return TaskSecrets(secrets, connections)


def mask_variables(spec: DeploymentSpec, private: dict[str, str]) -> None:
    """Mask the secrets of a kit that another process has started.

    Args:
        spec: the deployment.
        private: the kit's variables with secrets.
    """
    configuration = json.loads(private.get("DATAKIT_CONFIGURATION", "{}"))
    options = spec.manifest.configuration
    secrets = {
        name: value for name, value in configuration.items() if name in options and options[name].secret
    }
    _mask(secrets, {name: text for name, text in private.items() if name.startswith("AIRFLOW_CONN_")})


def _mask(secrets: dict[str, Any], connections: dict[str, str]) -> None:
    documents = [json.loads(text) for text in connections.values()]
    for form in ((secrets, documents), (_escape(secrets), _escape(documents))):
        airflow_compat.masking.mask_secrets([*_walk_texts(form[0]), *form[1]])


def _escape(value: Json) -> Json:
    """Return the value with each text escaped as in JSON: a kit gets JSON, and may print it."""
    match value:
        case str():
            return json.dumps(value)[1:-1]
        case dict():
            return {name: _escape(item) for name, item in value.items()}
        case list():
            return [_escape(item) for item in value]
    return value


def _walk_texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from _walk_texts(list(value.values()))
        case list():
            for item in value:
                yield from _walk_texts(item)


def _load_connections(session: Session, spec: DeploymentSpec) -> dict[str, DetachedConnection]:
    """Return copies of the deployment's connections by name."""
    if not spec.connections:
        return {}
    tenant_id = session.scalar(select(Deployment.tenant_id).where(Deployment.id == spec.deployment_id))
    records = connection_grants.find(session, spec.connections, tenant_id, spec.shared_connections)
    return {name: record.detach() for name, record in records.items()}


def store_image_digest(deployment_id: str, number: int, digest: str) -> None:
    """Store the digest, ``sha256:…``, of a revision's image, unless an earlier run has stored one."""
    with db.transaction() as session:
        unknown = (_is_revision(deployment_id, number), DeploymentRevision.image_digest.is_(None))
        stored = update(DeploymentRevision).where(*unknown).values(image_digest=digest)
        db.execute_bulk(session, stored)
