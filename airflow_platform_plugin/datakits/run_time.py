"""What a run asks and tells the platform, in the task's process: a runner calls these.

Light to import, and each call is one short transaction.
"""

from typing import Any

from sqlalchemy import select, update

from airflow_platform_plugin import db
from airflow_platform_plugin.datakits.configuration import unseal
from airflow_platform_plugin.datakits.models import DeploymentRevision

# The XCom of the task under which a runner leaves what went wrong, in a sentence: mails tell it.
ERROR_XCOM = "datakit_error"


def _row(deployment_id: str, revision: int) -> Any:  # noqa: ANN401 - an SQL expression
    return (DeploymentRevision.deployment_id == deployment_id) & (DeploymentRevision.number == revision)


def secrets(deployment_id: str, revision: int) -> dict[str, Any]:
    """The values of a revision's secret options, for the run's environment and nothing else."""
    with db.transaction() as session:
        sealed = session.scalar(
            select(DeploymentRevision.encrypted_secrets).where(_row(deployment_id, revision))
        )
    return unseal(sealed)


def report_image_digest(deployment_id: str, revision: int, digest: str) -> None:
    """Keep what a revision's image was when a run pulled it: ``sha256:…``."""
    with db.transaction() as session:
        session.execute(
            update(DeploymentRevision)
            .where(_row(deployment_id, revision), DeploymentRevision.image_digest.is_(None))
            .values(image_digest=digest)
            .execution_options(synchronize_session=False)
        )
