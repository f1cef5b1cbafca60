"""Build the DAGs of deployments for the loader file in the DAGs folder, and remember that file."""

import logging
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import DAG, get_parsing_context
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import column_limits
from airflow_platform_plugin.deployments.execution import parsing_limit
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision, LoaderFile, is_in_force
from airflow_platform_plugin.deployments.spec import DeploymentSpec
from airflow_platform_plugin.tenants.models import Tenant

log = logging.getLogger(__name__)


class DeploymentRow(NamedTuple):
    """The columns of a deployment that the loader reads, with its tenant's current limits."""

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
    """The DAGs by id, and the reasons by DAG id why others could not be built."""

    dags: dict[str, DAG]
    errors: dict[str, str]


_LONGEST_ERROR = 4000
_BATCH = 500  # rows of one UPDATE


def load(fileloc: str) -> dict[str, DAG]:
    """Return the DAGs of deployments by id; in a task process, only the DAG that is about to run.

    If very many deployments are new, the next parsings return the rest of these.

    Args:
        fileloc: the path of the loader file, which Airflow parses at once after each deploy.
    """
    only = get_parsing_context().dag_id
    with db.transaction() as session:
        rows = _rows(session, only)
        if only is None:
            rows = parsing_limit.take(session, rows)
        dialect = session.connection().dialect.name
    built = build_all(rows, dialect)
    if dialect == "mysql":
        with db.transaction() as session:
            column_limits.keep_distinct_tags(session, built.dags.values())
    if only is None:
        airflow_compat.dag_permissions.skip_permissions(built.dags.values())
        try:
            with db.transaction() as session:
                _record_parse_results(session, fileloc, rows, built.errors)
        except Exception:
            log.exception("The results of parsing cannot be stored; the next parsing stores them")
    return built.dags


def build_all(rows: Sequence[DeploymentRow], dialect: str = "") -> Built:
    """Build the DAGs of the rows. A DAG that cannot be built or stored is left out, and the others are built.

    Args:
        rows: the deployments.
        dialect: SQLAlchemy's name of Airflow's database.
    """
    dags, errors = {}, {}
    for row in rows:
        try:
            dags[row.dag_id] = _build(row, dialect)
        except Exception as error:
            log.exception("The DAG %s of a deployment cannot be built", row.dag_id)
            errors[row.dag_id] = _message(error)
    return Built(dags, errors)


def _build(row: DeploymentRow, dialect: str) -> DAG:
    from airflow_platform_plugin.deployments.execution.dag import Owner, build

    spec = DeploymentSpec.model_validate(row.spec)
    _require_fit(column_limits.find_long_inputs(spec))
    owner = None if row.tenant_id is None else Owner(row.tenant_id, row.resource_limits or {})
    dag = build(spec, owner, paused=row.paused)
    _require_fit(column_limits.find_misfits(dag, spec, dialect))
    if row.loaded_revision != row.revision:  # once for each revision: it takes about as long as the rest
        column_limits.require_storable(dag)
    return dag


def _require_fit(misfits: Iterator[column_limits.Misfit]) -> None:
    if (misfit := next(misfits, None)) is not None:
        raise ValueError(f"{misfit.field}: {misfit.message}")


def _message(error: Exception) -> str:
    """Return the error as text that every database can store."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    return text.replace("\0", "").encode(errors="replace").decode()


def _rows(session: Session, dag_id: str | None) -> Sequence[DeploymentRow]:
    # Tables, not mapped classes: the first use of a mapped class costs each task process fifty milliseconds.
    deployment, revision, tenant = Deployment.__table__.c, DeploymentRevision.__table__.c, Tenant.__table__.c
    in_force = (
        select(
            deployment.dag_id,
            revision.spec,
            tenant.tenant_id,
            tenant.resource_limits,
            deployment.paused,
            deployment.id,
            deployment.revision,
            deployment.loaded_revision,
            deployment.import_error,
        )
        .select_from(
            Deployment.__table__.join(DeploymentRevision.__table__, is_in_force()).outerjoin(
                Tenant.__table__, tenant.tenant_id == deployment.tenant_id
            )
        )
        .where(deployment.retired_at.is_(None))
        .order_by(deployment.dag_id)
    )
    if dag_id is not None:
        in_force = in_force.where(deployment.dag_id == dag_id)
    return [DeploymentRow(*row) for row in session.connection().execute(in_force)]


def _record_parse_results(
    session: Session, fileloc: str, rows: Sequence[DeploymentRow], errors: dict[str, str]
) -> None:
    """Store the file, the revisions that were read, and their errors, as far as they are new."""
    if session.get(LoaderFile, LoaderFile.key(fileloc)) is None:
        session.add(LoaderFile(id=LoaderFile.key(fileloc), fileloc=fileloc))
    changed: dict[tuple[int, str | None], list[str]] = {}
    for row in rows:
        error = errors.get(row.dag_id)
        if row.loaded_revision != row.revision or row.import_error != error:
            changed.setdefault((row.revision, error), []).append(row.id)
    for (revision, error), ids in changed.items():
        for start in range(0, len(ids), _BATCH):
            loaded = (
                update(Deployment)
                .where(Deployment.id.in_(ids[start : start + _BATCH]), Deployment.revision == revision)
                .values(loaded_revision=revision, loaded_at=db.now(), import_error=error)
            )
            db.execute_bulk(session, loaded)


def list_loader_files(session: Session) -> list[str]:
    """Return the paths of the loader files that Airflow has parsed."""
    return list(session.scalars(select(LoaderFile.fileloc)))


def is_in_other_file(fileloc: str | None, loaders: Collection[str]) -> bool:
    """Return whether a DAG is in a file of the DAGs folder that is not one of the loader files."""
    folder = f"{airflow_compat.config.dags_folder()}/"
    return bool(loaders) and fileloc not in loaders and str(fileloc).startswith(folder)


def request_parsing(session: Session) -> None:
    """Ask Airflow to parse the loader files at once."""
    for fileloc in list_loader_files(session):
        table, row = airflow_compat.dags.parsing_request(fileloc)
        db.insert_absent(session.connection(), table, [row])
