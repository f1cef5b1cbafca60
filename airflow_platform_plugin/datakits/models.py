"""DataKit versions, deployments and the revisions of deployments."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import relationship

from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.db import UtcDateTime


class DataKitName(db.Base):
    """Whose a name is: of whoever registered its first version, for as long as there is one."""

    __tablename__ = "platform_datakit_name"

    name = Column(String(63), primary_key=True)
    tenant_id = Column(String(63), ForeignKey("platform_tenant.tenant_id"), index=True)


class DataKit(db.Base):
    """One version of a kit. It never changes, but may be withdrawn."""

    __tablename__ = "platform_datakit"

    id = Column(String(24), primary_key=True, default=lambda: db.new_id("dk"))
    name = Column(String(63), nullable=False)
    version = Column(String(64), nullable=False)
    # Who may see, deploy and withdraw it; None is for everybody to deploy, and the platform's to change.
    tenant_id = Column(String(63), ForeignKey("platform_tenant.tenant_id"), index=True)
    type = Column(String(32), nullable=False)
    # The manifest's own, repeated for the list's search.
    description = Column(Text, nullable=False)
    manifest = Column(JSON, nullable=False)
    withdrawn_at = Column(UtcDateTime)
    withdrawn_reason = Column(String(1000))
    row_version = Column(Integer, nullable=False)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)

    __table_args__ = (UniqueConstraint("name", "version"),)
    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own


class DataKitTag(db.Base):
    """A tag of a version, repeated from its manifest for the list."""

    __tablename__ = "platform_datakit_tag"

    datakit_id = Column(String(24), ForeignKey("platform_datakit.id", ondelete="CASCADE"), primary_key=True)
    # MySQL's usual order takes "a" and "A" for the same.
    tag = Column(
        String(100).with_variant(mysql.VARCHAR(100, collation="utf8mb4_bin"), "mysql"),
        primary_key=True,
        index=True,
    )


class Deployment(db.Base):
    """A kit in an environment and a namespace; it points at the revision that is in force."""

    __tablename__ = "platform_deployment"

    id = Column(String(24), primary_key=True, default=lambda: db.new_id("dep"))
    datakit = Column(String(63), nullable=False)
    environment = Column(String(63), nullable=False)
    namespace = Column(String(63), nullable=False)
    # The tenant that owns the namespace; None is the platform's own.
    tenant_id = Column(String(63), ForeignKey("platform_tenant.tenant_id"), index=True)
    dag_id = Column(String(250), nullable=False, unique=True)
    revision = Column(Integer, nullable=False)
    # How its DAG begins; from then on Airflow knows whether it is paused.
    paused = Column(Boolean, nullable=False, default=False)
    # Its DAG is gone since then, its history stays. A deploy brings it back.
    retired_at = Column(UtcDateTime)
    # Versions that were rolled back from here because their runs failed.
    bad_versions = Column(JSON, nullable=False, default=list)
    # The revision that is to be rolled back by itself.
    rollback_from = Column(Integer, index=True)
    # The revision that the loader has read last, when, and why no DAG could be made of it.
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
    """What was deployed, by whom and when. It never changes: going back makes a new one."""

    __tablename__ = "platform_deployment_revision"

    deployment_id = Column(String(24), ForeignKey("platform_deployment.id"), primary_key=True)
    number = Column(Integer, primary_key=True, autoincrement=False)
    version = Column(String(64), nullable=False)
    spec = Column(JSON, nullable=False)
    # The values of secret options, as a JSON object.
    encrypted_secrets = Column(Text, info=db.SECRET)
    notifications = Column(JSON, nullable=False)
    # Failed runs in a row after which it is rolled back by itself.
    auto_rollback_after = Column(Integer)
    # deploy, redeploy, rollback or auto_rollback; of the latter, the revision that it repeats.
    action = Column(String(16), nullable=False, default="deploy")
    source = Column(Integer)
    reason = Column(String(1000))
    # What differs from the revision before: field, before, after.
    diff = Column(JSON, nullable=False, default=list)
    # What the image's tag stood for, once a run has found out.
    image_digest = Column(String(255))
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)


class Mail(db.Base):
    """A run's end that somebody is still to be told of by mail."""

    __tablename__ = "platform_deployment_mail"

    # No foreign key: what cannot be sent is given up long before events are deleted.
    event_id = Column(String(36), primary_key=True)
    deployment_id = Column(String(24), nullable=False)
    addresses = Column(JSON, nullable=False)
    attempts = Column(Integer, nullable=False, default=0)
    due_at = Column(UtcDateTime, nullable=False, index=True)


class LoaderFile(db.Base):
    """A loader file as Airflow parsed it, so that a deploy can have it parsed again at once."""

    __tablename__ = "platform_loader_file"

    # A hash: MySQL cannot make an index of a path's length.
    id = Column(String(64), primary_key=True)
    fileloc = Column(String(2000), nullable=False)

    @staticmethod
    def key(fileloc: str) -> str:
        """The id of a path."""
        return crypto.digest(fileloc)
