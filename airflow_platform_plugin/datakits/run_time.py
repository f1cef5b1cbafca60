"""What a run asks and tells the platform, in the task's process: a runner calls these.

Light to import, and each call is one short transaction.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat, db
from airflow_platform_plugin.datakits import handed
from airflow_platform_plugin.datakits.configuration import unseal
from airflow_platform_plugin.datakits.manifest import DeploymentSpec
from airflow_platform_plugin.datakits.models import Deployment, DeploymentRevision

# The XCom of the task under which a runner leaves what went wrong, in a sentence: mails tell it.
ERROR_XCOM = "datakit_error"


def _row(deployment_id: str, revision: int) -> Any:  # noqa: ANN401 - an SQL expression
    return (DeploymentRevision.deployment_id == deployment_id) & (DeploymentRevision.number == revision)


def hand_over(spec: DeploymentSpec) -> tuple[dict[str, Any], dict[str, str]]:
    """What a run gets of secrets: the values of secret options, and its connections as JSON, by id.

    From then on Airflow's masker knows them, so that the task's log does not show them.

    Raises:
        ValidationFailed: a connection is not one any more that the deployment may have.
    """
    with db.transaction() as session:
        sealed = session.scalar(
            select(DeploymentRevision.encrypted_secrets).where(_row(spec.deployment_id, spec.revision))
        )
        connections = _connections(session, spec)
    secrets = unseal(sealed)
    airflow_compat.mask_secrets([*_texts(secrets), *(json.loads(text) for text in connections.values())])
    return secrets, connections


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    match value:
        case str():
            yield value
        case dict():
            yield from _texts(list(value.values()))
        case list():
            for item in value:
                yield from _texts(item)


def _connections(session: Session, spec: DeploymentSpec) -> dict[str, str]:
    if not spec.connections:
        return {}
    tenant_id = session.scalar(select(Deployment.tenant_id).where(Deployment.id == spec.deployment_id))
    rows = handed.find(session, spec.connections, tenant_id, spec.shared_connections)
    return {name: row.as_json() for name, row in rows.items()}


def report_image_digest(deployment_id: str, revision: int, digest: str) -> None:
    """Keep what a revision's image was when a run pulled it: ``sha256:…``."""
    with db.transaction() as session:
        session.execute(
            update(DeploymentRevision)
            .where(_row(deployment_id, revision), DeploymentRevision.image_digest.is_(None))
            .values(image_digest=digest)
            .execution_options(synchronize_session=False)
        )
