"""The permissions that the DAG processor creates for each DAG that it stores."""

from typing import TYPE_CHECKING

from airflow_platform_plugin.airflow_compat.models import DAG
from airflow_platform_plugin.airflow_compat.stock_code import is_stock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

# The code of ``DagBag._sync_perm_for_dag``, as ``stock_code.fingerprint`` returns it.
_KNOWN = "cdf0386daab9ddff"
_METHOD = "_sync_perm_for_dag"
_MARK = "platform_needs_no_permissions"


def skip_permissions(dags: "Iterable[DAG]") -> None:
    """Let this process store these DAGs without permissions, unless they have ``access_control``.

    Airflow creates seven permissions for each new DAG, with a transaction for each. That takes most of the
    time of storing a DAG. All other DAGs get theirs, in this process too.
    """
    if not _installed():
        return
    for dag in dags:
        setattr(dag, _MARK, True)


def _installed() -> bool:
    """Replace the method once; return False for a version of Airflow with another one."""
    from airflow.models.dagbag import DagBag

    stock = vars(DagBag).get(_METHOD)
    if hasattr(stock, _MARK):
        return True
    if not is_stock(DagBag, _METHOD, DagBag, _KNOWN):
        return False

    def sync_perm_for_dag(cls: DagBag, dag: DAG, *arguments: "Session", **session: "Session") -> None:
        # A cluster policy may have added ``access_control`` since the file was read.
        if dag.access_control is not None or not vars(dag).get(_MARK):
            stock.__get__(None, cls)(dag, *arguments, **session)

    replacement = classmethod(sync_perm_for_dag)
    setattr(replacement, _MARK, True)
    setattr(DagBag, _METHOD, replacement)
    return True
