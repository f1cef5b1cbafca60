"""Deployments as DAGs: what the loader file in the DAGs folder calls, and how we find that file again."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import DAG, get_parsing_context
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import column_limits
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision, LoaderFile, is_in_force
from airflow_platform_plugin.deployments.spec import DeploymentSpec
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)


class DeploymentRow(NamedTuple):
    """A deployment as it is read: its DAG's id and spec, and its tenant with the limits of now."""

    dag_id: str
    spec: dict[str, Any]
    tenant_id: str | None = None
    resource_limits: dict[str, str] | None = None
    paused: bool = False
    id: str = ""
    revision: int = 0
    loaded_revision: int | None = None
    import_error: str | None = None


class Built(NamedTuple):
    """The DAGs by id, and of those that could not be built the reason."""

    dags: dict[str, DAG]
    errors: dict[str, str]


_LONGEST_ERROR = 4000


def load(fileloc: str) -> dict[str, DAG]:
    """The DAGs of all deployments by id, or in a task process the one that is about to run.

    Args:
        fileloc: the loader file, which is parsed at once after each deploy.
    """
    only = get_parsing_context().dag_id
    with db.transaction() as session:
        rows = _rows(session, only)
        dialect = session.connection().dialect.name
    built = build_all(rows, dialect)
    if dialect == "mysql":
        with db.transaction() as session:
            column_limits.keep_distinct_tags(session, built.dags.values())
    if only is None:
        try:
            with db.transaction() as session:
                _record_parse_results(session, fileloc, rows, built.errors)
        except Exception:
            log.exception("What became of the deployments could not be written down; the next parsing will")
    return built.dags


def build_all(rows: Sequence[DeploymentRow], dialect: str = "") -> Built:
    """The DAGs of the rows. One that cannot be built or stored is left out; the others are not harmed.

    Args:
        rows: the deployments.
        dialect: the name of Airflow's database, as SQLAlchemy has it.
    """
    dags, errors = {}, {}
    for row in rows:
        try:
            dags[row.dag_id] = _build(row, dialect)
        except Exception as error:
            log.exception("The deployment behind the DAG %s cannot be built", row.dag_id)
            errors[row.dag_id] = _sentence(error)
    return Built(dags, errors)


def _build(row: DeploymentRow, dialect: str) -> DAG:
    from airflow_platform_plugin.deployments.execution.dag import Owner, build

    spec = DeploymentSpec.model_validate(row.spec)
    _require_fit(column_limits.early(spec))
    owner = None if row.tenant_id is None else Owner(row.tenant_id, row.resource_limits or {})
    dag = build(spec, owner, paused=row.paused)
    _require_fit(column_limits.misfits(dag, spec, dialect))
    if row.loaded_revision != row.revision:  # once, for it takes about as long as all else
        column_limits.require_storable(dag)
    return dag


def _require_fit(misfits: Iterator[column_limits.Misfit]) -> None:
    if (misfit := next(misfits, None)) is not None:
        raise ValueError(f"{misfit.field}: {misfit.message}")


def _sentence(error: Exception) -> str:
    """What is wrong, as every database can keep it."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    return text.replace("\0", "").encode(errors="replace").decode()


def _rows(session: Session, dag_id: str | None) -> list[DeploymentRow]:
    # Tables, not mapped classes: the first use of those costs each task process fifty milliseconds.
    made, revision, tenant = Deployment.__table__.c, DeploymentRevision.__table__.c, Tenant.__table__.c
    in_force = (
        select(
            made.dag_id,
            revision.spec,
            tenant.tenant_id,
            tenant.resource_limits,
            made.paused,
            made.id,
            made.revision,
            made.loaded_revision,
            made.import_error,
        )
        .select_from(
            Deployment.__table__.join(DeploymentRevision.__table__, is_in_force()).outerjoin(
                Tenant.__table__, tenant.tenant_id == made.tenant_id
            )
        )
        .where(made.retired_at.is_(None))
        .order_by(made.dag_id)
    )
    if dag_id is not None:
        in_force = in_force.where(made.dag_id == dag_id)
    return [DeploymentRow(*row) for row in session.connection().execute(in_force)]


def _record_parse_results(
    session: Session, fileloc: str, rows: Sequence[DeploymentRow], errors: dict[str, str]
) -> None:
    """Remember the file, and which revisions were read and what was wrong with them; only what is new."""
    if session.get(LoaderFile, LoaderFile.key(fileloc)) is None:
        session.add(LoaderFile(id=LoaderFile.key(fileloc), fileloc=fileloc))
    for row in rows:
        error = errors.get(row.dag_id)
        if row.loaded_revision != row.revision or row.import_error != error:
            session.execute(
                update(Deployment)
                .where(Deployment.id == row.id, Deployment.revision == row.revision)
                .values(loaded_revision=row.revision, loaded_at=db.now(), import_error=error)
                .execution_options(synchronize_session=False)
            )


def registered_loaders(session: Session) -> list[str]:
    """The loader files that have been parsed so far."""
    return list(session.scalars(select(LoaderFile.fileloc)))
