"""Names for the types of Airflow, FAB and the auth manager.

mypy does not read Airflow, and FAB has no types, so each name stands for ``Any``. It tells the reader what
the value is.
"""

from typing import Any, TypeAlias

# DAGs and their schedules.
Dag: TypeAlias = Any  # airflow.models.DAG, or the scheduler's SerializedDAG
DagBag: TypeAlias = Any
DagRow: TypeAlias = Any  # columns of a DagModel
Timetable: TypeAlias = Any
DataInterval: TypeAlias = Any  # has ``start`` and ``end``
PlannedRun: TypeAlias = Any  # airflow.timetables.base.DagRunInfo

# Runs and tasks.
DagRunRow: TypeAlias = Any  # a DagRun, or a row with its columns
TaskRow: TypeAlias = Any  # a TaskInstance, or a row with its columns
Operator: TypeAlias = Any  # airflow.models.BaseOperator
TaskContext: TypeAlias = Any  # airflow.utils.context.Context
XComValue: TypeAlias = Any

# Users.
AuthManager: TypeAlias = Any
SecurityManager: TypeAlias = Any  # FAB's
User: TypeAlias = Any  # the auth manager's own class
Question: TypeAlias = Any  # a keyword argument of the auth manager's checks

# Connections.
HookClass: TypeAlias = Any
Hook: TypeAlias = Any
SecretsBackend: TypeAlias = Any

Model: TypeAlias = Any  # a mapped class
View: TypeAlias = Any  # a FAB view, or a method of one
FormField: TypeAlias = Any  # a WTForms form or field
Component: TypeAlias = Any  # what Airflow passes to a listener: a Job, a web application, ...
