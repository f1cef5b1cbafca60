"""The states of DAG runs and task instances."""

from airflow.utils.state import DagRunState, TaskInstanceState

__all__ = ["UNFINISHED_RUN", "DagRunState", "TaskInstanceState"]

# A run in another state has ended.
UNFINISHED_RUN = (DagRunState.QUEUED.value, DagRunState.RUNNING.value)
