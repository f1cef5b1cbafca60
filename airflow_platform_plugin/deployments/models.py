"""The tables of deployments: their revisions, mails that are due, and loader files."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import relationship
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.db import UtcDateTime


class Deployment(db.Base):
    """A kit in an environment and a namespace, with the number of the revision in force."""

    __tablename__ = "platform_deployment"

    id = Column(String(24), primary_key=True, default=lambda: db.new_id("dep"))
    datakit = Column(String(63), nullable=False)
    environment = Column(String(63), nullable=False)
    namespace = Column(String(63), nullable=False)
    # The tenant that owns the namespace; None for the platform.
    tenant_id = Column(String(63), ForeignKey("platform_tenant.tenant_id"), index=True)
    dag_id = Column(db.StringID(), nullable=False, unique=True)
    revision = Column(Integer, nullable=False)
    # Whether a new DAG starts paused. Once the DAG exists, Airflow knows whether it is paused.
    paused = Column(Boolean, nullable=False, default=False)
    # A retired deployment has no DAG; its history stays. A deploy reactivates it.
    retired_at = Column(UtcDateTime)
    # Versions that were rolled back automatically here because their runs failed.
    bad_versions = Column(JSON, nullable=False, default=list)
    # The revision that the worker rolls back next.
    rollback_from = Column(Integer, index=True)
    # The revision that the loader read last, when, and why it could not build a DAG from it.
    loaded_revision = Column(Integer)
    loaded_at = Column(UtcDateTime)
    import_error = Column(Text)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)

    current = relationship(
        "DeploymentRevision",
        primaryjoin="and_(Deployment.id == foreign(DeploymentRevision.deployment_id), "
        "Deployment.revision == foreign(DeploymentRevision.number))",
        uselist=False,
        viewonly=True,
        lazy="joined",
    )

    __table_args__ = (UniqueConstraint("datakit", "environment", "namespace"),)


class DeploymentRevision(db.Base):
    """What was deployed, by which user and when. It never changes: a rollback creates a new revision."""

    __tablename__ = "platform_deployment_revision"

    deployment_id = Column(String(24), ForeignKey("platform_deployment.id"), primary_key=True)
    number = Column(Integer, primary_key=True, autoincrement=False)
    version = Column(String(64), nullable=False)
    spec = Column(JSON, nullable=False)
    # The values of secret options, as a JSON object.
    encrypted_secrets = Column(Text, info=db.SECRET)
    notifications = Column(JSON, nullable=False)
    # The number of consecutive failed runs that triggers an automatic rollback.
    auto_rollback_after = Column(Integer)
    # deploy, redeploy, rollback or auto_rollback; for the latter two, the revision that this one repeats.
    action = Column(String(16), nullable=False, default="deploy")
    source = Column(Integer)
    reason = Column(String(1000))
    # The differences from the revision before: a list of {field, before, after}.
    diff = Column(JSON, nullable=False, default=list)
    # The digest that the image's tag had when a run first pulled it.
    image_digest = Column(String(255))
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)


def is_in_force() -> ColumnElement[bool]:
    """Return the SQL condition that joins a deployment with its revision in force.

    Its columns are those of tables: mapped classes would cost each task process fifty milliseconds.
    """
    deployment, revision = Deployment.__table__.c, DeploymentRevision.__table__.c
    condition: ColumnElement[bool] = (revision.deployment_id == deployment.id) & (
        revision.number == deployment.revision
    )
    return condition


class Mail(db.Base):
    """A mail about the end of a run that is still to be sent."""

    __tablename__ = "platform_deployment_mail"

    # No foreign key: attempts to send end long before events are deleted.
    event_id = Column(String(36), primary_key=True)
    deployment_id = Column(String(24), nullable=False)
    addresses = Column(JSON, nullable=False)
    attempts = Column(Integer, nullable=False, default=0)
    due_at = Column(UtcDateTime, nullable=False, index=True)


class LoaderFile(db.Base):
    """A loader file that Airflow has parsed. A deploy asks Airflow to parse it again at once."""

    __tablename__ = "platform_loader_file"

    # A hash: a path is too long for an index of MySQL.
    id = Column(String(64), primary_key=True)
    fileloc = Column(String(2000), nullable=False)

    @staticmethod
    def key(fileloc: str) -> str:
        """Return the id of a path."""
        return crypto.digest(fileloc)
