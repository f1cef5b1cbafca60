"""The number of new DAGs that one parsing of the loader file takes.

Airflow ends a parsing that takes longer than ``[core] dag_file_processor_timeout``, and stores nothing of it.
So one parsing takes as many new DAGs as fit into a quarter of that time on an ordinary machine, because the
machine may be busy, and leaves the rest out. The worker requests the next parsing.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments.models import Deployment

if TYPE_CHECKING:
    from airflow_platform_plugin.deployments.execution.loader import DeploymentRow

log = logging.getLogger(__name__)

# New DAGs for each second of that time, if Airflow has stored none yet; `scripts/bench datakits` measures it.
_NEW_PER_SECOND = 50
# New DAGs that every parsing takes.
_FEWEST_NEW = 500
# A parsing that has stored nothing for so long is broken; another one would not help.
_LONGEST_PAUSE = timedelta(minutes=10)


def take(session: Session, rows: "Sequence[DeploymentRow]") -> "Sequence[DeploymentRow]":
    """Return the deployments that this parsing takes: all that are active in Airflow, and some new ones."""
    if len(rows) <= _FEWEST_NEW:
        return rows
    active = airflow_compat.dags.active_dag_ids(session)
    new = [row for row in rows if row.dag_id not in active]
    most = airflow_compat.config.parsing_timeout().total_seconds() * _NEW_PER_SECOND
    most -= (len(rows) - len(new)) / 4
    # Last those that could not be built: they are new in each parsing.
    new.sort(key=lambda row: (row.import_error is not None, row.loaded_revision is not None))
    left_out = {row.dag_id for row in new[max(_FEWEST_NEW, int(most)) :]}
    if left_out:
        log.warning("%s new deployments follow with the next parsings of this file", len(left_out))
    return [row for row in rows if row.dag_id not in left_out]


def has_left_out(session: Session) -> bool:
    """Return whether the last parsing has left out deployments."""
    unread = (Deployment.retired_at.is_(None), Deployment.loaded_revision.is_(None))
    oldest = session.scalar(select(func.min(Deployment.created_at)).where(*unread))
    if oldest is None:
        return False
    parsed = session.scalar(select(func.max(Deployment.loaded_at)))
    return parsed is not None and parsed > max(oldest, db.now() - _LONGEST_PAUSE)
